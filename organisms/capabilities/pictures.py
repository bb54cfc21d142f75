"""Pictures of a family's tasks and episodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interp.errors import InputError
from organisms.capabilities.capability import Capability

if TYPE_CHECKING:
    import xarray as xr


class Pictures(Capability):
    """How a family draws what happens in its worlds; of what it does not draw, an `InputError` says so."""

    of_family = True

    def render(self, state: Any, ax: Any = None, **options: Any) -> Any:
        """Draw one state of the world."""
        raise InputError("This family draws no single states.")

    def draw_task(self, task: str, ax: Any = None, **options: Any) -> Any:
        """Draw a task as it begins, with ways through it or an arrow at every place.

        Parameters
        ----------
        task
            Written out (``Tasks.texts``).
        ax
            Where to draw; a new figure if left out.
        **options
            ``trajectories``: name → places, dims ``(time, 2)``, −1 where there is none. ``field``:
            rows down and columns right at every place, dims ``(y, x, 2)``, NaN for none. ``colour``
            of its arrows; ``title``.
        """
        raise InputError("This family draws no tasks.")

    def draw_plan(self, episode: xr.Dataset, ax: Any = None, **options: Any) -> Any:
        """Draw the first state of one episode, with a plan or the way that was gone.

        Parameters
        ----------
        episode
            One episode of a run (no ``episode`` dim).
        ax
            Where to draw; a new figure if left out.
        **options
            ``labels``: a label map, class indices with the dims of a place. ``classes``: their
            names. ``way``: whether to draw the way that was gone. ``marked``: a map of integers,
            places above 0 are shaded. ``title``, ``colour``.
        """
        raise InputError("This family draws no plans.")

    def draw_episode(self, episode: xr.Dataset) -> Any:
        """Draw one episode of a run, state by state."""
        raise InputError("This family draws no episodes.")

    def draws(self, what: str) -> bool:
        """Say whether the family has a picture of its own: ``"task"``, ``"plan"``, ``"episode"``."""
        method = f"draw_{what}"
        return getattr(type(self), method) is not getattr(Pictures, method)
