"""The specimens: trained networks with their worlds, concepts and cards."""

from interp.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "Card": "card",
        "Organism": "base",
        "load": "registry",
        "names": "registry",
        "shipped": "registry",
    },
)
