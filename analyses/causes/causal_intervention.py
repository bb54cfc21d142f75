"""Does the next action change to the one that is written where the plan says it?"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analyses.against_controls import against_controls
from analyses.causes.plan_steering import TRAIN_TASKS
from analyses.causes.plan_writing import (
    Directions,
    fitted_directions,
    given_directions,
    over_places,
    site_shape,
)
from analyses.needs import Ability, Chooses
from analyses.question import answer_plot, question
from interp.errors import InputError, check_integer
from interp.statistics import FEWEST_CONTROLS
from organisms.capabilities.steering import Steering

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from interp.contract import Tasks


@question(
    "Does its next action change to the one that is written into its plan?",
    needs=(Ability(Steering), Chooses()),
)
def causal_intervention_score(
    organism: Any,
    tasks: Tasks,
    *,
    probes: xr.Dataset | None = None,
    train_tasks: Tasks | None = None,
    sites: str | Iterable[str] | None = None,
    alphas: Sequence[float] = (1.0, 4.0, 16.0),
    steps: Sequence[int] = (5,),
    n_random: int = 19,
    ticks: Any = None,
    seed: int = 0,
    folder: str | os.PathLike | None = None,
    n_bootstrap: int = 2000,
    confidence: float = 0.95,
    progress: bool = True,
    **options: Any,
) -> xr.Dataset:
    """Rewrite the plan's next action at one step and count how often the organism takes it.

    At each of `steps` of its own episodes, and for every other action that would do something there,
    ``alpha`` times (the class direction of that action minus that of the action taken) is added to
    one site at the place where the plan says what comes next, at that step alone. It succeeds if the
    organism now takes the written action. Random directions of the same norms are the control, each draw
    by itself (see `analyses.against_controls.against_controls`: plan and draws each choose their best
    cell on half of the episodes, and are scored on the other half, in turn); without intervention the
    score is 0 by construction.

    Parameters
    ----------
    organism
        Whose family says where a plan holds the next action (``organism.action_rewrites``).
    tasks
        To act on; none of those that the probes are fitted on.
    probes, train_tasks, sites, ticks, folder, **options
        As in `analyses.causes.plan_steering.plan_steering`; probes are of the concept that
        ``organism.action_rewrites`` names.
    alphas
        Factors of the directions.
    steps
        Step labels; episodes that are over by then are left out.
    n_random
        Sets of random directions, at least 19: with fewer no rank among them has a p-value of 0.05.
    seed
        Of the run, recording, probes, random directions and bootstrap.

    Returns
    -------
    xarray.Dataset
        ======================================  ====================================================
        variable                                dims
        ======================================  ====================================================
        written, written_low, written_high      – : share of rewrites after which the written action is
                                                taken, mean over episodes, in the cells that were chosen
                                                on other episodes
        control_mean, control_sd, over_control, control (random): see `analyses.causes.plan_steering`
        over_control_low, _high, p_rank
        control_draw                            draw
        p_value                                 – : of the plan's rank among the draws
        found                                   – : p_value ≤ 0.05
        chosen_site, chosen_alpha               fold
        score, score_low, score_high            source (trained, random), site, alpha: the same share of
                                                all rewrites, every cell by itself; random: mean over
                                                draws. To look at, not what was tested
        best_score, _low, _high                 the same: share of (episode, step) at which some
                                                rewrite succeeds ("best perturbation")
        changed                                 source, site, alpha: share of rewrites that change
                                                the action at all
        n_rewrites, n_episodes                  –
        level_written                           level: the episodes that have rewrites
        ======================================  ====================================================

    Raises
    ------
    InputError
        If no episode lasts until one of the steps, or the family has no such place.

    References
    ----------
    Taufeeque et al. 2024 (arXiv 2407.15421), causal intervention score. Theirs writes to h and c of
    all layers until the probe's logit reaches a value of 10 to 30, and asks what the agent does over
    the next steps, not only at once.
    """
    from tqdm import tqdm

    from interp.network.site_names import select_sites

    factors, labels = [float(alpha) for alpha in alphas], list(steps)
    if not factors or not labels or not np.isfinite(factors).all():
        raise InputError("Give at least one finite alpha and one step.")
    for step in labels:
        check_integer("steps", step, 0)
    check_integer("n_random", n_random, FEWEST_CONTROLS)
    chosen = select_sites(organism[Steering].sites if sites is None else sites, organism.sites)
    run = organism.run(tasks, seed=seed)
    cases = [case for step in labels if (case := _Case.of(organism, tasks, run, step)) is not None]
    if not cases:
        raise InputError(f"No episode has another action to take at the steps {labels}.")
    concept = cases[0].concept
    if probes is None:
        train = (
            organism.tasks("train", TRAIN_TASKS, seed=seed) if train_tasks is None else train_tasks
        )
        directions = fitted_directions(
            organism, concept, train, chosen, seed=seed, folder=folder, progress=progress, **options
        )
    else:
        directions = given_directions(probes, concept, chosen)
    cells = [(s, a) for s in range(len(chosen)) for a in range(len(factors))]
    n_players = 1 + n_random
    n_rewrites = sum(len(case.episode) for case in cases)
    taken = np.zeros((n_players, len(chosen), len(factors), n_rewrites), bool)
    changed = np.zeros_like(taken)
    with tqdm(total=n_players * len(cells), desc="rewriting", disable=not progress) as bar:
        for site, alpha in cells:
            for who in range(n_players):
                parts = []
                for case in cases:
                    vectors = case.vectors(directions, chosen[site])
                    if who:
                        vectors = _random_like(vectors, [seed, 11, who, site])
                    parts.append(
                        case.actions(organism, chosen[site], factors[alpha] * vectors, ticks)
                    )
                action = np.concatenate(parts)
                taken[who, site, alpha] = action == np.concatenate([c.wanted for c in cases])
                changed[who, site, alpha] = action != np.concatenate([c.original for c in cases])
                bar.update()
    episode = np.concatenate([case.episode for case in cases])
    moment = np.concatenate([case.episode + len(tasks) * k for k, case in enumerate(cases)])
    cell = {"site": chosen, "alpha": factors}
    dataset = _scores(taken, episode, moment, n_bootstrap, confidence, seed)
    dataset = dataset.assign_coords(source=["trained", "random"], **cell)
    tested = against_controls(
        by_unit(taken, episode),
        np.array(["trained", *["random"] * n_random]),
        cell,
        n_bootstrap=n_bootstrap,
        confidence=confidence,
        rng=np.random.default_rng([seed, 17]),
    )
    dataset = dataset.assign(tested.data_vars).assign_coords(tested.coords)
    dataset["changed"] = (
        ("source", "site", "alpha"),
        np.stack([changed[0].mean(-1), changed[1:].mean((0, -1))]),
    )
    dataset["n_rewrites"], dataset["n_episodes"] = n_rewrites, len(np.unique(episode))
    dataset["macro_f1"] = ("site", [directions.macro_f1[site] for site in chosen])
    dataset.attrs |= {
        "analysis": "causal_intervention_score",
        "organism": organism.name,
        "concept": concept,
        "steps": ", ".join(map(str, labels)),
        "n_random": n_random,
        "ticks": "all" if ticks is None else str(ticks),
        "intervals": f"percentile bootstrap over episodes and random draws, {n_bootstrap} resamples",
        "seed": seed,
    }
    return dataset


def by_unit(hits: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Return the mean over what belongs to each unit: (…, unit) of (…, case)."""
    of = np.unique(unit, return_inverse=True)[1]
    which = np.eye(of.max() + 1)[of]
    return hits.astype(float) @ (which / which.sum(axis=0))


