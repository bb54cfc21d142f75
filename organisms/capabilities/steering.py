"""Tasks with two ways, to be steered onto the long one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from interp.errors import InputError
from organisms.capabilities.capability import Capability

if TYPE_CHECKING:
    import xarray as xr

    from organisms.capabilities.steering_tasks import ActionRewrites, SteeringTasks


class Steering(Capability, ABC):
    """Plans that can be written into an organism, and tasks that show whether it follows them."""

    kinds: tuple[str, ...]
    """The kinds of `tasks`."""

    @property
    @abstractmethod
    def sites(self) -> list[str]:
        """The sites a plan is written to by default: of the state, where it lasts."""

    @abstractmethod
    def tasks(self, kind: str, n: int = 25, seed: int = 0) -> SteeringTasks:
        """Return tasks with a short and a long way, and the plan to write for the long one.

        Parameters
        ----------
        kind
            What has the two ways: one of `kinds`.
        n, seed
            How many units (see `SteeringTasks.unit`), and which.

        Raises
        ------
        UnknownNameError
            If there is no such kind.
        """

    def action_rewrites(self, run: xr.Dataset, step: int) -> ActionRewrites:
        """Return where a plan would have to be rewritten, at a step of a run, for another action.

        Raises
        ------
        InputError
            If no concept of the family says what the next action is, place by place.
        """
        raise InputError("No concept of the family says what the next action is, place by place.")
