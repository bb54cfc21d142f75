"""Places that are no squares, and observations that are no pictures."""

import numpy as np
import pytest
import xarray as xr

from interp.errors import InputError, UnknownSiteError
from interp.interventions.address import Address
from interp.interventions.recorded_values import RecordedValues
from interp.probes import directions, fit_probes, one_hot_observation
from interp.probes.features import choose_sites, site_names, tiles_or_numbers
from interp.runs.episodes import run_episodes
from interp.runs.recording import record
from interp.store.read import open_store
from tests.toys import ToyOrganism, ToyTasks

EPISODES, STEPS = 40, 7
QUIET = {"progress": False, "groups": None, "n_bootstrap": 100}


def bare_run(seed: int = 0, **variables) -> xr.Dataset:
    """A run of noise, episodes of unlike lengths, NaN after their ends."""
    rng = np.random.default_rng(seed)
    length = rng.integers(3, STEPS + 1, EPISODES)
    h = rng.normal(size=(EPISODES, STEPS, 4)).astype(np.float32)
    h[np.arange(STEPS) >= length[:, None]] = np.nan
    return xr.Dataset(
        {"h": (("episode", "step", "unit"), h), "length": ("episode", length), **variables},
        {"step": np.arange(STEPS)},
    )


def at(score: xr.DataArray, source: str) -> float:
    return score.sel(source=source, site="h").item()


