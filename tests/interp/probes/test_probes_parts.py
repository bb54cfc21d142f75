"""The pieces that probes are made of: splits, shuffling, features, metrics, directions."""

import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from interp.concepts import Concept
from interp.errors import InputError, UnknownNameError, UnknownSiteError
from interp.probes import (
    directions,
    fit_probes,
    load_directions,
    random_directions,
    save_directions,
    split_groups,
)
from interp.probes.features import Features, all_finite, apply_linear, gather, one_hot_observation
from interp.probes.metrics import classification_scores, confusion_counts, regression_scores
from interp.probes.splits import shuffle_label_maps
from interp.probes.training import choose_samples

# -- splits


@given(st.lists(st.integers(0, 12), min_size=2, max_size=60), st.floats(0.05, 0.95), st.integers(0))
@settings(deadline=None)
def test_a_group_is_never_on_both_sides(groups, fraction, seed):
    if len(set(groups)) < 2:
        with pytest.raises(InputError):
            split_groups(groups, fraction, seed)
        return
    train, test = split_groups(groups, fraction, seed)
    assert sorted([*train, *test]) == list(range(len(groups)))
    of = np.array(groups)
    assert len(train) and len(test) and not set(of[train]) & set(of[test])
    again = split_groups(groups, fraction, seed)
    assert np.array_equal(train, again[0]) and np.array_equal(test, again[1])


def test_shuffled_maps_stay_whole_and_leave_their_level():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(8), 2)
    labels = np.arange(16 * 5 * 3).reshape(16, 5, 3)  # every map is its own
    used = rng.random((16, 5)) < 0.8
    shuffled = shuffle_label_maps(labels, used, groups, rng)
    maps = {tuple(m) for m in labels[used].tolist()}
    assert {tuple(m) for m in shuffled[used].tolist()} == maps
    assert np.array_equal(shuffled[~used], labels[~used])
    came_from = shuffled[:, :, 0] // 15
    own = groups[came_from] == groups[:, None]
    assert not own[used].any()


# -- features


def test_gathered_features_are_the_neighbourhood_with_zeros_outside():
    rows = np.arange(2 * 1 * 2 * 3 * 4, dtype=np.float32).reshape(2, 1, 2, 3, 4)
    out = np.full((1, 19, 2), -5, dtype=np.float32)
    gather(rows, np.array([1, 0]), np.array([0, 6]), 3, out)  # squares (0, 0) and (1, 2)
    corner = out[0, :18, 0].reshape(2, 3, 3)
    assert not corner[:, 0].any() and not corner[:, :, 0].any()
    assert np.array_equal(corner[:, 1:, 1:], rows[1, 0, :, :2, :2])
    assert np.array_equal(out[0, :18, 1].reshape(2, 3, 3), rows[0, 0, :, 0:3, 1:4])
    assert (out[0, 18] == -5).all()


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("board", [(1, 1), (3, 4), (2, 7)])
def test_linear_maps_agree_with_gathered_features(k, board):
    rng = np.random.default_rng(k)
    rows = rng.normal(size=(3, 1, 2, *board)).astype(np.float32)
    coef, intercept = rng.normal(size=(4, 2, k, k)), rng.normal(size=4)
    n = board[0] * board[1]
    row, square = np.divmod(np.arange(3 * n), n)
    features = np.empty((1, 2 * k * k, 3 * n), dtype=np.float32)
    gather(rows, row, square, k, features)
    expected = (coef.reshape(4, -1) @ features[0] + intercept[:, None]).reshape(4, 3, n)
    found = apply_linear(rows[:, 0], coef, intercept)
    assert np.allclose(found.transpose(1, 0, 2), expected, atol=1e-5)


@given(st.lists(st.floats(width=16, allow_nan=True), max_size=8), st.sampled_from("efd"))
def test_finiteness_by_bits(values, dtype):
    array = np.array(values, dtype=dtype)
    assert all_finite(array) == np.isfinite(array).all()


