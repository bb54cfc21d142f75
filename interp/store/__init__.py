"""The zarr store of a recording: layout, writing, reading, verifying."""

from typing import TYPE_CHECKING

from interp.lazy import lazy_names

if TYPE_CHECKING:  # for type checkers and editors; at run time names come when asked for
    from interp.store.layout import SCHEMA as SCHEMA
    from interp.store.layout import StoreSpec as StoreSpec
    from interp.store.read import open_store as open_store
    from interp.store.verify import verify as verify

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
