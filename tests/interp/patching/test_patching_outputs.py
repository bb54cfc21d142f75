"""Networks that answer otherwise than with logits and a value, and sessions without gradients."""

import warnings

import numpy as np
import pytest
import torch

from interp.contract import ArraySpace, NetworkOutput, Outputs
from interp.errors import InputError, TrainingModeWarning, UnknownNameError
from interp.interventions.address import Address
from interp.network.agent import agent
from interp.network.wrapping import Site
from interp.patching import attribution_patch, patch_sweep, path_patch
from tests.interp.patching.patching_network import LineNetwork, line_pairs


class Continuous(LineNetwork):
    """Answers with the mean of a box action, and no value."""

    def forward(self, observations, state=None, episode_starts=None):
        logits, value, state = super().forward(observations, state)
        return Outputs({"mean": logits[..., :2], "effort": value + logits[..., 1]}, state)


class NoValue(LineNetwork):
    def forward(self, observations, state=None, episode_starts=None):
        logits, _, state = super().forward(observations, state)
        return NetworkOutput(logits, None, state)


class Blind(LineNetwork):
    @torch.no_grad()
    def forward(self, observations, state=None, episode_starts=None):
        return super().forward(observations, state)


def second(reading, pair):
    """Second number of the mean."""
    return reading["mean"][:, 1]


WHERE = {"sites": "layers.0.a", "over": ("step", "tick", "channel", "x")}


def test_outputs_are_measured_by_name_or_by_a_function():
    pairs = line_pairs(examples=3)
    plain = patch_sweep(LineNetwork(), *pairs, metric="value", **WHERE)
    last = patch_sweep(Continuous(), *pairs, metric=second, **WHERE)
    effort = patch_sweep(Continuous(), *pairs, metric="effort", **WHERE)
    np.testing.assert_array_equal(effort.effect, plain.effect + last.effect)
    assert (effort.clean_answer == -1).all() and effort.attrs["metric"].startswith("effort")
    estimate = attribution_patch(Continuous(), *pairs, metric="effort", **WHERE)
    np.testing.assert_array_equal(estimate.effect, effort.effect)
    for metric, error, words in (
        ("mean", InputError, "2,.*one"),
        ("value", InputError, "no output 'value'; it has mean, effort"),
        ("logit_difference", InputError, "no output 'logits'"),
        ("efort", UnknownNameError, "effort"),
    ):
        with pytest.raises(error, match=words):
            patch_sweep(Continuous(), *pairs, metric=metric, **WHERE)


def test_a_value_is_needed_by_its_own_metric_alone():
    clean, corrupted = line_pairs(examples=3)
    for metric in ("log_odds", "kl_from_clean"):
        with_value, without = (
            patch_sweep(network, clean, corrupted, metric=metric, **WHERE)
            for network in (LineNetwork(), NoValue())
        )
        np.testing.assert_array_equal(with_value.effect, without.effect)
    paths = path_patch(
        NoValue(), clean, corrupted, Address("encoder"), {"answer": "output"}, (), "log_odds"
    )
    assert paths.receiver.values.tolist() == ["answer"]
    with pytest.raises(InputError, match="it has logits"):
        patch_sweep(NoValue(), clean, corrupted, metric="value", **WHERE)


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_a_session_without_gradients_gets_the_same_estimates(context):
    clean, corrupted = (torch.from_numpy(o).float() for o in line_pairs(examples=4))
    network = LineNetwork()
    right = attribution_patch(network, clean, corrupted, metric="value", **WHERE)
    with context():
        # Tensors made here are inference tensors.
        got = attribution_patch(network, clean + 0, corrupted + 0, metric="value", **WHERE)
        assert not torch.is_grad_enabled()
    assert np.abs(right.effect).max() > 0
    np.testing.assert_array_equal(got.effect, right.effect)


