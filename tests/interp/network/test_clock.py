import pytest

from interp.network.clock import Clock


def test_steps_and_ticks_are_labelled_from_first_step():
    clock = Clock()
    seen = []
    with clock.run(first_step=-1):
        for _ in clock.steps(2):
            seen.append((clock.step, clock.tick))
            for _ in clock.ticks(2):
                seen.append((clock.step, clock.tick))
    assert seen == [(-1, None), (-1, 0), (-1, 1), (0, None), (0, 0), (0, 1)]


def test_an_exception_leaves_a_clean_clock():
    clock = Clock()
    with pytest.raises(RuntimeError), clock.run(first_step=5, examples=[1]):
        for _ in clock.steps(3):
            for _ in clock.ticks(3):
                raise RuntimeError
    assert (clock.step, clock.tick, clock.examples, clock.first_step) == (None, None, None, 0)
    assert not clock.running


def test_a_nested_run_joins_the_outer_one():
    clock = Clock()
    with clock.run(first_step=7):
        with clock.run(first_step=0):
            assert [clock.step for _ in clock.steps(1)] == [7]
        assert clock.running
    assert not clock.running
