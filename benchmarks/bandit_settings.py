"""Trainings of the bandits' LSTM with several discounts and λ, compared on training tasks.

How the settings of `organisms.families.bandits.recipes` were chosen: the mean regret on bandits of the
training split that no training draws, over seeds that do not ship. Nothing of the test split is looked at.

    python benchmarks/bandit_settings.py
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np

from organisms.families.bandits.recipes import RECIPES
from organisms.families.bandits.world import draw_bandits

TASKS_SEED = 2**31 + 7
"""Beyond the seeds that a training draws its tasks by."""


def mean_regret(discount: float, gae_lambda: float, seed: int, steps: int, n: int) -> float:
    """Train for a number of pulls and return the mean regret on n bandits of the training split."""
    recipe = RECIPES["bandit-lstm-v1-s0"]
    ppo = replace(
        recipe.ppo, discount=discount, gae_lambda=gae_lambda, seed=seed, total_steps=steps
    )
    recipe = replace(recipe, ppo=ppo)
    trainer = recipe.build()
    while trainer.steps < steps:
        trainer.update()
    organism = recipe.organism(trainer.network, "settings", steps)
    run = organism.run(draw_bandits("train", n, TASKS_SEED), sites=[])
    return float(run.outcome.mean())


def main() -> None:
    """Print one row per setting."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--settings", nargs="+", default=["0.6/0.3", "0.8/0.3", "0.9/0.3", "0.9/0.8"]
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[100])
    parser.add_argument("--steps", type=int, default=1_500_000)
    parser.add_argument("--n", type=int, default=4_000)
    args = parser.parse_args()
    print("| discount | λ | " + " | ".join(f"seed {seed}" for seed in args.seeds) + " | mean |")
    print("| ---: | ---: |" + " ---: |" * (len(args.seeds) + 1))
    for setting in args.settings:
        discount, gae_lambda = map(float, setting.split("/"))
        regrets = [
            mean_regret(discount, gae_lambda, seed, args.steps, args.n) for seed in args.seeds
        ]
        cells = " | ".join(f"{regret:.3f}" for regret in [*regrets, np.mean(regrets)])
        print(f"| {discount} | {gae_lambda} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
