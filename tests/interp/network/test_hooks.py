import pytest
import torch

from interp.contract import NetworkOutput
from interp.errors import InputError, UnknownSiteError
from interp.network.capture import Capture
from interp.network.hooks import HookedNetwork, SitePoint
from interp.network.site_names import select_sites
from tests.toys import ToyNetwork

OBSERVATIONS = torch.tensor([[[0, 4]], [[1, 4]]], dtype=torch.uint8)  # (step 2, batch 1, feature)


def test_run_with_cache_gives_every_firing():
    out, cache = ToyNetwork().run_with_cache(OBSERVATIONS)
    # x = 4 at step 0: h = 1, then 1/2 + 1 = 1.5. x = 3 at step 1: .75 + .75, then .75 + .75.
    torch.testing.assert_close(cache["h"][:, 0, :, 0], torch.tensor([[1.0, 1.5], [1.5, 1.5]]))
    torch.testing.assert_close(cache["encoder"][:, 0, 0], torch.tensor([4.0, 3.0]))
    torch.testing.assert_close(out.logits[1, 0], torch.tensor([0.0, 1.6]))


def test_run_with_cache_filters_and_refuses_misspelt_names():
    network = ToyNetwork()
    assert list(network.run_with_cache(OBSERVATIONS, names_filter="h")[1]) == ["h"]
    assert list(network.run_with_cache(OBSERVATIONS, names_filter=lambda n: n == "h")[1]) == ["h"]
    with pytest.raises(UnknownSiteError, match="'encoder'"):
        network.run_with_cache(OBSERVATIONS, names_filter="encodr")
    with pytest.raises(InputError, match="remove_batch_dim"):
        network.run_with_cache(OBSERVATIONS, remove_batch_dim=True)


def test_transformer_lens_hooks_see_the_clock():
    network = ToyNetwork()
    seen = []

    def note(tensor, hook):
        seen.append((hook.name, hook.clock.step, hook.clock.tick))

    network.run_with_hooks(OBSERVATIONS, fwd_hooks=[("h", note)])
    assert seen == [("h", 0, 0), ("h", 0, 1), ("h", 1, 0), ("h", 1, 1)]
    network(OBSERVATIONS)
    assert len(seen) == 4, "hooks are gone after the run"


def test_hooks_change_what_follows_and_go_after_an_exception():
    network = ToyNetwork()
    plain = network(OBSERVATIONS).logits
    with network.hooks(fwd_hooks=[("encoder", lambda tensor, hook: tensor * 0)]):
        assert not torch.equal(network(OBSERVATIONS).logits, plain)
    with pytest.raises(ZeroDivisionError):
        with network.hooks(fwd_hooks=[("h", lambda tensor, hook: 1 / 0)]):
            network(OBSERVATIONS)
    assert torch.equal(network(OBSERVATIONS).logits, plain)
    assert network.clock.step is None


@pytest.mark.parametrize("name", ["hh", "layers.0.h", ""])
def test_a_misspelt_hook_name_raises(name):
    network = ToyNetwork()
    with pytest.raises(UnknownSiteError):
        network.run_with_hooks(OBSERVATIONS, fwd_hooks=[(name, lambda tensor, hook: None)])
    with pytest.raises(UnknownSiteError):
        network.add_hook(name, lambda tensor, hook: None)


def test_a_filter_that_matches_nothing_raises():
    with pytest.raises(UnknownSiteError):
        with ToyNetwork().hooks(fwd_hooks=[(lambda name: False, print)]):
            pass


def test_globs_select_in_the_networks_order():
    known = {"layers.1.h": 0, "layers.0.h": 0, "layers.0.c": 0}
    assert select_sites(["layers.0.*", "layers.1.h"], known) == list(known)
    assert select_sites("layers.?.h", known) == ["layers.1.h", "layers.0.h"]
    assert select_sites(None, known) == list(known)
    assert select_sites([], known) == []


def test_hooks_on_a_compiled_network_are_refused():
    network = ToyNetwork()
    network.compile()  # marks the module; nothing is compiled before the first call
    with pytest.raises(InputError, match="compile"):
        with network.hooks(fwd_hooks=[("h", lambda tensor, hook: None)]):
            pass


class InPlace(HookedNetwork):
    """Writes into the memory it has just fired."""

    def __init__(self):
        super().__init__()
        self.h = SitePoint("channel", ticks=True)
        self.setup()

    def forward(self, observations, state=None, episode_starts=None):
        h = torch.zeros(observations.shape[1], 1)
        with self.clock.run():
            for _ in self.clock.steps(len(observations)):
                for _ in self.clock.ticks(3):
                    h = self.h(h)
                    h += 1
        return NetworkOutput(h, h, h)


def test_captured_firings_do_not_alias_the_networks_memory():
    with Capture(InPlace(), ["h"]) as capture:
        capture.network(OBSERVATIONS)
    assert capture.stacked()["h"].flatten().tolist() == [0, 1, 2, 3, 4, 5]


class Undeclared(InPlace):
    """Fires three times a step but declares no ticks."""

    def __init__(self):
        super().__init__()
        self.h = SitePoint("channel")
        self.setup()


def test_firings_are_never_dropped_silently():
    with pytest.raises(InputError, match="declares no tick"):
        Undeclared().run_with_cache(OBSERVATIONS)


def test_a_bare_hook_point_is_refused():
    from transformer_lens.hook_points import HookPoint

    class Bare(HookedNetwork):
        def __init__(self):
            super().__init__()
            self.h = HookPoint()
            self.setup()

    with pytest.raises(InputError, match="SitePoint"):
        Bare()
