"""A concept: a named label computed from a recorded run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from interp.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Concept:
    """A label defined on an organism's own future or on the world, that a probe may look for.

    Parameters
    ----------
    name
        The concept's name, in words (``"agent approach direction"``).
    labels
        A pure function of a recorded run. It returns the labels with dims ``(episode, step)``, or
        ``(episode, step, y, x)`` for one label per square: int, an index into `classes`, −1 to
        leave the sample out; or, for a regression target, float, NaN to leave it out.
    classes
        The classes' names in the order of their indices; None for a regression target.
    citation
        Where the concept was defined.
    description
        What the label says, in a sentence.
    negative
        The class that means "nothing happens here" (``"NEVER"``), which Taufeeque et al.'s F1
        leaves out; None to find it by name.
    about
        What the label is about: ``"plan"`` if it is what the organism goes on to do, ``"goal"`` if it is
        what it goes on to reach; analyses of plans ask by default for the concepts that are plans.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> late = Concept("late", lambda run: (run.value > 1).astype(int), ("no", "yes"))
    >>> run = xr.Dataset({"value": (("episode", "step"), np.array([[0.5, 2.0]]))})
    >>> late(run).values.tolist()
    [[0, 1]]
    """

    name: str
    labels: Callable[[xr.Dataset], xr.DataArray]
    classes: tuple[str, ...] | None = None
    citation: str = ""
    description: str = ""
    negative: str | None = None
    about: str = ""

    def __post_init__(self) -> None:
        if not callable(self.labels):
            raise InputError(f"labels of concept {self.name!r} must be callable: {self.labels!r}.")
        if self.classes is not None:
            classes = tuple(str(name) for name in self.classes)
            if len(classes) < 2 or len(set(classes)) < len(classes):
                raise InputError(
                    f"Concept {self.name!r} needs two or more distinct classes, not {classes}."
                )
            object.__setattr__(self, "classes", classes)
        if self.negative is not None and self.negative not in (self.classes or ()):
            raise InputError(
                f"{self.negative!r} is no class of concept {self.name!r}: {self.classes}."
            )

    def __call__(self, run: xr.Dataset) -> xr.DataArray:
        """The labels of a recorded run."""
        return self.labels(run)


class Concepts(dict[str, Concept]):
    """Concepts by name; a name that is none raises UnknownNameError, which names the nearest."""

    def __missing__(self, name: object) -> Concept:
        raise UnknownNameError("concept", str(name), self)