class _Case:
    """All rewrites at one step: which episode, which action was taken, which one is written."""

    def __init__(self, tasks: Tasks, run: xr.Dataset, step: int, rewrites: Any):
        self.tasks = tasks
        self.concept, self.classes = rewrites.concept, rewrites.classes
        self.place_dims, self.step = rewrites.place_dims, step
        original = run.action.sel(step=step).values.astype(int)
        # An action that no class stands for (a no-op) has nothing to be rewritten from or to.
        says = np.array([bool(name) for name in rewrites.classes])
        possible = rewrites.possible & says & says[np.maximum(original, 0)][:, None]
        self.episode, self.wanted = np.nonzero(possible)
        self.original = original[self.episode]
        self.place = rewrites.place[self.episode]
        seen = run.observation.sel(step=slice(int(run.step.values[0]), step))
        self.first_step = int(run.step.values[0])
        self.observations = seen.transpose("step", "episode", ...).values

    @classmethod
    def of(cls, organism: Any, tasks: Tasks, run: xr.Dataset, step: int) -> _Case | None:
        """Return the rewrites at a step; None if there are none."""
        if step > int(run.step.values[-1]):
            return None
        case = cls(tasks, run, step, organism[Steering].action_rewrites(run, step))
        return case if len(case.episode) else None

    def vectors(self, directions: Directions, site: str) -> np.ndarray:
        """Return (rewrite, feature): the class that is written minus that of the action taken."""
        of = {
            action: directions.of(site, self.classes[action]).ravel()
            for action in np.unique([self.wanted, self.original])
        }
        return np.stack(
            [of[new] - of[old] for new, old in zip(self.wanted, self.original, strict=True)]
        )

    def actions(self, organism: Any, site: str, vectors: np.ndarray, ticks: Any) -> np.ndarray:
        """Return (rewrite,) the action taken at the step, with `vectors` added at the places."""
        from interp.interventions.address import Address
        from interp.interventions.applied import Intervention

        dims, sizes = site_shape(organism, self.tasks, site, self.place_dims)
        entries = zip(range(len(vectors)), self.place, vectors, strict=True)
        value = over_places(len(vectors), dims, sizes, self.place_dims, entries)
        written = Intervention(
            Address(site, step=self.step, tick=ticks), "add", value, ("example",)
        )
        seen = self.observations[:, self.episode]
        replayed = organism.replay(seen, interventions=[written], first_step=self.first_step)
        return replayed.logits.isel(step=-1).values.argmax(axis=-1)


