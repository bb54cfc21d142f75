"""How sure: bootstrap over episodes, permutation tests, multiple-testing corrections.

Everything resamples *units* along the first axis: whole episodes (or levels), never steps, since
the steps of an episode are not independent. The intervals are percentile intervals (Efron &
Tibshirani 1993, section 13.3); with fewer than about 20 units they are somewhat too narrow.
"""

from typing import TYPE_CHECKING

from interp.lazy import lazy_names

if TYPE_CHECKING:  # for type checkers and editors; at run time names come when asked for
    from interp.statistics.against_controls import FEWEST_CONTROLS as FEWEST_CONTROLS
    from interp.statistics.against_controls import CrossFitted as CrossFitted
    from interp.statistics.against_controls import cross_fitted as cross_fitted
    from interp.statistics.against_controls import difference_from_draws as difference_from_draws
    from interp.statistics.against_controls import rank_p_value as rank_p_value
    from interp.statistics.corrections import benjamini_hochberg as benjamini_hochberg
    from interp.statistics.corrections import holm as holm
    from interp.statistics.intervals import Interval as Interval
    from interp.statistics.intervals import bootstrap_interval as bootstrap_interval
    from interp.statistics.intervals import bootstrap_weights as bootstrap_weights
    from interp.statistics.intervals import paired_difference_interval as paired_difference_interval
    from interp.statistics.intervals import percentile_interval as percentile_interval
    from interp.statistics.intervals import ratio_interval as ratio_interval
    from interp.statistics.intervals import resampled_sums as resampled_sums
    from interp.statistics.intervals import selectivity as selectivity
    from interp.statistics.intervals import wilson_interval as wilson_interval
    from interp.statistics.significance import Alternative as Alternative
    from interp.statistics.significance import PermutationResult as PermutationResult
    from interp.statistics.significance import permutation_test as permutation_test
    from interp.statistics.significance import sign_flip_test as sign_flip_test
    from interp.statistics.significance import sign_test as sign_test

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
