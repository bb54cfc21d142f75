"""How sure: intervals over units, tests that keep their level, multiple-testing corrections.

A *unit* lies along the first axis: a whole level (or episode), never a step, since the steps of an
episode are not independent. What each method covers and how often each test errs is simulated by
`interp.statistics.calibration`, tabulated in docs/calibration.md and checked in the tests.
"""

from typing import TYPE_CHECKING

from interp.lazy import lazy_names

if TYPE_CHECKING:  # for type checkers and editors; at run time names come when asked for
    from interp.statistics.against_controls import FEWEST_CONTROLS as FEWEST_CONTROLS
    from interp.statistics.against_controls import CrossFitted as CrossFitted
    from interp.statistics.against_controls import cross_fitted as cross_fitted
    from interp.statistics.corrections import benjamini_hochberg as benjamini_hochberg
    from interp.statistics.corrections import holm as holm
    from interp.statistics.draws import two_way_interval as two_way_interval
    from interp.statistics.interval import Interval as Interval
    from interp.statistics.intervals import DIFFERENCE as DIFFERENCE
    from interp.statistics.intervals import RATE as RATE
    from interp.statistics.intervals import bootstrap_weights as bootstrap_weights
    from interp.statistics.intervals import difference_interval as difference_interval
    from interp.statistics.intervals import leave_one_out as leave_one_out
    from interp.statistics.intervals import mean_interval as mean_interval
    from interp.statistics.intervals import paired_difference_interval as paired_difference_interval
    from interp.statistics.intervals import percentile_interval as percentile_interval
    from interp.statistics.intervals import pseudo_values as pseudo_values
    from interp.statistics.intervals import ratio_interval as ratio_interval
    from interp.statistics.intervals import resampled_sums as resampled_sums
    from interp.statistics.intervals import selectivity as selectivity
    from interp.statistics.intervals import statistic_interval as statistic_interval
    from interp.statistics.intervals import weakest as weakest
    from interp.statistics.rates import rate_interval as rate_interval
    from interp.statistics.rates import wilson_interval as wilson_interval
    from interp.statistics.significance import Alternative as Alternative
    from interp.statistics.significance import PermutationResult as PermutationResult
    from interp.statistics.significance import mean_p_value as mean_p_value
    from interp.statistics.significance import permutation_test as permutation_test
    from interp.statistics.significance import rank_p_value as rank_p_value
    from interp.statistics.significance import sign_flip_test as sign_flip_test
    from interp.statistics.significance import sign_test as sign_test
    from interp.statistics.significance import statistic_p_value as statistic_p_value

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
