"""Interventions as records: addresses, operations, values, conditions, subspaces, files."""

from typing import TYPE_CHECKING

from interp.lazy import lazy_names

if TYPE_CHECKING:  # for type checkers and editors; at run time names come when asked for
    from interp.interventions.address import Address as Address
    from interp.interventions.applied import applying as applying
    from interp.interventions.conditions import Condition as Condition
    from interp.interventions.conditions import condition as condition
    from interp.interventions.record import Intervention as Intervention
    from interp.interventions.record import as_interventions as as_interventions
    from interp.interventions.subspaces import Subspace as Subspace

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
