import numpy as np
import pytest

from analyses.thinking.thinking_comparison import compare_thinking, plot_compare_thinking
from interp.errors import InputError
from tests.analyses.thinker import Thinker
from tests.toys import ToyTasks

TASKS = ToyTasks((1,) * 100)


def thinker(name, skill, gain):
    made = Thinker(skill, gain)
    made.name = name
    return made


def compare(*several, times=(0, 2, 4)):
    return compare_thinking(several, TASKS, times, progress=False)


def test_by_hand():
    result = compare(thinker("one", 40, 5), thinker("flat", 50, 0), thinker("half", 30, 2))
    assert result.organism.values.tolist() == ["one", "flat", "half"]
    assert result.solve_rate.values == pytest.approx(
        np.array([[0.4, 0.5, 0.6], [0.5] * 3, [0.3, 0.34, 0.38]])
    )
    assert result.gain.sel(thinking=4).values == pytest.approx([0.2, 0, 0.08])
    assert result.behind.values == pytest.approx([0, -0.1, 0.1])
    assert result.margin.sel(organism="half").values[1:] == pytest.approx([0.06, 0.12])
    assert np.isnan(result.margin.sel(organism="one")).all()
    assert result.found.values.tolist() == [False, True, True]
    flat = result.sel(organism="flat")
    assert (flat.margin_low.values[1:] > 0).all() and (flat.margin_high.values[1:] < 0.35).all()


def test_not_found_where_the_controls_gain_as_much():
    result = compare(thinker("one", 40, 5), thinker("twin", 40, 5), thinker("shifted", 45, 5))
    assert not result.found.any()
    assert (result.margin.sel(organism="twin").values[1:] == 0).all()


def test_not_found_on_one_level_of_luck():
    assert not compare(thinker("one", 50, 1), thinker("flat", 50, 0), times=(1,)).found.any()


def test_names_must_differ_and_there_must_be_two():
    with pytest.raises(InputError, match="at least two"):
        compare(thinker("one", 1, 1))
    with pytest.raises(InputError, match=r"\['one'\] came more than once"):
        compare(thinker("one", 1, 1), thinker("one", 2, 1))


def test_the_plot_draws_what_is_in_the_dataset():
    result = compare(thinker("one", 40, 5), thinker("flat", 50, 0))
    figure = plot_compare_thinking(result)
    rates, gains = figure.axes
    drawn = [line.get_ydata() for line in rates.lines if len(line.get_xdata()) == 3]
    assert np.allclose(drawn[0], [40, 50, 60]) and np.allclose(drawn[1], 50)
    assert "points" in gains.get_ylabel() and "n = 100" in figure.get_suptitle()
    assert [text.get_text() for text in figure.legends[0].texts] == ["one", "flat"]
