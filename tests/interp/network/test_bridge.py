"""TransformerLens' own models qualify as networks: hook points without dims or a clock."""

import pytest
import torch

from interp.errors import InputError, UnfiredInterventionError, UnknownSiteError
from interp.interventions.address import Address
from interp.interventions.applied import Intervention, applying
from interp.network.capture import Capture
from interp.patching import patch_sweep


@pytest.fixture(scope="module")
def bridge():
    from transformer_lens.model_bridge import TransformerBridge

    config = dict(
        d_model=8, n_heads=2, n_layers=2, n_ctx=6, d_vocab=11, d_mlp=16, d_head=4,
        act_fn="gelu", normalization_type="LN", seed=0,
    )  # fmt: skip
    return TransformerBridge.boot_native(config)


TOKENS = torch.tensor([[1, 2, 3]])


def test_capture_and_intervene(bridge):
    site = next(name for name in bridge.hook_dict if name.endswith("mlp.hook_out"))
    with torch.no_grad():
        plain = bridge(TOKENS)
        with applying(bridge, [Intervention(Address(site), "add", 0.0)]):
            assert torch.equal(bridge(TOKENS), plain)
        with applying(bridge, [Intervention(Address(site), "zero")]):
            with Capture(bridge, [site]) as capture:
                changed = bridge(TOKENS)
    assert not torch.equal(changed, plain)
    assert not capture.stacked()[site].any(), "what is captured is what the intervention left"


def test_patching_says_what_a_bridge_lacks(bridge):
    site = next(name for name in bridge.hook_dict if name.endswith("mlp.hook_out"))
    with pytest.raises(InputError, match="TransformerBridge have none.*interp.agent"):
        patch_sweep(bridge, TOKENS[..., None], TOKENS[..., None], site)
    assert isinstance(bridge.original_model, torch.nn.Module)


def test_misspelt_and_unfired(bridge):
    with pytest.raises(UnknownSiteError):
        Capture(bridge, ["blocks.0.mlp.hook_outt"])
    site = next(iter(bridge.hook_dict))
    with pytest.raises(UnfiredInterventionError):
        with torch.no_grad(), applying(bridge, [Intervention(Address(site, step=0), "zero")]):
            bridge(TOKENS)