def _random_like(vectors: np.ndarray, seed: list[int]) -> np.ndarray:
    """Return random vectors of the same norms; equal rows get equal ones."""
    unique, back = np.unique(vectors, axis=0, return_inverse=True)
    drawn = np.random.default_rng(seed).normal(size=unique.shape)
    drawn *= np.linalg.norm(unique, axis=1, keepdims=True) / np.linalg.norm(
        drawn, axis=1, keepdims=True
    )
    return drawn[back.ravel()]


def _scores(
    taken: np.ndarray,
    episode: np.ndarray,
    moment: np.ndarray,
    n_bootstrap: int,
    confidence: float,
    seed: int,
) -> xr.Dataset:
    """Turn (player, site, alpha, rewrite) successes into scores, resampling episodes and draws."""
    from interp.statistics import bootstrap_weights, percentile_interval

    of_episode = np.unique(episode, return_inverse=True)[1]
    at, of_moment = np.unique(moment, return_inverse=True)
    episode_of_moment = np.zeros(len(at), int)
    episode_of_moment[of_moment] = of_episode
    best = np.stack([taken[..., of_moment == i].any(-1) for i in range(len(at))], axis=-1)
    n = of_episode.max() + 1
    rng = np.random.default_rng([seed, 13])
    by_episode = bootstrap_weights(n, n_bootstrap, rng)
    n_draws = len(taken) - 1
    by_draw = bootstrap_weights(n_draws, n_bootstrap, rng) / n_draws
    data: dict[str, Any] = {}
    dims = ("source", "site", "alpha")

    def rates(hits: np.ndarray, unit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (player, site, alpha) and its replicates (resample, source, site, alpha)."""
        sums = np.zeros((n, *hits.shape[:-1]))
        np.add.at(sums, unit, np.moveaxis(hits, -1, 0).astype(float))
        count = np.bincount(unit, minlength=n).astype(float)
        again = np.tensordot(by_episode, sums, 1) / (by_episode @ count)[:, None, None, None]
        random = np.einsum("bdsa,bd->bsa", again[:, 1:], by_draw)
        return hits.mean(-1), np.stack([again[:, 0], random], axis=1)

    def add(name: str, dims: tuple[str, ...], value: np.ndarray, replicates: np.ndarray) -> None:
        low, high = percentile_interval(replicates, confidence)
        data[name], data[f"{name}_low"], data[f"{name}_high"] = (
            (dims, value),
            (dims, low),
            (dims, high),
        )

    for name, hits, unit in (
        ("score", taken, of_episode),
        ("best_score", best, episode_of_moment),
    ):
        per_player, again = rates(hits, unit)
        both = np.stack([per_player[0], per_player[1:].mean(0)])
        add(name, dims, both, again)
    return xr.Dataset(data, attrs={"confidence": confidence})


def draw_scores(ax: Axes, dataset: xr.Dataset, site: str, names: Mapping[str, str]) -> None:
    """Draw one site's score against α into a panel; `names`: source → its name in the legend."""
    from interp.style import colours, line_with_interval

    shades = colours(list(names))
    for source, name in names.items():
        cell = dataset.sel(site=site, source=source)
        line_with_interval(
            ax,
            cell.alpha,
            100 * cell.score,
            100 * cell.score_low,
            100 * cell.score_high,
            name,
            color=shades[source],
        )
    ax.set(xlabel="strength α", ylim=(-3, 103))
    ax.set_title(str(site), loc="left")
    if (dataset.alpha.values > 0).all():
        ax.set_xscale("log", base=2)
    ax.set_xticks(dataset.alpha.values, [f"{a:g}" for a in dataset.alpha.values])
    ax.set_xticks([], minor=True)


@answer_plot
def plot_causal_intervention_score(dataset: xr.Dataset) -> Figure:
    """Draw the score against α, a panel a site, beside random directions."""
    from interp.style import figure_style, legend_outside, subplots

    names = {"trained": "plan rewritten", "random": "random directions"}
    with figure_style():
        figure, axes = subplots(
            1,
            dataset.sizes["site"],
            width="text",
            height=2.4,
            sharey=True,
            squeeze=False,
        )
        for ax, site in zip(axes[0], dataset.site.values, strict=True):
            draw_scores(ax, dataset, site, names)
        axes[0, 0].set_ylabel("next action as written (%)")
        n, share = int(dataset.n_rewrites), 100 * dataset.attrs["confidence"]
        figure.suptitle(
            f"{dataset.attrs['organism']}: n = {n} rewrites in {int(dataset.n_episodes)} episodes, "
            f"bands {share:.0f} %"
        )
        legend_outside(figure, axes, loc="outside lower center", ncols=2)
    return figure
