import json

import numpy as np
import pytest
import xarray as xr
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import f1_score, precision_recall_fscore_support

from interp.concepts import Concept
from interp.errors import InputError, UnknownNameError, UnknownSiteError
from interp.probes import fit_probes, one_hot_observation

CLASSES = ("UP", "DOWN", "LEFT", "RIGHT", "NEVER")
QUIET = {"progress": False, "n_bootstrap": 200}
SPATIAL = ("episode", "step", "tick", "channel", "y", "x")


def make_run(n_episodes=40, n_steps=9, thinking=2, seed=0, planted=True, board=5):
    """A run with labels independent of everything, but for a linear code in `layers.1.h`, tick 1.

    Two episodes per level; the code sits beside noise, site `layers.0.h` is noise only.
    """
    rng = np.random.default_rng(seed)
    n = thinking + n_steps
    length = rng.integers(4, n_steps + 1, n_episodes)
    step = np.arange(-thinking, n_steps)
    labels = rng.choice(5, (n_episodes, n, board, board), p=[0.15, 0.15, 0.15, 0.15, 0.4])
    sites = rng.normal(size=(2, n_episodes, n, 3, 6, board, board))
    if planted:
        code = 1.5 * np.random.default_rng(99).normal(size=(5, 6))
        sites[1, :, :, 1] += np.moveaxis(code[labels], -1, 2)
    sites = sites.astype(np.float32)
    sites[:, step[None] >= length[:, None]] = np.nan
    run = xr.Dataset(
        {
            "layers.0.h": (SPATIAL, sites[0]),
            "layers.1.h": (SPATIAL, sites[1]),
            "head": (("episode", "step", "unit"), sites[0, :, :, 0, :, 0, 0]),
            "logits": (("episode", "step", "action_index"), sites[0, :, :, 0, :4, 0, 0]),
            "length": ("episode", length.astype(np.int32)),
            "level_id": ("episode", np.array([f"level-{i // 2}" for i in range(n_episodes)])),
            "observation": (
                ("episode", "step", "y", "x", "colour"),
                rng.integers(0, 255, (n_episodes, n, board, board, 3)).astype(np.uint8),
            ),
        },
        coords={"step": step, "tick": [0, 1, 2]},
    )
    target = xr.DataArray(
        labels, dims=("episode", "step", "y", "x"), attrs={"classes": CLASSES}, name="plan"
    )
    return run, target


@pytest.fixture(scope="module")
def planted():
    return make_run()


@pytest.fixture(scope="module")
def planted_result(planted):
    return fit_probes(*planted, untrained=make_run(planted=False)[0], **QUIET)


# -- what it must find, and what it must not


def test_a_planted_code_is_found_where_it_is_and_nowhere_else(planted_result):
    low = planted_result.margin_low.sel(metric="macro_f1")
    found = {(str(s), int(t)) for s in low.site.values for t in low.tick.values
             if low.sel(site=s, tick=t) > 0.05}  # fmt: skip
    assert found == {("layers.1.h", 1)}
    assert planted_result.accuracy.sel(source="trained", site="layers.1.h", tick=1) > 0.9
    for source in ("untrained", "observation", "majority", "shuffled"):
        assert float(planted_result.accuracy.sel(source=source).max()) < 0.5
    assert set(planted_result.best_control.values.ravel().tolist()) <= {
        "untrained", "observation", "majority", "shuffled"
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["logistic", "ridge"])
@pytest.mark.parametrize("receptive_field", [1, 3])
def test_noise_is_not_found(kind, receptive_field):
    run, target = make_run(60, planted=False, seed=3)
    result = fit_probes(
        run, target, kind=kind, receptive_field=receptive_field,
        untrained=make_run(60, planted=False, seed=3)[0], **QUIET,
    )  # fmt: skip
    for metric in ("accuracy", "macro_f1", "f1_far"):
        assert float(result.margin_low.sel(metric=metric).max()) <= 0


def test_shuffled_control_is_about_chance_even_where_the_code_is(planted_result):
    shuffled = planted_result.accuracy.sel(source="shuffled", site="layers.1.h", tick=1)
    majority = planted_result.accuracy.sel(source="majority", site="layers.1.h", tick=1)
    assert shuffled < majority + 0.05


