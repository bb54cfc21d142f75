import pytest

from analyses.thinking.thinking_time import plot_thinking_time, thinking_time
from interp.errors import InputError
from tests.analyses.thinker import Thinker
from tests.toys import ToyTasks

TASKS = ToyTasks((1,) * 100)


def test_by_hand():
    result = thinking_time(Thinker(40, 5), TASKS, (4, 2), progress=False)
    assert result.thinking.values.tolist() == [0, 2, 4], "0 is always measured"
    trained = result.sel(source="trained")
    assert trained.solve_rate.values == pytest.approx([0.4, 0.5, 0.6])
    assert trained.gain.values == pytest.approx([0, 0.1, 0.2])
    assert trained.episode_return.mean("episode").values == pytest.approx([1.4, 2.0, 2.6])
    low, high = trained.gain_low.values, trained.gain_high.values
    assert low[0] == high[0] == 0 and (low[1:] > 0).all() and (high[1:] < 0.35).all()
    assert bool(trained.found)
    assert not bool(result.found.sel(source="untrained"))


@pytest.mark.parametrize("gain", [0, -5])
def test_not_found_where_thinking_changes_nothing_or_hurts(gain):
    result = thinking_time(Thinker(60, gain), TASKS, (0, 2, 4), progress=False)
    assert not result.found.any()
    assert (result.p_holm.sel(thinking=[2, 4], source="trained") == 1).all()


def test_not_found_on_one_level_of_luck():
    result = thinking_time(Thinker(50, 1), TASKS, (0, 1), progress=False)
    assert result.gain.sel(source="trained").values[1] == pytest.approx(0.01)
    assert not result.found.any()


def test_the_effect_is_paired():
    # 4 of 100 gained, none lost: 2 · 1.96 · √((6/102 − (4/102)²) / 102) by Bonett and Price. Unpaired, rates
    # around one half would make it three times as wide.
    result = thinking_time(Thinker(50, 4), TASKS, (0, 1), progress=False)
    cell = result.sel(source="trained", thinking=1)
    assert float(cell.gain_high - cell.gain_low) == pytest.approx(0.0929, abs=1e-4)


def test_bad_input():
    with pytest.raises(InputError, match="≥ 0"):
        thinking_time(Thinker(1, 1), TASKS, (-1,), progress=False)
    for times in ((1.5,), "12", (True,)):
        with pytest.raises(InputError, match="an integer ≥ 0"):
            thinking_time(Thinker(1, 1), TASKS, times, progress=False)
    for stranger in (None, "run.zarr"):
        with pytest.raises(InputError, match="runs an organism"):
            thinking_time(stranger, TASKS, progress=False)
    with pytest.raises(InputError, match="no tasks"):
        thinking_time(Thinker(1, 1), None, progress=False)
    with pytest.raises(InputError, match="no tasks"):
        thinking_time(Thinker(1, 1), TASKS[0:0], progress=False)
    with pytest.raises(InputError, match="controls"):
        thinking_time(Thinker(1, 1), TASKS, controls=("random",), progress=False)


def test_the_figure_draws_the_dataset():
    result = thinking_time(Thinker(40, 5), TASKS, (0, 2), progress=False)
    figure = plot_thinking_time(result)
    rate, gain = figure.axes
    assert [len(line.get_xdata()) for line in rate.get_lines()] == [2, 2]
    assert rate.get_lines()[0].get_ydata() == pytest.approx([40, 50])
    assert "%" in rate.get_ylabel() and "points" in gain.get_ylabel()
    assert len(rate.collections) == 2, "one interval band per network"
    assert "n = 100" in figure.get_suptitle()


def test_the_control_is_run_at_the_ends_only():
    result = thinking_time(Thinker(40, 5), TASKS, (0, 1, 2), progress=False)
    untrained = result.solve_rate.sel(source="untrained")
    assert untrained.notnull().values.tolist() == [True, False, True]
    assert result.solve_rate.sel(source="trained").notnull().all()
    lines = plot_thinking_time(result).axes[0].get_lines()
    assert [len(line.get_xdata()) for line in lines] == [3, 2]
