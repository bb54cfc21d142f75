"""Success over training, by hand."""

import pytest

from analyses.training.training_curve import plot_training_curve, training_curve, training_log
from interp.errors import CheckpointError, InputError
from tests.analyses.thinker import Thinker
from tests.toys import ToyTasks


class Checkpoint(Thinker):
    def untrained(self, seed):
        raise AssertionError("checkpoints need no control of their own")


TASKS = {"few": ToyTasks((1,) * 50), "many": ToyTasks((1,) * 100)}


def test_by_hand():
    growing = {0: Checkpoint(0, 0), 2000: Checkpoint(30, 5), 1000: Checkpoint(20, 0)}
    result = training_curve(growing, TASKS, (0, 2, 4), progress=False)
    assert result.checkpoint.values.tolist() == [0, 1000, 2000] and result.n.values.tolist() == [
        50,
        100,
    ]
    many = result.sel(set="many")
    assert many.solve_rate.sel(thinking=0).values == pytest.approx([0, 0.2, 0.3])
    assert many.gain.sel(checkpoint=2000).values == pytest.approx([0, 0.1, 0.2])
    assert many.effect.values == pytest.approx([0, 0, 0.2])
    last = many.sel(checkpoint=2000)
    assert last.effect_low <= last.effect <= last.effect_high
    assert result.found.values.tolist() == [True, True]
    assert result.p_holm.dims == ("set", "checkpoint", "thinking")


def test_largest_minus_smallest_is_no_evidence():
    # Thinking only hurts: their planning effect is 10 points, and nothing is found.
    result = training_curve(
        {1: Checkpoint(60, -5)}, {"many": TASKS["many"]}, (0, 2), progress=False
    )
    assert float(result.effect.squeeze()) == pytest.approx(0.1)
    assert not result.found.any()


def test_without_thinking_nothing_is_tested():
    result = training_curve({1: Checkpoint(60, 0)}, {"few": TASKS["few"]}, progress=False)
    assert "found" not in result


def test_bad_input(tmp_path):
    for nothing in (({}, TASKS), ({1: Checkpoint(1, 1)}, {})):
        with pytest.raises(InputError, match="at least one"):
            training_curve(*nothing, progress=False)
    log = tmp_path / "log.jsonl"
    log.write_text('{"steps": 1, "episodes": 2, "solved": 0.5}\n{"steps": 2}\n')
    with pytest.raises(CheckpointError, match="log.jsonl:2"):
        training_log(log)


def test_the_figure_draws_the_dataset():
    result = training_curve(
        {0: Checkpoint(0, 0), 9: Checkpoint(40, 5)}, TASKS, (0, 2), progress=False
    )
    figure = plot_training_curve(result)
    rate = figure.axes[0]
    assert rate.get_lines()[0].get_ydata() == pytest.approx([0, 80])
    assert "n = 50" in rate.get_title(loc="left") and "%" in rate.get_ylabel()