def floats(seed: int, offset: float, scale: float, n: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (offset + scale * rng.normal(size=(EPISODES, STEPS, n))).astype(np.float32)


@pytest.mark.parametrize(("offset", "scale"), [(0.0, 1.0), (-0.4, 0.01), (1000.0, 0.5)])
def test_float_observations_are_read_whatever_their_unit(offset, scale):
    seen = floats(5, offset, scale)
    run = bare_run(observation=(("episode", "step", "feature"), seen))
    target = xr.DataArray((seen[..., 1] > offset).astype(int), dims=("episode", "step"))
    result = fit_probes(run, target, controls=("observation", "history"), **QUIET)
    # All of it is in the observation: what the site cannot beat.
    for source in ("observation", "history"):
        assert at(result.accuracy, source) > 0.9
    assert result.margin.sel(metric="accuracy", site="h").item() < -0.2


def test_parts_of_an_observation_are_read_side_by_side():
    parts = {
        "observation.speed": (("episode", "step", "axis"), floats(6, 3.0, 0.1)),
        "observation.goal": (
            ("episode", "step"),
            np.random.default_rng(7).integers(0, 3, (EPISODES, STEPS)),
        ),
    }
    run = bare_run(**parts)
    assert site_names(run) == ["h"]
    speed, goal = parts["observation.speed"][1][..., 2], parts["observation.goal"][1]
    both = ((speed > 3) & (goal == 1)).astype(int)
    target = xr.DataArray(both, dims=("episode", "step"))
    options = {"controls": ("observation",), "observation_features": tiles_or_numbers, **QUIET}
    whole = fit_probes(run, target, **options)
    half = fit_probes(run.drop_vars("observation.goal"), target, **options)
    accuracy = [at(r.accuracy, "observation") for r in (whole, half)]
    assert accuracy[0] > accuracy[1] + 0.05


def test_one_hot_takes_whole_numbers_and_leaves_floats():
    numbers = xr.DataArray([[3, 9, 3]], dims=("episode", "step"))
    assert one_hot_observation(numbers).values.tolist() == [[[1, 0], [0, 1], [1, 0]]]
    assert one_hot_observation(numbers * 0.5).identical(numbers * 0.5)
    picture = xr.DataArray(
        np.arange(300).reshape(1, 100, 3) % 256, dims=("episode", "step", "colour")
    )
    with pytest.raises(InputError, match="not tiles"):
        one_hot_observation(picture)
    assert tiles_or_numbers(picture) is picture
    with pytest.raises(InputError, match="between 0 and 255"):
        one_hot_observation(picture + 1000)


def tokens_run(seed: int = 0) -> tuple[xr.Dataset, xr.DataArray]:
    """A code of each token's label in a site with an axis of tokens, at tick 1."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, (EPISODES, STEPS, 6))
    h = rng.normal(size=(EPISODES, STEPS, 2, 6, 5)).astype(np.float32)
    h[:, :, 1, :, 3] += 6 * (labels - 0.5)
    run = bare_run(stream=(("episode", "step", "tick", "token", "width"), h))
    run["observation"] = ("episode", "step", "token"), rng.integers(0, 4, (EPISODES, STEPS, 6))
    return run, xr.DataArray(labels, dims=("episode", "step", "token"), name="noun")


def test_labels_of_tokens_are_read_from_their_own_token():
    run, target = tokens_run()
    result = fit_probes(run, target, observation_features=tiles_or_numbers, **QUIET)
    assert result.site.values.tolist() == ["stream"]  # the one that has tokens
    accuracy = result.accuracy.sel(source="trained", site="stream")
    assert float(accuracy.sel(tick=1)) > 0.95 > 0.6 > float(accuracy.sel(tick=0))
    found = directions(result, "stream", tick=1)
    assert found.dims == ("class", "channel") and int(found.values[1].argmax()) == 3
    assert float(result.accuracy.sel(source="observation", site="stream", tick=1)) < 0.6


def test_only_squares_have_neighbours_and_sites_need_the_places():
    run, target = tokens_run()
    with pytest.raises(InputError, match="one label per token and no squares"):
        fit_probes(run, target, receptive_field=3, **QUIET)
    with pytest.raises(InputError, match="one label per token, but site 'h'"):
        fit_probes(run, target, "h", **QUIET)
    with pytest.raises(InputError, match="y and x go together"):
        fit_probes(run, target.rename(token="y"), **QUIET)


def test_an_observation_without_the_places_is_seen_from_all_of_them():
    run, target = tokens_run()
    # What every token of a step is, is in an observation of the step.
    run["observation"] = ("episode", "step", "feature"), np.eye(2)[target.values[..., 0]]
    same = target.copy(data=np.repeat(target.values[..., :1], 6, axis=-1))
    result = fit_probes(run, same, controls=("observation",), **QUIET)
    assert float(result.accuracy.sel(source="observation", site="stream", tick=0)) == 1


def test_a_site_that_was_left_out_is_told_from_one_that_is_not_there():
    run, target = tokens_run()
    run.attrs["network_sites"] = ["h", "stream", "layers.0.mlp"]
    for call in (
        lambda site: fit_probes(run, target, site, **QUIET),
        lambda site: RecordedValues(run, Address(site)),
    ):
        with pytest.raises(
            UnknownSiteError, match="has the site 'layers.0.mlp', but this run did not"
        ):
            call("layers.0.mlp")
        with pytest.raises(UnknownSiteError, match="no site named 'layers.9.mlp'"):
            call("layers.9.mlp")


def test_what_the_network_says_and_what_the_world_tells_are_no_sites():
    noise = (("episode", "step", "axis"), floats(8, 0.0, 1.0))
    run = bare_run(mean=noise, wind=noise)
    assert site_names(run) == ["h", "mean", "wind"]  # of a run that says nothing of itself
    run.attrs |= {"outputs": '["mean"]', "facts": '["wind"]'}
    assert site_names(run) == ["h"]
    target = xr.DataArray((run.wind[..., 0] > 0).astype(int), dims=("episode", "step"))
    table = fit_probes(run, target, controls=("majority",), **QUIET)
    assert table.site.values.tolist() == ["h"]


def test_runs_and_stores_name_the_sites_that_they_left_out(tmp_path):
    tasks = ToyTasks((1, 2, 3))
    record(ToyOrganism(), tasks, tmp_path / "a", ["encoder"], progress=False)
    for run in (run_episodes(ToyOrganism(), tasks, sites=["encoder"]), open_store(tmp_path / "a")):
        assert site_names(run) == ["encoder"]
        with pytest.raises(UnknownSiteError, match=r"has the site 'h', but this run did not keep"):
            choose_sites(run, ["h"])
        with pytest.raises(UnknownSiteError, match="no site named 'hh'"):
            choose_sites(run, ["hh"])


def test_numbers_far_from_zero_keep_their_digits():
    run = bare_run()
    target = xr.DataArray(
        1.7e9 + np.nan_to_num(run["h"].values[..., 2].astype(float)), dims=("episode", "step")
    )
    result = fit_probes(run, target, controls=("majority",), **QUIET)
    assert result.attrs["kind"] == "ridge"
    assert at(result.r2, "trained") > 0.9
    with pytest.raises(InputError, match="infinit"):
        fit_probes(run, target.where(target < 1.7e9, np.inf), controls=(), **QUIET)


def test_a_misspelt_option_names_the_nearest():
    run, target = tokens_run()
    with pytest.raises(TypeError, match="'regularization'.*'regularisation'"):
        fit_probes(run, target, regularization=2.0, **QUIET)
