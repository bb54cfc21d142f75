"""Tasks of other sizes, and the organism in a form that takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from organisms.capabilities.capability import Capability, has_capability

if TYPE_CHECKING:
    from interp.contract import Tasks


class Accommodation(Capability):
    """How an organism takes tasks that are larger or smaller than those it was trained on.

    As it stands: as they are, and nothing is said of their sizes.
    """

    def __init__(self, organism: Any):
        self.organism = organism

    @classmethod
    def of(cls, organism: Any) -> Accommodation:
        """Return the organism's own, or that of tasks as they are."""
        return organism[cls] if has_capability(organism, cls) else cls(organism)

    def accommodate(self, tasks: Tasks) -> tuple[Any, Tasks]:
        """Return the organism and the tasks in a form in which it can take them.

        Raises
        ------
        InputError
            If its network cannot take them; says why.
        """
        return self.organism, tasks

    def task_features(self, tasks: Tasks) -> Mapping[str, Any]:
        """Return what makes tasks larger or smaller: name → one number per task."""
        return {}