def test_a_neighbour_is_read_only_by_the_wider_receptive_field():
    run, target = make_run(30, seed=4, planted=False)
    values = run["layers.0.h"].values.copy()
    labels = target.values
    # The square's label is written on the square to its right, at tick 2.
    code = 2.5 * np.random.default_rng(7).normal(size=(5, 6))
    written = np.moveaxis(code[labels], -1, 2)
    values[:, :, 2, :, :, 1:] += written[..., :-1]
    run = run.assign({"layers.0.h": (SPATIAL, values)})
    inner = target.where(target.x < 4, -1) if "x" in target.coords else target.copy()
    inner[..., -1] = -1
    narrow = fit_probes(run, inner, "layers.0.h", **QUIET)
    wide = fit_probes(run, inner, "layers.0.h", receptive_field=3, **QUIET)
    assert narrow.accuracy.sel(source="trained", tick=2) < 0.5
    assert wide.accuracy.sel(source="trained", tick=2) > 0.95
    assert wide.accuracy.sel(source="trained", tick=1) < 0.5
    weight = np.abs(wide.coef.sel(source="trained", site="layers.0.h", tick=2)).sum(
        ["class", "channel"]
    )
    at = weight.argmax(["ky", "kx"])
    assert (int(weight.ky[at["ky"]]), int(weight.kx[at["kx"]])) == (0, 1)


# -- the numbers, against scikit-learn on features laid out by hand


