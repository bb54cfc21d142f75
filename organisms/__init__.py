"""The specimens: trained networks with their worlds, concepts and cards."""

from typing import TYPE_CHECKING

from interp.lazy import lazy_names
from interp.moved import forward_old_names
from organisms.moved import MOVED

if TYPE_CHECKING:  # for type checkers and editors; at run time names come when asked for
    from organisms.base import Organism as Organism
    from organisms.card import Card as Card
    from organisms.registry import load as load
    from organisms.registry import names as names
    from organisms.registry import populations as populations
    from organisms.registry import shipped as shipped

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
forward_old_names(MOVED)