def test_dims_in_any_order_are_read_alike():
    rng = np.random.default_rng(0)
    array = xr.DataArray(
        rng.normal(size=(3, 4, 2, 5, 6, 7)).astype(np.float16),
        dims=("episode", "step", "tick", "channel", "y", "x"),
        coords={"step": range(4)},
    )
    used = rng.random((3, 4)) < 0.7
    episodes = np.arange(3)
    a = Features.of(array, "h", (6, 7)).read(episodes, used)
    moved = array.transpose("x", "tick", "step", "y", "channel", "episode")
    b = Features.of(moved, "h", (6, 7)).read(episodes, used)
    assert np.array_equal(a, b) and a.dtype == np.float32 and a.shape == (used.sum(), 2, 5, 6, 7)
    assert np.array_equal(a, array.values[used].astype(np.float32))


def test_samples_are_spread_and_never_drawn_twice():
    present = np.random.default_rng(0).random((6, 5, 20)) < 0.5
    present[2] = False
    e, s, q = choose_samples(present, 100, 0)
    assert len(e) == 100 == len(set(zip(e.tolist(), s.tolist(), q.tolist(), strict=True)))
    assert present[e, s, q].all() and (np.diff(e) >= 0).all() and 2 not in e
    assert len(choose_samples(present, 10**6, 0)[0]) == present.sum()
    again = choose_samples(present, 100, 0)
    assert all(np.array_equal(a, b) for a, b in zip((e, s, q), again, strict=True))


def test_one_hot_observation_of_padding_and_planes():
    colours = np.full((1, 2, 1, 2, 3), 255, dtype=np.uint8)
    colours[0, 0, 0] = [[1, 2, 3], [3, 2, 1]]
    array = xr.DataArray(colours, dims=("episode", "step", "y", "x", "colour"))
    hot = one_hot_observation(array)
    assert hot.dims == ("episode", "step", "y", "x", "channel")
    assert hot.values[0, 0, 0].tolist() in ([[1, 0], [0, 1]], [[0, 1], [1, 0]])
    assert not hot.values[0, 1].any()
    planes = xr.DataArray(np.zeros((1, 1, 7, 2, 2)), dims=("episode", "step", "plane", "y", "x"))
    assert one_hot_observation(planes) is planes


# -- metrics


def test_both_f1_by_hand():
    # Labels 0 = no move, 1, 2. Rows: label; columns: prediction.
    confusion = np.array([[80, 5, 5], [2, 6, 2], [4, 1, 5]])
    scores = classification_scores(confusion_counts(confusion), negative=0)
    assert scores["accuracy"] == pytest.approx(91 / 110)
    f1 = [2 * 80 / (90 + 86), 2 * 6 / (10 + 12), 2 * 5 / (10 + 12)]
    assert np.allclose(scores["f1"], f1) and scores["macro_f1"] == pytest.approx(np.mean(f1))
    # P(pred = label | pred != 0) = 11/24; P(pred = label | label != 0) = 11/20.
    p, r = 11 / 24, 11 / 20
    assert scores["f1_far"] == pytest.approx(2 * p * r / (p + r))
    assert np.allclose(scores["precision"], [80 / 86, 6 / 12, 5 / 12])


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40),
    st.integers(0, 3),
)
@settings(deadline=None)
def test_both_f1_against_scikit_learn(pairs, negative):
    label, prediction = np.array(pairs).T
    confusion = np.zeros((4, 4))
    np.add.at(confusion, (label, prediction), 1)
    scores = classification_scores(confusion_counts(confusion), negative)
    macro = f1_score(label, prediction, average="macro")
    assert scores["macro_f1"] == pytest.approx(macro)
    others = [k for k in range(4) if k != negative]
    if np.isin(label, others).any() or np.isin(prediction, others).any():
        far = f1_score(label, prediction, labels=others, average="micro", zero_division=0)
        assert scores["f1_far"] == pytest.approx(far)
    else:
        assert np.isnan(scores["f1_far"])


def test_regression_scores_by_hand():
    y, p = np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 3.0])
    sums = np.array([3, y.sum(), y @ y, p.sum(), p @ p, y @ p])
    scores = regression_scores(sums)
    assert scores["mse"] == pytest.approx(1 / 3) and scores["r2"] == pytest.approx(0.5)
    assert scores["correlation"] == pytest.approx(np.corrcoef(y, p)[0, 1])


# -- directions