def by_hand(run, target, result, site, tick, field=1):
    """Features (row, feature), labels and level of every valid square; in train or not."""
    values = np.pad(run[site].values[:, :, tick], [(0, 0)] * 3 + [(field // 2,) * 2] * 2)
    rows = []
    for e in range(run.sizes["episode"]):
        level = str(run.level_id.values[e])
        for s, step in enumerate(run.step.values):
            if step >= run.length.values[e]:
                continue
            for y in range(target.shape[2]):
                for x in range(target.shape[3]):
                    if target.values[e, s, y, x] >= 0:
                        patch = values[e, s, :, y : y + field, x : x + field].ravel()
                        rows.append((patch, target.values[e, s, y, x], level))
    x, y, level = (np.array(column) for column in zip(*rows, strict=True))
    train = np.isin(level, result.train_group.values)
    assert np.array_equal(~train, np.isin(level, result.test_group.values))
    return x, y, level, train


@pytest.mark.parametrize("field", [1, 3])
def test_scores_and_coefficients_are_scikit_learns(field):
    run, target = make_run(24, seed=1)
    target = target.copy()
    target[:, :, 0, 1] = -1  # a wall
    result = fit_probes(
        run,
        target,
        "layers.1.h",
        receptive_field=field,
        tol=1e-9,
        regularisation=5.0,
        standardise=False,
        **QUIET,
    )
    x, y, _, train = by_hand(run, target, result, "layers.1.h", 1, field)
    peer = LogisticRegression(C=0.2, tol=1e-8, max_iter=2000).fit(x[train], y[train])
    predicted = peer.predict(x[~train])
    cell = result.sel(source="trained", site="layers.1.h", tick=1)
    coef = cell.coef.transpose("class", "channel", "ky", "kx").values.reshape(5, -1)
    assert np.abs(coef - peer.coef_).max() < 5e-3
    assert int(result.n_samples) == (~train).sum()
    assert float(cell.accuracy) == pytest.approx(np.mean(predicted == y[~train]), abs=0.003)
    assert float(cell.macro_f1) == pytest.approx(
        f1_score(y[~train], predicted, average="macro"), abs=0.003
    )
    # FAR AI's F1 is scikit-learn's micro-F1 over the labels without the negative one.
    assert float(cell.f1_far) == pytest.approx(
        f1_score(y[~train], predicted, labels=[0, 1, 2, 3], average="micro"), abs=0.003
    )
    for name, values in zip(
        ("precision", "recall", "f1", "support"),
        precision_recall_fscore_support(y[~train], predicted),
        strict=True,
    ):
        assert np.allclose(cell[name], values, atol=0.004), name
    assert np.array_equal(cell.confusion.sum("predicted_class"), result.support)
    assert cell.accuracy_low < cell.accuracy < cell.accuracy_high


def test_ridge_uses_every_square_and_is_scikit_learns():
    run, target = make_run(24, seed=1)
    result = fit_probes(
        run, target, "layers.1.h", kind="ridge", regularisation=3.0, standardise=False, **QUIET
    )
    x, y, _, train = by_hand(run, target, result, "layers.1.h", 1)
    peer = Ridge(3.0).fit(x[train], np.eye(5)[y[train]])
    cell = result.sel(source="trained", site="layers.1.h", tick=1)
    assert np.allclose(cell.coef.values[..., 0, 0], peer.coef_, atol=1e-6)
    assert np.allclose(cell.intercept, peer.intercept_, atol=1e-6)
    assert result.n_train_samples.values.tolist() == [train.sum()]
    expected = np.mean(peer.predict(x[~train]).argmax(1) == y[~train])
    assert float(cell.accuracy) == pytest.approx(expected, abs=1e-9)


def test_regression_target_with_its_controls(planted):
    run, _ = planted
    rng = np.random.default_rng(0)
    truth = 2 * run["layers.1.h"].values[:, :, 2, 3] + 10
    truth = truth + rng.normal(size=truth.shape)
    truth[:, :, 2, 2] = np.nan
    target = xr.DataArray(truth, dims=("episode", "step", "y", "x"))
    result = fit_probes(run, target, kind="ridge", **QUIET)
    r2 = result.r2.sel(source="trained")
    assert float(r2.sel(site="layers.1.h", tick=2)) == pytest.approx(0.8, abs=0.03)
    assert float(r2.sel(site="layers.1.h", tick=1)) < 0.05
    cell = result.sel(site="layers.1.h", tick=2)
    assert float(cell.mse.sel(source="trained")) == pytest.approx(1.0, abs=0.1)
    assert float(cell.correlation.sel(source="majority")) == 0
    assert abs(float(cell.r2.sel(source="majority"))) < 0.02
    assert float(cell.margin_low.sel(metric="r2")) > 0.7
    assert "class" not in result.dims
    assert np.allclose(cell.coef.sel(source="trained").values.ravel(), [0, 0, 0, 2, 0, 0], atol=0.1)


def test_one_label_per_step_reads_the_whole_board(planted):
    run, _ = planted
    label = (run["layers.0.h"].isel(tick=1, channel=2, y=3, x=4) > 0).astype(int)
    result = fit_probes(run, label.drop_vars("tick"), **QUIET)
    assert result.site.values.tolist() == ["head", "layers.0.h", "layers.1.h"]
    assert result.tick.values.tolist() == [-1, 0, 1, 2]
    accuracy = result.accuracy.sel(source="trained")
    assert accuracy.sel(site="layers.0.h", tick=1) > 0.8
    assert accuracy.sel(site="layers.1.h").max() < 0.7
    assert (
        np.isnan(accuracy.sel(site="layers.0.h", tick=-1))
        and accuracy.sel(site="head", tick=-1) > 0
    )
    shapes = json.loads(result.coef.attrs["site_features"])
    assert shapes["layers.0.h"] == {"dims": ["channel", "y", "x"], "shape": [6, 5, 5]}
    from interp.probes import directions

    coef = directions(result, "layers.0.h", 1)
    assert coef.dims == ("class", "channel", "y", "x")
    assert np.unravel_index(np.abs(coef.values[1]).argmax(), (6, 5, 5)) == (2, 3, 4)


# -- rules of evidence


def test_no_level_is_on_both_sides_and_a_split_can_be_repeated(planted, planted_result):
    train, test = planted_result.train_group.values, planted_result.test_group.values
    assert not set(train) & set(test) and len(train) + len(test) == 20
    run, target = planted
    again = fit_probes(run, target, split=(train, test), seed=8, **QUIET)
    assert np.array_equal(again.test_group, test)
    assert int(again.n_samples) == int(planted_result.n_samples)
    with pytest.raises(InputError, match="both sides"):
        fit_probes(run, target, split=(train, [*test, train[0]]), **QUIET)
    with pytest.raises(InputError, match="not in the data"):
        fit_probes(run, target, split=(["nowhere"], test), **QUIET)


def test_same_seed_same_numbers(planted):
    small = planted[0].isel(episode=slice(16)), planted[1].isel(episode=slice(16))
    a, b, c = (
        fit_probes(*small, "layers.1.h", max_train_samples=500, seed=s, **QUIET) for s in (1, 1, 2)
    )
    xr.testing.assert_identical(a, b)
    assert not np.array_equal(a.coef.values, c.coef.values)
    assert a.n_train_samples.values.tolist() == [500]


def test_padding_and_steps_after_the_end_never_matter(planted):
    run, target = planted[0].isel(episode=slice(16)), planted[1].isel(episode=slice(16))
    before = fit_probes(run, target, **QUIET)
    spoiled = target.copy()
    late = run.step.values[None] >= run.length.values[:, None]
    spoiled.values[late] = 3
    filled = run.fillna(1e6)
    xr.testing.assert_equal(before, fit_probes(filled, spoiled, **QUIET))


def test_steps_are_labels_and_thinking_steps_are_valid(planted):
    run, target = planted
    all_of_it = fit_probes(run, target, "layers.1.h", controls=(), **QUIET)
    thinking = fit_probes(run, target, "layers.1.h", steps=[-2, -1], controls=(), **QUIET)
    acting = fit_probes(run, target, "layers.1.h", steps=slice(0, None), controls=(), **QUIET)
    assert int(thinking.n_samples) == 2 * 25 * int(thinking.n_episodes)
    assert int(thinking.n_samples) + int(acting.n_samples) == int(all_of_it.n_samples)
    assert all_of_it.source.values.tolist() == ["trained"] and all_of_it.margin.isnull().all()
    for steps in ([50], slice(20, None), slice(0, 4, 2)):
        with pytest.raises(InputError):
            fit_probes(run, target, steps=steps, **QUIET)


def test_episodes_that_were_not_recorded_are_left_out(planted):
    run, target = planted
    length = run.length.values.copy()
    length[::4] = -1
    result = fit_probes(run.assign(length=("episode", length)), target, "layers.1.h", **QUIET)
    assert int(result.n_episodes) + int(result.n_train_episodes) == 30


def test_intervals_resample_levels(planted):
    run, target = planted
    by_level = fit_probes(run, target, "layers.1.h", **QUIET)
    by_episode = fit_probes(run, target, "layers.1.h", groups=None, **QUIET)
    assert int(by_level.n_groups) == 6 and int(by_level.n_episodes) == 12
    assert int(by_episode.n_groups) == int(by_episode.n_episodes) == 12
    one = fit_probes(
        run, target, "layers.1.h",
        split=([f"level-{i}" for i in range(19)], ["level-19"]), **QUIET,
    )  # fmt: skip
    assert np.isnan(one.accuracy_low).all() and not np.isnan(one.accuracy).any()


# -- other ways in and out


def test_a_store_gives_what_memory_gives_and_netcdf_keeps_it(planted, tmp_path):
    run, target = planted[0].isel(episode=slice(20)), planted[1].isel(episode=slice(20))
    encoding = {
        s: {"chunks": (1, *run[s].shape[1:])} for s in ("layers.0.h", "layers.1.h", "observation")
    }
    run = run.assign(level_id=run.level_id.astype(object))  # strings of any length
    run.to_zarr(tmp_path / "run.zarr", zarr_format=3, consolidated=False, encoding=encoding)
    lazy = xr.open_zarr(tmp_path / "run.zarr", chunks=None, consolidated=False)
    for kind in ("logistic", "ridge"):
        a = fit_probes(run, target, receptive_field=3, kind=kind, **QUIET)
        b = fit_probes(lazy, target, receptive_field=3, kind=kind, **QUIET)
        xr.testing.assert_equal(a, b)
        backwards = run[list(run.data_vars)[::-1]]  # in whatever order a folder lists its arrays
        xr.testing.assert_equal(
            a, fit_probes(backwards, target, receptive_field=3, kind=kind, **QUIET)
        )
    a.to_netcdf(tmp_path / "result.nc")
    xr.testing.assert_equal(xr.load_dataset(tmp_path / "result.nc"), a)


def test_size_of_the_blocks_does_not_matter(planted, monkeypatch):
    from interp.probes import features, training

    run, target = planted[0].isel(episode=slice(20)), planted[1].isel(episode=slice(20))
    results = []
    for n_bytes in (1 << 26, 1):
        monkeypatch.setattr(features.Features.blocks, "__defaults__", (n_bytes, True))
        monkeypatch.setattr(training, "_PIECE_BYTES", 1 << 12)
        results.append([fit_probes(run, target, kind=k, **QUIET) for k in ("logistic", "ridge")])
    for a, b in zip(*results, strict=True):
        xr.testing.assert_allclose(a, b, rtol=1e-6)


def test_a_concept_a_function_a_name_and_classes(planted):
    run, target = planted
    concept = Concept("plan", lambda data: target, CLASSES, "a paper", negative="UP")
    a = fit_probes(run, concept, "layers.1.h", **QUIET)
    assert a.attrs["target"] == "plan" and a.attrs["negative_class"] == "UP"
    b = fit_probes(run, lambda data: target, "layers.1.h", **QUIET)
    c = fit_probes(run.assign(plan=target), "plan", "layers.1.h", classes=list("abcde"), **QUIET)
    assert c["class"].values.tolist() == list("abcde") and c.attrs["negative_class"] == "a"
    assert np.array_equal(a.macro_f1, b.macro_f1) and np.array_equal(b.macro_f1, c.macro_f1)
    assert b.attrs["negative_class"] == "NEVER"
    assert np.array_equal(a.f1_far, c.f1_far) and not np.array_equal(a.f1_far, b.f1_far)


def test_a_scikit_learn_estimator_of_the_callers(planted):
    from sklearn.tree import DecisionTreeClassifier

    run, target = planted[0].isel(episode=slice(16)), planted[1].isel(episode=slice(16))
    kwargs = {"max_train_samples": 800, **QUIET}
    tree = fit_probes(run, target, estimator=DecisionTreeClassifier(random_state=0), **kwargs)
    assert tree.accuracy.sel(source="trained", site="layers.1.h", tick=1) > 0.6
    assert tree.coef.isnull().all()
    linear = fit_probes(run, target, estimator=LogisticRegression(max_iter=500), **kwargs)
    own = fit_probes(run, target, standardise=False, **kwargs)
    gap = np.abs(linear.accuracy - own.accuracy).sel(source=["trained", "observation"])
    assert float(gap.max()) < 0.01
    assert float(np.abs(linear.coef - own.coef).sel(source="trained").max()) < 0.1


def test_one_hot_observation_is_a_stricter_control():
    run, target = make_run(30, planted=False, seed=5)
    # Three tiles on one line of colour space: the middle one is no half-space of the raw colour.
    tiles = np.array([[0, 0, 0], [100, 100, 100], [200, 200, 200]], dtype=np.uint8)
    which = np.random.default_rng(0).integers(3, size=target.shape)
    run = run.assign(observation=(run.observation.dims, tiles[which]))
    middle = xr.DataArray((which == 1).astype(int), dims=target.dims)
    raw = fit_probes(run, middle, "layers.0.h", **QUIET)
    hot = fit_probes(run, middle, "layers.0.h", observation_features=one_hot_observation, **QUIET)
    assert raw.accuracy.sel(source="observation").max() < 0.8
    assert hot.accuracy.sel(source="observation").min() == 1


def test_the_progress_bar_switches_off(planted, capsys):
    run, target = planted[0].isel(episode=slice(10)), planted[1].isel(episode=slice(10))
    fit_probes(run, target, "layers.1.h", controls=(), **QUIET)
    assert capsys.readouterr() == ("", "")
    fit_probes(run, target, "layers.1.h", controls=(), n_bootstrap=0)
    assert "layers.1.h" in capsys.readouterr().err


# -- errors


def test_a_nan_in_a_valid_row_is_named(planted):
    run, target = planted
    values = run["layers.0.h"].values.copy()
    episode = int(np.argmax(run.length.values >= 5))
    values[episode, 2 + 3, 1, 0, 2, 2] = np.nan
    with pytest.raises(InputError, match=rf"layers.0.h.*episode {episode}, step 3"):
        fit_probes(run.assign({"layers.0.h": (SPATIAL, values)}), target, **QUIET)


def test_names_that_do_not_exist(planted):
    run, target = planted
    with pytest.raises(UnknownSiteError, match="layers.1.h"):
        fit_probes(run, target, "layer.1.h", **QUIET)
    with pytest.raises(UnknownNameError, match="NEVER"):
        fit_probes(run, target, negative="NEVR", **QUIET)
    with pytest.raises(UnknownNameError):
        fit_probes(run, "plam", **QUIET)
    with pytest.raises(InputError, match="level"):
        fit_probes(run.drop_vars("level_id"), target, **QUIET)
    with pytest.raises(InputError, match="observation"):
        fit_probes(run.drop_vars("observation"), target, **QUIET)


def test_targets_that_do_not_fit(planted):
    run, target = planted
    for bad, words in (
        (target.isel(step=slice(3)), "steps"),
        (target.assign_coords(step=run.step.values + 1), "aligned"),
        (target.isel(y=slice(3)), "squares"),
        (target.rename(y="z"), "dims"),
        (target + 1, "must lie"),
        (target.astype(float) / 2, "fractions"),
        (xr.zeros_like(target), "no sample"),
        (xr.full_like(target, -1), "no square"),
        (target.where(target != 2, 0).assign_attrs(target.attrs), "'LEFT'"),
    ):
        with pytest.raises(InputError, match=words):
            fit_probes(run, bad, classes=CLASSES, **QUIET)
    with pytest.raises(InputError, match="y and x"):
        fit_probes(run, target, "head", **QUIET)
    with pytest.raises(InputError, match="ridge"):
        fit_probes(run, target.astype(float).drop_attrs(), kind="logistic", **QUIET)
    with pytest.raises(InputError, match="no squares"):
        fit_probes(run, target[..., 0, 0], receptive_field=3, **QUIET)


def test_fewer_than_two_levels(planted):
    run, target = planted
    with pytest.raises(InputError, match="at least 2 groups"):
        fit_probes(run.isel(episode=[0, 1]), target.isel(episode=[0, 1]), **QUIET)


def test_an_untrained_run_of_other_episodes(planted):
    run, target = planted
    for other, words in (
        (run.assign(length=run.length + 1), "length"),
        (run.assign(level_id=("episode", run.level_id.values[::-1])), "level_id"),
        (run.isel(channel=slice(3)), "channel"),
        (run.assign_coords(step=run.step + 1), "steps"),
    ):
        with pytest.raises(InputError, match=words):
            fit_probes(run, target, untrained=other, **QUIET)
    with pytest.raises(UnknownSiteError):
        fit_probes(run, target, untrained=run.drop_vars("layers.0.h"), **QUIET)


@pytest.mark.parametrize(
    "options",
    [{"kind": "lasso"}, {"receptive_field": 2}, {"controls": "majority"}, {"regularisation": []},
     {"confidence": 1.5}, {"n_bootstrap": -1}, {"regularisation": -1.0}, {"test_fraction": 1.0},
     {"groups": [1, 2]}, {"sites": ["layers.0.h", "layers.0.h"]}],
)  # fmt: skip
def test_options_out_of_range(planted, options):
    with pytest.raises(InputError):
        fit_probes(*planted, **{**QUIET, **options})


def test_a_misspelt_control_is_named_with_the_nearest(planted):
    for name, words in {"majorty": "majority", "observation 4x5": "observation"}.items():
        with pytest.raises(UnknownNameError, match=words):
            fit_probes(*planted, controls=(name,), **QUIET)


@pytest.mark.parametrize("kind", ["logistic", "ridge"])
def test_scores_do_not_depend_on_the_unit_of_the_activations(kind):
    run, target = make_run(24, seed=1)
    small = run.assign({"layers.1.h": run["layers.1.h"] * np.float32(2.0**-12)})
    options = {"kind": kind, "regularisation": 30.0, "tol": 1e-8, **QUIET}
    scores = [
        fit_probes(data, target, "layers.1.h", **options).macro_f1.sel(source="trained").values
        for data in (run, small)
    ]
    assert np.allclose(*scores, atol=1e-3)
    raw = fit_probes(small, target, "layers.1.h", standardise=False, **options)
    assert (raw.macro_f1.sel(source="trained").values < scores[0] - 0.05).any(), "it would matter"


def test_the_history_control_reads_what_was_seen_one_step_ago():
    rng = np.random.default_rng(0)
    n, steps = 30, 6
    observation = rng.integers(2, size=(n, steps, 3, 3, 1)).astype(np.uint8)
    label = np.concatenate([observation[:, :1, ..., 0], observation[:, :-1, ..., 0]], axis=1)
    grid = ("episode", "step")
    run = xr.Dataset(
        {
            "h": ((*grid, "channel", "y", "x"), rng.normal(size=(n, steps, 2, 3, 3))),
            "observation": ((*grid, "y", "x", "plane"), observation),
            "length": ("episode", np.full(n, steps)),
        },
        coords={"step": np.arange(-1, steps - 1)},
    )
    target = xr.DataArray(label.astype(int), dims=(*grid, "y", "x"))
    result = fit_probes(
        run, target, groups=None, controls=("observation", "history"), progress=False
    )
    accuracy = result.accuracy.isel(site=0, tick=0)
    assert accuracy.sel(source="history") == 1
    assert accuracy.sel(source="observation") < 0.75
    assert (result.best_control == "history").all()
