"""Run a trainer to its end: progress, log and checkpoints, whatever the method."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from organisms.training.trainer import Trainer


def train(
    trainer: Trainer,
    *,
    log: Callable[[dict[str, float]], None],
    every: int,
    checkpoint: Callable[[Trainer], None],
    snapshot: Callable[[Trainer], None] = lambda trainer: None,
    progress: bool = True,
) -> None:
    """Run a trainer to its end.

    Parameters
    ----------
    trainer
        Fresh or resumed.
    log
        Called every `every` updates with the summary (`summarise`) since the last call.
    checkpoint
        Called at the same times, after `log`.
    snapshot
        Called after every update.
    progress
        Whether to show a progress bar.
    """
    from tqdm import tqdm

    recent: list[dict[str, float]] = []
    total = trainer.config.total_steps
    with tqdm(total=total, initial=trainer.steps, unit="step", disable=not progress) as bar:
        while not trainer.finished:
            before = trainer.steps
            recent.append(trainer.update())
            snapshot(trainer)
            bar.update(trainer.steps - before)
            if trainer.updates % every and not trainer.finished:
                continue
            row = summarise(recent)
            bar.set_postfix(solved=f"{row['solved']:.2f}")
            log(row | {"steps": trainer.steps, "updates": trainer.updates})
            checkpoint(trainer)
            recent = []


def summarise(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return one row for many updates: ``episodes`` summed, ``solved`` their share, others averaged.

    Examples
    --------
    >>> summarise([{"loss": 1.0, "episodes": 3, "solved": 0}, {"loss": 2.0, "episodes": 1, "solved": 1}])
    {'loss': 1.5, 'episodes': 4, 'solved': 0.25}
    """
    row = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
    episodes = sum(row["episodes"] for row in rows)
    solved = sum(row["solved"] for row in rows)
    return row | {"episodes": episodes, "solved": solved / max(1, episodes)}
