import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

from interp.contract import NetworkOutput
from interp.errors import InputError, UnknownSiteError
from interp.network.hooks import HookedNetwork, SitePoint
from interp.runs.receptive_fields import receptive_fields


class Convolutions(HookedNetwork):
    """Ticks of 3 × 3 kernels over a picture and, if it has a memory, over its own state."""

    observation_dims = ("channel", "y", "x")

    def __init__(self, n_ticks: int = 2, memory: bool = False, pools: bool = False):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.n_ticks, self.memory, self.pools = n_ticks, memory, pools
        self.kernel = nn.Parameter(torch.randn(2, 2, 3, 3, generator=generator) / 4)
        self.first = SitePoint("channel", "y", "x")
        self.h = SitePoint("channel", "y", "x", ticks=True)
        self.summary = SitePoint("unit")
        self.setup()

    def forward(self, observations, state=None, episode_starts=None):
        with self.clock.run():
            h = torch.zeros_like(observations[0]) if state is None else state
            for t in self.clock.steps(len(observations)):
                seen = self.first(observations[t] * 1.0)
                h = h if self.memory else torch.zeros_like(h)
                for _ in self.clock.ticks(self.n_ticks):
                    h = torch.conv2d(seen + h, self.kernel, padding=1)
                    if self.pools:
                        h = h + h.mean(dim=(2, 3), keepdim=True)
                    h = self.h(h)
                self.summary(h.mean(dim=(2, 3)))
        steps, rows = observations.shape[:2]
        return NetworkOutput(torch.zeros(steps, rows, 2), torch.zeros(steps, rows), h)


@pytest.fixture(scope="module")
def run():
    shown = np.random.default_rng(0).normal(size=(5, 6, 2, 9, 9)).astype(np.float32)
    return xr.Dataset(
        {
            "observation": (("episode", "step", "channel", "y", "x"), shown),
            "length": ("episode", np.full(5, 6, np.int32)),
        },
        {"step": np.arange(6)},
    )


def test_a_field_grows_with_every_convolution(run):
    found = receptive_fields(Convolutions(), run, ["first", "h"])
    assert found.field.sel(site="first", tick=-1) == 1
    assert found.field.sel(site="h", tick=[0, 1]).values.tolist() == [3, 5]
    assert (found.memory.sel(site="h", tick=[0, 1]) == 1).all()
    assert np.isnan(found.field.sel(site="h", tick=-1))


def test_a_memory_sees_further_back_and_from_further_away(run):
    found = receptive_fields(Convolutions(1, memory=True), run, ["h"], last=3)
    assert found.radius.sel(site="h", tick=0).values.tolist() == [1, 2, 3]
    assert found.field.item() == 7 and found.memory.item() == 3
    assert receptive_fields(Convolutions(1, memory=True), run, ["h"], last=2).memory.item() == 2


def test_what_is_pooled_is_the_whole_board(run):
    found = receptive_fields(Convolutions(pools=True), run, ["h"])
    assert np.isinf(found.field.values).all()


def test_a_site_without_squares_has_a_memory_and_no_field(run):
    found = receptive_fields(Convolutions(memory=True), run, ["summary"])
    assert np.isnan(found.field.item()) and found.memory.item() == 4


def test_what_is_not_there(run):
    with pytest.raises(UnknownSiteError):
        receptive_fields(Convolutions(), run, ["hh"])
    with pytest.raises(InputError, match="observations"):
        receptive_fields(Convolutions(), run.drop_vars("observation"), ["h"])
    with pytest.raises(InputError, match="last"):
        receptive_fields(Convolutions(), run, ["h"], last=0)


def test_the_run_is_left_as_it_was(run):
    before = run.copy(deep=True)
    receptive_fields(Convolutions(), run, ["h"], seed=3)
    xr.testing.assert_identical(before, run)
