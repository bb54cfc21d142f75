"""Activation, path and attribution patching: which activations an answer depends on."""

from typing import TYPE_CHECKING

from interp.lazy import lazy_names

if TYPE_CHECKING:
    from interp.patching import metrics as metrics
    from interp.patching import setters as setters
    from interp.patching.agreement import agreement as agreement
    from interp.patching.attribution import attribution_patch as attribution_patch
    from interp.patching.paths import path_patch as path_patch
    from interp.patching.result import against_control as against_control
    from interp.patching.sweep import patch_sweep as patch_sweep

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