def test_no_gradient_is_an_error():
    pairs = line_pairs(examples=3)
    with pytest.raises(InputError, match="switches gradients off"):
        attribution_patch(Blind(), *pairs, metric="value", **WHERE)
    with pytest.raises(InputError, match="no gradient"):
        attribution_patch(
            LineNetwork(), *pairs, metric=lambda reading, pair: reading.value.detach(), **WHERE
        )
    with torch.inference_mode():
        network = LineNetwork()
        network.weight = torch.nn.Parameter(torch.ones(1))
    with pytest.raises(InputError, match="made under torch.inference_mode"):
        attribution_patch(network, *pairs, metric="value", **WHERE)


class Cell(torch.nn.Module):
    """A recurrent layer of PyTorch, whose outputs have the batch second."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.lstm, self.head = torch.nn.LSTM(3, 4), torch.nn.Linear(4, 2)


def one_step(cell, seen, state):
    inner = tuple(part.transpose(0, 1).contiguous() for part in state)
    out, after = cell.lstm(seen.float()[None], inner)
    return cell.head(out[0]), tuple(part.transpose(0, 1) for part in after)


def cell_network(**sites):
    start = torch.zeros(1, 4), torch.zeros(1, 4)
    return agent(Cell(), sites, step=one_step, initial_state=start)


def test_sites_whose_batch_is_the_second_axis_are_patched():
    layers = ("layer", "unit")
    network = cell_network(
        h=Site("lstm", layers, output=(1, 0), batch=1),
        c=Site("lstm", layers, output=(1, 1), batch=1),
    )
    rng = np.random.default_rng(4)
    clean, corrupted = rng.normal(size=(2, 3, 5, 3)).astype(np.float32)
    clean[2] = corrupted[2]  # what differs reaches the last step through the memory alone
    table = patch_sweep(
        network, clean, corrupted, {"memory": ["h", "c"]}, metric="log_odds", over=("step",)
    )
    normalised = table.normalised.isel(site=0).values
    np.testing.assert_allclose(normalised, [normalised[0], 1, 0], atol=1e-4)
    each = patch_sweep(network, clean, corrupted, "h", metric="log_odds", over=("step", "unit"))
    assert each.sizes["unit"] == 4 and float(abs(each.effect.sel(step=1)).max()) > 1e-4
    assert not each.effect.sel(step=2).any()  # nothing comes after it


@pytest.mark.parametrize("patch", [patch_sweep, attribution_patch])
def test_observations_in_other_units_are_refused(patch):
    network = LineNetwork()
    network.observation_space = ArraySpace(("x",), (3,), "uint8", 0, 255)
    clean, corrupted = line_pairs(examples=3)
    right = patch(network, clean.astype(float), corrupted, metric="value", **WHERE)  # whole numbers
    assert float(abs(right.effect).max()) > 0
    for given in ((clean / 255, corrupted / 255), (clean, corrupted / 255)):
        with pytest.raises(InputError, match="units of its world.*Multiply them by 255"):
            patch(network, *given, metric="value", **WHERE)


class Dropping(LineNetwork):
    def __init__(self):
        super().__init__()
        self.drop = torch.nn.Dropout(0.5)

    def forward(self, observations, state=None, episode_starts=None):
        logits, value, state = super().forward(observations, state)
        return NetworkOutput(self.drop(logits), value, state)


def test_a_network_in_training_mode_is_warned_of():
    network, pairs = Dropping().train(), line_pairs(examples=3)
    paths = (Address("encoder"), {"answer": "output"}, (), "value")
    for patch in (
        lambda: patch_sweep(network, *pairs, metric="value", **WHERE),
        lambda: attribution_patch(network, *pairs, metric="value", **WHERE),
        lambda: path_patch(network, *pairs, *paths),
    ):
        with pytest.warns(TrainingModeWarning, match=r"Dropout 'drop'.*\.eval\(\)"):
            patch()
    network.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        patch_sweep(network, *pairs, metric="value", **WHERE)


def test_a_network_that_takes_no_steps_is_refused_in_words():
    class OneForward(LineNetwork):
        def forward(self, tokens):
            return tokens

    with pytest.raises(InputError, match="step by step"):
        patch_sweep(OneForward(), *line_pairs(), metric="value", **WHERE)
