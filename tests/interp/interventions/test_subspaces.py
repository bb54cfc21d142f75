import numpy as np
import pytest
import torch
import xarray as xr
from sklearn.linear_model import LogisticRegression

from interp.contract import ArraySpace
from interp.errors import AssetError, InputError, InterventionError, TooFewClassesError
from interp.interventions.address import Address
from interp.interventions.applied import Intervention
from interp.interventions.erasure import erasure_from_covariances, erasure_subspace
from interp.interventions.named import project_out
from interp.interventions.rotation import learn_rotation
from interp.interventions.subspaces import Subspace
from interp.network.wrapping import Site, wrap

SITE = Address("s")


def erased(features, subspace):
    item = project_out(SITE, subspace)
    return item.apply(torch.from_numpy(features).float(), (subspace.dim,)).numpy()


def classified(features, labels):
    """Accuracy, on the same samples, of a logistic regression that is hardly regularised."""
    scaled = (features - features.mean(0)) / (features.std(0) + 1e-6)
    return LogisticRegression(C=1e4, max_iter=5000).fit(scaled, labels).score(scaled, labels)


def planted(n=600, size=8, classes=3, seed=0):
    """Classes along some directions of features that are correlated and of unlike scale."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(classes, size=n, p=[0.5, 0.3, 0.2][:classes] if classes == 3 else None)
    mixing = rng.normal(size=(size, size)) * np.geomspace(0.01, 10, size)
    means = rng.normal(size=(classes, size)) * 2
    return (rng.normal(size=(n, size)) + means[labels]) @ mixing + 5.0, labels


def test_a_projection_by_hand():
    line = Subspace.spanned([3.0, 4.0], "unit")
    assert line.rank == 1 and line.size == 2 and not line.is_oblique and line.is_projection
    out = project_out(SITE, line).apply(torch.tensor([[1.0, 0.0], [3.0, 4.0]]), ("unit",))
    torch.testing.assert_close(out, torch.tensor([[0.64, -0.48], [0.0, 0.0]]))
    through = Subspace([[1.0, 0.0]], "unit", mean=[2.0, 7.0])
    out = project_out(SITE, through).apply(torch.tensor([[5.0, 5.0]]), ("unit",))
    assert out.tolist() == [[2.0, 5.0]], "what is projected out is set to its mean"


def test_any_matrix_can_be_projected_out():
    rng = np.random.default_rng(0)
    matrix, mean, x = rng.normal(size=(4, 4)), rng.normal(size=4), rng.normal(size=(5, 4, 3))
    subspace = Subspace.of_matrix(matrix, "channel", mean)
    np.testing.assert_allclose(subspace.projection, matrix, atol=1e-12)
    out = project_out(SITE, subspace).apply(torch.from_numpy(x), ("channel", "y"))
    rows = x.swapaxes(1, 2)
    np.testing.assert_allclose(
        out.numpy().swapaxes(1, 2), rows - (rows - mean) @ matrix, atol=1e-10
    )
    with pytest.raises(InterventionError, match="projection"):
        Intervention(SITE, "rotate", np.zeros(4), subspace=subspace)


@pytest.mark.parametrize("classes", [2, 3])
def test_erased_concepts_cannot_be_read_linearly(classes):
    features, labels = planted(classes=classes)
    majority = np.bincount(labels).max() / len(labels)
    assert classified(features, labels) > majority + 0.2
    subspace = erasure_subspace(features, labels, dim="unit")
    assert subspace.rank == classes - 1 and subspace.is_oblique and subspace.is_projection
    after = erased(features, subspace)
    assert classified(after, labels) == pytest.approx(majority, abs=0.003)
    means = np.stack([after[labels == k].mean(axis=0) for k in range(classes)])
    np.testing.assert_allclose(means - means.mean(0), 0, atol=1e-4 * features.std(0).max())


def test_erasure_changes_less_than_the_orthogonal_projection_that_also_erases():
    features, labels = planted(classes=2)
    difference = features[labels == 1].mean(0) - features[labels == 0].mean(0)
    orthogonal = Subspace.spanned(difference, "unit", features.mean(0))
    oblique = erasure_subspace(features, labels, dim="unit")
    cost = [np.square(erased(features, s) - features).mean() for s in (oblique, orthogonal)]
    assert cost[0] < cost[1]


def test_erasure_from_gathered_sums_and_from_named_dims_is_the_same():
    features, labels = planted()
    direct = erasure_subspace(features, labels, dim="channel")
    one_hot = np.eye(3)[labels]
    gathered = erasure_from_covariances(
        features.mean(0),
        np.cov(features.T, bias=True),
        (features - features.mean(0)).T @ (one_hot - one_hot.mean(0)) / len(features),
        "channel",
    )
    # Neither the sign of a basis nor the unit of a target matters; the map does.
    np.testing.assert_allclose(gathered.projection, direct.projection, atol=1e-6)
    grid = features.reshape(100, 2, 3, 8).transpose(0, 1, 3, 2)
    named = xr.DataArray(grid, dims=("episode", "step", "channel", "x"))
    of_square = xr.DataArray(labels.reshape(100, 2, 3), dims=("episode", "step", "x"))
    by_name = erasure_subspace(named, of_square.transpose("x", "episode", "step"))
    np.testing.assert_allclose(by_name.projection, direct.projection, atol=1e-9)
    padded = xr.concat([named, named.isel(episode=[0]) * np.nan], "episode")
    left_out = xr.concat([of_square, of_square.isel(episode=[0]) * 0 - 1], "episode")
    again = erasure_subspace(padded, left_out)
    np.testing.assert_allclose(again.projection, direct.projection, atol=1e-9)


def test_erasure_where_features_do_not_vary_or_are_dependent():
    features, labels = planted()
    features = np.concatenate([features, features[:, :2], np.full((len(features), 1), 3.0)], axis=1)
    after = erased(features, erasure_subspace(features, labels, dim="unit"))
    majority = np.bincount(labels).max() / len(labels)
    assert classified(after, labels) == pytest.approx(majority, abs=0.003)
    assert np.allclose(after[:, -1], 3.0)


def test_erasure_of_a_number():
    features, _ = planted()
    target = features @ np.linspace(-1, 1, 8) + np.random.default_rng(1).normal(size=len(features))
    after = erased(features, erasure_subspace(features, target, dim="unit"))
    residual = (after - after.mean(0)).T @ (target - target.mean()) / len(target)
    assert np.abs(residual).max() < 1e-3 * after.std() * target.std()


def test_what_cannot_be_erased_raises():
    features, labels = planted()
    with pytest.raises(TooFewClassesError):
        erasure_subspace(features, np.zeros(len(features), int))
    with pytest.raises(InputError, match="finite"):
        erasure_subspace(features * np.nan, labels)
    with pytest.raises(InputError, match="sample"):
        erasure_subspace(features, labels[:-1])
    with pytest.raises(InputError, match="no covariance|nothing"):
        erasure_from_covariances(np.zeros(2), np.eye(2), np.zeros((2, 1)), "unit")


@pytest.mark.parametrize(
    ("basis", "options", "message"),
    [
        ([[1.0, 1.0]], {}, "orthonormal"),
        ([[1.0, np.nan]], {}, "finite"),
        ([1.0, 0.0], {}, "axes"),
        ([["a", "b"]], {}, "numbers"),
        ([[1.0, 0.0]], {"mean": [1.0]}, "mean"),
        ([[1.0, 0.0]], {"readout": [[1.0]]}, "readout"),
        ([[1.0, 0.0]], {"dim": "tick"}, "dim"),
    ],
)
def test_malformed_subspaces_raise(basis, options, message):
    with pytest.raises(InputError, match=message):
        Subspace(basis, **{"dim": "unit", **options})


def test_save_load_save_gives_the_same_bytes(tmp_path):
    for subspace in (
        erasure_subspace(*planted(), dim="channel"),
        Subspace.spanned(np.eye(3)[:2], "unit", [1, 2, 3]),
    ):
        path = subspace.save(tmp_path / "one.safetensors")
        again = Subspace.load(path)
        assert again == subspace and hash(again) == hash(subspace) and again.dim == subspace.dim
        assert again.save(tmp_path / "two.safetensors").read_bytes() == path.read_bytes()
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"one\.safetensors"):
        Subspace.load(path)
    with pytest.raises(AssetError, match="none"):
        Subspace.load(tmp_path / "none")


# Distributed alignment search ---------------------------------------------------------------


class Planted(torch.nn.Module):
    """Two signs (a, b) among noise, rotated into a hidden layer; the class is 2 a + b."""

    def __init__(self, seed=0, size=6):
        super().__init__()
        rotation = np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))[0]
        self.register_buffer("into", torch.from_numpy(rotation).float())
        self.hidden = torch.nn.Identity()

    def forward(self, x):
        a, b = ((self.hidden(x @ self.into) @ self.into.T)[:, :2]).unbind(1)
        return torch.stack([-a - b, b - a, a - b, a + b], dim=1)


def pairs(n=160, size=6, seed=1):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2, n, size)).astype(np.float32)
    x[..., :2] = rng.choice([-1.0, 1.0], size=(2, n, 2))
    base, source = torch.from_numpy(x)
    return base, source


def search(module, base, source, targets, **options):
    network = wrap(module, {"hidden": Site("hidden", ("unit",))})
    options = {"rank": 1, "iterations": 80, "learning_rate": 0.05, **options}
    return learn_rotation(
        network, Address("hidden"), base, source, targets, dim="unit", n_random=5, **options
    )


def counterfactual(base, source):
    """The class of a base that took over `a`, and nothing else, from the source."""
    return (2 * (source[:, 0] > 0) + (base[:, 1] > 0)).long()


def test_a_search_refuses_observations_in_other_units():
    network = wrap(Planted(), {"hidden": Site("hidden", ("unit",))})
    network.observation_space = ArraySpace(("place",), (6,), "uint8", 0, 255)
    base, source = (255 * torch.rand(2, 8, 6)).round()
    for given in ((base, source / 255), (base / 255, source)):
        with pytest.raises(InputError, match="units of its world"):
            learn_rotation(network, Address("hidden"), *given, dim="unit", rank=1)


def test_a_planted_variable_is_found():
    module, (base, source) = Planted(), pairs()
    result = search(module, base, source, counterfactual(base, source))
    assert result.found and result.accuracy.estimate > 0.95
    assert result.accuracy.estimate > result.random.estimate + 0.2
    planted_direction = module.into.T[:, 0].numpy()
    assert abs(result.subspace.basis.numpy()[0] @ planted_direction) > 0.98
    assert result.losses[-1] < result.losses[0] and result.n_test == 48
    assert float(result.whole.estimate) < 0.8, "the whole layer takes b over too"


def test_what_is_not_there_is_not_found():
    module, (base, source) = Planted(), pairs()
    # Noise that the network ignores: no interchange makes it the class.
    ignored = (2 * (source[:, 4] > 0) + (source[:, 5] > 0)).long()
    assert not search(module, base, source, ignored).found
    shuffled = counterfactual(base, source)[torch.randperm(160, generator=torch.manual_seed(0))]
    assert not search(module, base, source, shuffled).found


def test_targets_default_to_what_the_network_does_on_the_source():
    module, (base, source) = Planted(), pairs()
    result = search(module, base, source, None, rank=2)
    assert result.found and result.accuracy.estimate > 0.95
    assert float(result.whole.estimate) == 1.0
    plane = module.into.T[:, :2].numpy()
    assert np.linalg.norm(result.subspace.basis.numpy() @ plane) > 1.9**0.5


def test_the_same_seed_gives_the_same_subspace_and_groups_stay_together():
    module, (base, source) = Planted(), pairs(40)
    options = {"iterations": 5, "restarts": 1, "groups": np.repeat(np.arange(10), 4)}
    one, two = (search(module, base, source, None, **options) for _ in range(2))
    assert one.subspace == two.subspace and one.n_test == 3


def test_searches_that_cannot_be_raise():
    module, (base, source) = Planted(), pairs(20)
    for bad in ({"rank": 7}, {"rank": 0}, {"groups": np.zeros(3)}):
        with pytest.raises(InputError):
            search(module, base, source, None, **bad)
    with pytest.raises(InputError, match="alike"):
        search(module, base, source[:5], None)
    for targets in (torch.zeros(20), torch.full((20,), 4), torch.zeros(3, dtype=torch.int64)):
        with pytest.raises(InputError, match="targets"):
            search(module, base, source, targets)


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_a_rotation_is_learnt_in_a_session_without_gradients(context):
    module, (base, source) = Planted(), pairs()
    targets, short = counterfactual(base, source), {"iterations": 5, "restarts": 1}
    right = search(module, base, source, targets, **short)
    with context():
        got = search(module, base + 0, source + 0, targets + 0, **short)
    np.testing.assert_array_equal(got.losses, right.losses)
    np.testing.assert_array_equal(got.subspace.basis, right.subspace.basis)