@pytest.fixture(scope="module")
def result():
    rng = np.random.default_rng(0)
    dims = ("episode", "step", "tick", "channel", "y", "x")
    labels = rng.integers(3, size=(12, 4, 3, 3))
    wide = rng.normal(size=(12, 4, 2, 6, 3, 3))
    wide[:, :, 1, 2] += 3 * (labels == 1)
    run = xr.Dataset(
        {
            "wide": (dims, wide.astype(np.float32)),
            "narrow": ((*dims[:3], "map", "y", "x"), wide[:, :, :, :4].astype(np.float32)),
            "length": ("episode", np.full(12, 4)),
        },
        coords={"step": range(4), "tick": [0, 1]},
    )
    target = xr.DataArray(labels, dims=("episode", "step", "y", "x"))
    options = {"groups": None, "controls": ("shuffled",), "progress": False, "n_bootstrap": 50}
    return fit_probes(run, target, classes=("a", "b", "c"), **options)


def test_directions_of_one_probe(result):
    found = directions(result, "wide", 1)
    assert found.dims == ("class", "channel") and found.shape == (3, 6)
    assert found["class"].values.tolist() == ["a", "b", "c"]
    assert np.argmax(found.sel({"class": "b"}).values) == 2
    assert directions(result, "narrow", 1).shape == (3, 4)
    assert not np.allclose(found, directions(result, "wide", 1, source="shuffled"))
    with pytest.raises(UnknownSiteError, match="wide"):
        directions(result, "wid", 1)
    with pytest.raises(InputError, match="tick"):
        directions(result, "wide", 5)
    with pytest.raises(InputError, match="tick"):
        directions(result, "wide")
    with pytest.raises(UnknownNameError, match="shuffled"):
        directions(result, "wide", 1, source="shufled")


@pytest.mark.parametrize("suffix", [".nc", ".safetensors"])
def test_directions_survive_saving(result, tmp_path, suffix):
    found = directions(result, "wide", 1)
    path = save_directions(found, tmp_path / f"d{suffix}")
    loaded = load_directions(path)
    xr.testing.assert_identical(loaded.astype(found.dtype), found)
    xr.testing.assert_identical(load_directions(str(path)), loaded)


def test_saved_directions_are_never_a_pickle(result, tmp_path):
    with pytest.raises(InputError, match=r"\.pkl"):
        save_directions(directions(result, "wide", 1), tmp_path / "d.pkl")
    with pytest.raises(InputError, match=r"\.pkl"):
        load_directions(tmp_path / "d.pkl")
    (tmp_path / "d.safetensors").write_bytes(b"\x80\x04junk")
    with pytest.raises(InputError, match="no saved directions"):
        load_directions(tmp_path / "d.safetensors")


def test_random_directions_have_the_same_norms(result):
    found = directions(result, "wide", 1)
    drawn = random_directions(found, seed=3, n=200)
    assert drawn.dims == ("draw", "class", "channel")
    norms = np.linalg.norm(drawn, axis=2)
    assert np.allclose(norms, np.linalg.norm(found, axis=1))
    assert np.abs((drawn / np.linalg.norm(found, axis=1)[:, None]).mean("draw")).max() < 0.15
    assert drawn.identical(random_directions(found, seed=3, n=200))
    assert not np.allclose(random_directions(found, 1), random_directions(found, 2))


# -- concepts, imports


def test_concepts_check_themselves():
    with pytest.raises(InputError, match="callable"):
        Concept("x", 3)
    with pytest.raises(InputError, match="distinct"):
        Concept("x", len, ("a", "a"))
    with pytest.raises(InputError, match="no class"):
        Concept("x", len, ("a", "b"), negative="c")
    with pytest.raises(AttributeError):
        Concept("x", len).name = "y"
    assert Concept("x", len, ["a", "b"]).classes == ("a", "b")


def test_probes_import_without_torch_and_names_are_the_functions():
    code = (
        "import sys, interp.probes as p, interp.concepts, interp.statistics;"
        "assert not {'torch', 'sklearn', 'numba'} & set(sys.modules), 'heavy at import';"
        "from interp.probes import fit_probes, directions, MultinomialProbe;"
        "assert callable(directions) and 'torch' not in sys.modules;"
        "assert set(p.__all__) <= set(dir(p))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    import interp.probes

    with pytest.raises(AttributeError):
        interp.probes.nothing  # noqa: B018
