"""Firings stand where the clock said they were."""

import pytest
import torch

from interp.errors import InputError
from interp.network.capture import Capture
from interp.network.hooks import HookedNetwork, SitePoint


class Scripted(HookedNetwork):
    """Fires (step, tick) pairs as told, with the value 10 · step + tick."""

    def __init__(self, ticks=True, dtype=torch.float32):
        super().__init__()
        self.h = SitePoint("unit", ticks=ticks)
        self.dtype = dtype
        self.setup()

    def fire(self, step, tick, batch=2):
        value = 10 * step + (tick or 0)
        self.h(torch.full((batch, 1), value, dtype=self.dtype))

    def forward(self, ticks, first=0):
        with self.clock.run():
            for step in self.clock.steps(len(ticks)):
                for tick in self.clock.ticks(first + ticks[step], first):
                    self.fire(step, tick)


def rows(tensor):
    return [["." if v != v else int(v) for v in row] for row in tensor[:, 0, :, 0].tolist()]


@pytest.mark.parametrize(
    ("ticks", "want"),
    [
        ([2, 2], [[0, 1], [10, 11]]),
        ([1, 3], [[0, ".", "."], [10, 11, 12]]),  # as many firings as two ticks at two steps
        ([3, 1, 2], [[0, 1, 2], [10, ".", "."], [20, 21, "."]]),
        ([0, 2], [[".", "."], [10, 11]]),
    ],
)
def test_uneven_ticks_are_padded_and_counted(ticks, want):
    _, cache = Scripted().run_with_cache(ticks)
    assert rows(cache["h"]) == want
    assert cache.fired["h"].sum(1).tolist() == ticks


def test_ticks_stand_at_their_own_label():
    _, cache = Scripted().run_with_cache([2], first=1)
    assert rows(cache["h"]) == [[".", 1, 2]]


def test_whole_numbers_cannot_be_padded():
    with pytest.raises(InputError, match="int64 has no NaN"):
        Scripted(dtype=torch.int64).run_with_cache([2, 1])
    assert rows(Scripted(dtype=torch.int64).run_with_cache([2, 2])[1]["h"]) == [[0, 1], [10, 11]]


def test_a_step_at_which_nothing_fired_is_not_closed_up():
    network = Scripted(ticks=False)
    with Capture(network, ["h"]) as capture, network.clock.run(first_step=-1):
        for position in network.clock.steps(4):
            if position in (1, 3):
                network.fire(network.clock.step, None)
    firings = capture.stacked()
    assert [v != v or v for v in firings["h"][:, 0, 0].tolist()] == [True, 0, True, 20]
    assert firings.fired["h"].tolist() == [False, True, False, True]


def test_two_forwards_are_not_taken_for_more_ticks():
    network = Scripted()
    with Capture(network, ["h"]) as capture:
        network([2])
        network([2])
    with pytest.raises(InputError, match="more than once at step 0, tick 0"):
        capture.stacked()


def test_firings_in_no_tick_are_refused():
    network = Scripted()
    with Capture(network, ["h"]) as capture, network.clock.run():
        for _ in network.clock.steps(1):
            network.fire(0, None)
            network.fire(0, None)
    with pytest.raises(InputError, match="clock.ticks"):
        capture.stacked()


def test_batches_of_different_sizes_are_refused():
    network = Scripted()
    with Capture(network, ["h"]) as capture, network.clock.run():
        for _ in network.clock.steps(1):
            for tick in network.clock.ticks(2):
                network.fire(0, tick, batch=2 - tick)
    with pytest.raises(InputError, match=r"\(2, 1\) and \(1, 1\)"):
        capture.stacked()


def test_steps_are_taken_one_by_one_with_as_many_ticks():
    network = Scripted()
    with Capture(network, ["h"]) as capture:
        for step, ticks in enumerate([2, 2, 1]):
            with network.clock.run(first_step=step):
                network([ticks])
            if step < 2:
                assert capture.take()["h"].shape == (2, 2, 1)
        with pytest.raises(InputError, match="2 ticks of one step and 1"):
            capture.take()
        network([1, 1])
        with pytest.raises(InputError):
            capture.take()
    with Capture(network, ["h"]) as capture, pytest.raises(InputError, match="never fired"):
        capture.take()
