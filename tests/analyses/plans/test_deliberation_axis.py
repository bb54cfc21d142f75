"""Formation along other axes than ticks: layers of a feed-forward network, gradient steps."""

import json

import numpy as np
import pytest
import xarray as xr

import analyses
from analyses.plans.deliberation_axis import along_ticks
from interp.concepts import Concept
from interp.contract import Deliberation

LAYERS = Deliberation("layer", None, ("l0", "l1", "l2"))
WAY = Concept("way", lambda run: run.way, ("left", "right"), about="plan")


def layered_run(grows, seed=0, n=80):
    """Layers of a network that tell left from right more and more, or none of them does."""
    rng = np.random.default_rng(seed)
    way = rng.integers(0, 2, (n, 3))
    dims = ("episode", "step", "unit")
    run = xr.Dataset(
        {
            "observation": (
                ("episode", "step", "feature"),
                rng.normal(size=(n, 3, 2)).astype("f4"),
            ),
            "action": (("episode", "step"), way),
            "way": (("episode", "step"), way.astype(np.int8)),
            "length": ("episode", np.full(n, 3)),
            "level_id": ("episode", np.array([f"t{i}" for i in range(n)], dtype=object)),
        },
        {"step": np.arange(3)},
        {"organism": "layered", "deliberation": json.dumps(vars(LAYERS))},
    )
    for layer, site in enumerate(LAYERS.sites):
        noise = rng.normal(size=(n, 3, 4))
        signal = (way[..., None] - 0.5) * (2.0 * layer if grows else 0.0)
        run[site] = (dims, (noise + signal).astype("f4"))
    return run


def formation(run):
    return analyses.plan_formation(
        run, concepts=WAY, untrained=None, progress=False, n_bootstrap=200
    )


@pytest.mark.parametrize("grows", [True, False])
def test_a_plan_forms_along_layers_or_does_not(grows):
    result = formation(layered_run(grows))
    assert result.sizes["deliberation"] == 3 and list(result.site.values) == ["layer"]
    assert bool(result.found.sel(concept="way")) == grows
    assert result.attrs["deliberation"] == "layer"
    assert "layer" in analyses.plot_plan_formation(result).axes[0].get_xlabel()


def test_layers_of_different_shape_cannot_be_asked():
    run = layered_run(True)
    run["l1"] = run.l1.isel(unit=slice(0, 2)).rename(unit="narrow")
    answer = formation(run)
    assert "one shape" in answer.reason and "l1 (2,)" in answer.reason
    assert "two or more" in formation(layered_run(True).drop_vars(["l0", "l1"])).reason


def test_an_axis_within_a_site_is_renamed_and_ticks_are_left_alone():
    run = xr.Dataset({"h": (("episode", "step", "iteration", "unit"), np.zeros((1, 2, 3, 4)))})
    turned = along_ticks(run, Deliberation("gradient step", "iteration"))
    assert turned.h.dims == ("episode", "step", "tick", "unit")
    assert along_ticks(run, Deliberation()) is run and along_ticks(run, None) is run
