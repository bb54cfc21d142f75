"""Released checkpoints: what loads, what is refused and in which words, where they come from."""

from __future__ import annotations

import copy
import json
import os
import shutil
from pathlib import Path

import msgpack
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from interp.errors import AssetError, CheckpointError, UnknownNameError
from organisms.families.sokoban import released_files
from organisms.families.sokoban.flax_msgpack import decode_flax_msgpack
from organisms.families.sokoban.released import (
    RELEASED_RUNS,
    fetch_released,
    is_released,
    load_released,
)
from organisms.networks.drc import DRC, DRCConfig
from organisms.networks.resnet import ResNet

REFERENCE = os.environ.get("MESASCOPE_REFERENCE")


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# ---- writing checkpoints as Flax does ---------------------------------------------------------


def flax_bytes(tree) -> bytes:
    def extension(value):
        if isinstance(value, np.generic):
            array = np.asarray(value)
            return msgpack.ExtType(3, packed(array))
        assert isinstance(value, np.ndarray)
        return msgpack.ExtType(1, packed(value))

    def packed(array):
        content = (list(array.shape), array.dtype.name, array.tobytes())
        return msgpack.packb(content, use_bin_type=True)

    return msgpack.packb(tree, default=extension, strict_types=True)


def conv(rng, ky, kx, inputs, outputs, bias=True):
    layer = {"kernel": rng.normal(size=(ky, kx, inputs, outputs)).astype(np.float32) / 5}
    if bias:
        layer["bias"] = rng.normal(size=outputs).astype(np.float32)
    return layer


def dense(rng, inputs, outputs):
    return {
        "kernel": rng.normal(size=(inputs, outputs)).astype(np.float32) / inputs**0.5,
        "bias": rng.normal(size=outputs).astype(np.float32),
    }


def conv_settings(features, kernel_size):
    return {
        "padding": "SAME",
        "strides": [1, 1],
        "features": features,
        "use_bias": True,
        "kernel_size": list(kernel_size),
        "initialization": "lecun",
    }


def drc_checkpoint(seed=0, board=3, **recurrent):
    """A DRC(2,1) with 4 channels: (tree of the file, cfg.json)."""
    rng = np.random.default_rng(seed)
    cell_settings = {
        "conv": conv_settings(4, (3, 3)),
        "fence_pad": "valid",
        "forget_bias": 0,
        "pool_and_inject": "horizontal",
        "pool_projection": "per-channel",
        "output_activation": "tanh",
        **recurrent,
    }
    pools = cell_settings["pool_and_inject"] != "no"
    cells = {}
    for d in range(2):
        cell = {
            "ih": conv(rng, 3, 3, 12 if pools else 8, 16),
            "hh": conv(rng, 3, 3, 4, 16, bias=False),
            "fence": conv(rng, 3, 3, 1, 16, bias=False),
        }
        if pools and cell_settings["pool_projection"] == "per-channel":
            cell["project"] = rng.normal(size=(2, 4)).astype(np.float32)
        if pools and cell_settings["pool_projection"] == "full":
            cell["Dense_0"] = {"kernel": rng.normal(size=(8, 4)).astype(np.float32)}
        cells[f"cell_list_{d}"] = cell
    params = {
        "network_params": {
            "conv_list_0": conv(rng, 4, 4, 3, 4),
            **cells,
            "dense_list_0": dense(rng, board * board * 4, 6),
        },
        "actor_params": {"Output": dense(rng, 6, 4)},
        "critic_params": {"Output": dense(rng, 6, 1)},
    }
    net = {
        "_type_": "cleanba.convlstm:ConvLSTMConfig",
        "norm": {"_type_": "cleanba.network:IdentityNorm"},
        "embed": [conv_settings(4, (4, 4))],
        "residual": False,
        "use_relu": False,
        "recurrent": cell_settings,
        "yang_init": False,
        "head_scale": 1,
        "skip_final": True,
        "mlp_hiddens": [6],
        "n_recurrent": 2,
        "normalize_input": False,
        "repeats_per_step": 1,
    }
    tree = {"step": 0, "params": {"params": params}, "opt_state": {"count": np.int32(7)}}
    return tree, {"cfg": {"net": net, "seed": 1, "total_timesteps": 640}, "update_step": 5}


def resnet_checkpoint(seed=0, board=3):
    """Two sequences of 3 and 4 channels: (tree of the file, cfg.json)."""
    rng = np.random.default_rng(seed)
    network, inputs = {}, 3
    for n, channels in enumerate((3, 4)):
        network[f"GuezConvSequence_{n}"] = {
            "Conv_0" if n else "xXx_Input_xXx": conv(rng, 4, 4, inputs, channels),
            "GuezResidualBlock_0": {"Conv_0": conv(rng, 4, 4, channels, channels)},
            "GuezResidualBlock_1": {"Conv_0": conv(rng, 4, 4, channels, channels)},
        }
        inputs = channels
    network["Dense_0"] = dense(rng, board * board * 4, 5)
    params = {
        "network_params": network,
        "actor_params": {"Output": dense(rng, 5, 4)},
        "critic_params": {"Output": dense(rng, 5, 1)},
    }
    net = {
        "_type_": "cleanba.network:GuezResNetConfig",
        "norm": {"_type_": "cleanba.network:IdentityNorm"},
        "strides": [1, 1],
        "channels": [3, 4],
        "kernel_sizes": [4, 4],
        "yang_init": False,
        "head_scale": 1,
        "mlp_hiddens": [5],
        "normalize_input": False,
    }
    return {"params": {"params": params}}, {"cfg": {"net": net}, "update_step": 1}


def write(folder: Path, tree, config) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model").write_bytes(flax_bytes(tree))
    (folder / "cfg.json").write_text(json.dumps(config))
    return folder


def params_of(tree):
    return tree["params"]["params"]


# ---- loading ----------------------------------------------------------------------------------


def test_the_reference_checkpoint():
    if not REFERENCE:
        pytest.skip("MESASCOPE_REFERENCE is not set")
    folder = Path(REFERENCE) / "released-drc33"
    network, metadata = load_released(folder)
    assert isinstance(network, DRC) and network.config == DRCConfig.released(3, 3)
    assert metadata["n_parameters"] == 1_285_125 and metadata["architecture"] == "DRC(3,3)"
    assert metadata["training"]["loss"]["gamma"] == 0.97
    assert len(metadata["sha256"]) == 64
    json.dumps(metadata)


def plain_same_conv(x, layer):
    """x (y, x, in); kernel (ky, kx, in, out); an even kernel's odd zero at the far side."""
    kernel = layer["kernel"].astype(float)
    ky, kx = kernel.shape[:2]
    padded = np.pad(x, [((k - 1) // 2, k - 1 - (k - 1) // 2) for k in (ky, kx)] + [(0, 0)])
    out = np.zeros((*x.shape[:2], kernel.shape[3]))
    for y in range(x.shape[0]):
        for column in range(x.shape[1]):
            window = padded[y : y + ky, column : column + kx]
            out[y, column] = np.tensordot(window, kernel, axes=3)
    return out + layer["bias"]


def test_a_resnet_computes_what_its_file_says(tmp_path):
    tree, config = resnet_checkpoint()
    network, metadata = load_released(write(tmp_path, tree, config))
    assert isinstance(network, ResNet) and metadata["architecture"] == "ResNet"
    assert not network.training
    obs = np.random.default_rng(1).integers(0, 256, (1, 2, 3, 3, 3), dtype=np.uint8)
    with torch.no_grad():
        output = network(torch.from_numpy(obs))
    params = params_of(tree)
    for b in range(2):
        x = obs[0, b] / 255
        for n in range(2):
            sequence = params["network_params"][f"GuezConvSequence_{n}"]
            x = plain_same_conv(x, sequence["Conv_0" if n else "xXx_Input_xXx"])
            for k in range(2):
                block = sequence[f"GuezResidualBlock_{k}"]["Conv_0"]
                x = x + plain_same_conv(np.maximum(x, 0), block)
        first = params["network_params"]["Dense_0"]
        x = np.maximum(np.maximum(x, 0).reshape(-1) @ first["kernel"] + first["bias"], 0)
        for head, got in (("actor", output.logits), ("critic", output.value[..., None])):
            layer = params[f"{head}_params"]["Output"]
            expected = x @ layer["kernel"] + layer["bias"]
            np.testing.assert_allclose(got[0, b], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "recurrent",
    [
        {},
        {"pool_projection": "full", "pool_and_inject": "vertical"},
        {"pool_projection": "max", "output_activation": "sigmoid", "forget_bias": 1.0},
        {"pool_and_inject": "no", "fence_pad": "same"},
    ],
)
def test_a_drc_of_other_settings(tmp_path, recurrent):
    tree, config = drc_checkpoint(**recurrent)
    network, metadata = load_released(write(tmp_path, tree, config))
    got = network.config
    assert (got.n_layers, got.n_ticks, got.board, got.n_actions) == (2, 1, (3, 3), 4)
    for name, value in recurrent.items():
        assert getattr(got, name) == value
    assert metadata["update_step"] == 5 and metadata["total_timesteps"] == 640
    kernel = params_of(tree)["network_params"]["cell_list_1"]["ih"]["kernel"]
    np.testing.assert_array_equal(network.layers[1].ih.weight.detach()[5, 2], kernel[:, :, 2, 5])
    obs = torch.randint(0, 256, (2, 1, 3, 3, 3), dtype=torch.uint8)
    assert torch.isfinite(network(obs).logits).all()


def test_older_layouts_and_half_precision(tmp_path):
    tree, config = drc_checkpoint()
    plain, _ = load_released(write(tmp_path / "plain", tree, config))
    older = copy.deepcopy(tree)
    for part in ("network_params", "actor_params", "critic_params"):
        params_of(older)[part] = {"params": params_of(older)[part]}
    nested, _ = load_released(write(tmp_path / "older", older, config["cfg"]))
    for name, value in plain.state_dict().items():
        assert torch.equal(value, nested.state_dict()[name])


def test_arrays_in_chunks_and_in_bfloat16():
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    flat = values.reshape(-1)
    parts = [flat[:5], flat[5:10], flat[10:]]
    for listed in (False, True):
        chunked = {
            "__msgpack_chunked_array__": True,
            "shape": [3, 4] if listed else {"0": 3, "1": 4},
            "chunks": parts if listed else {str(n): part for n, part in enumerate(parts)},
        }
        tree = decode_flax_msgpack(flax_bytes({"a": {"b": chunked}}))
        np.testing.assert_array_equal(tree["a"]["b"], values)
    chunked["shape"] = [3, 5]
    with pytest.raises(CheckpointError, match="/a/b"):
        decode_flax_msgpack(flax_bytes({"a": {"b": chunked}}))
    chunked["chunks"] = {"0": parts[0], "2": parts[1]}
    with pytest.raises(CheckpointError, match="/a/b"):
        decode_flax_msgpack(flax_bytes({"a": {"b": chunked}}))
    exact = np.array([0, 1, -2.5, 3e38], np.float32)  # the first three need no rounding
    upper = (exact.view("<u4") >> 16).astype("<u2")
    content = msgpack.packb(([4], "bfloat16", upper.tobytes()))
    got = decode_flax_msgpack(msgpack.packb({"x": msgpack.ExtType(1, content)}))["x"]
    np.testing.assert_array_equal(got[:3], exact[:3])
    assert got[3] == pytest.approx(3e38, rel=2**-7)


# ---- refusing ---------------------------------------------------------------------------------


def edit_missing(tree, config):
    del params_of(tree)["network_params"]["cell_list_1"]["hh"]["kernel"]


def edit_extra(tree, config):
    params_of(tree)["network_params"]["cell_list_2"] = {"hh": {"kernel": np.zeros(1, np.float32)}}


def edit_shape(tree, config):
    cell = params_of(tree)["network_params"]["cell_list_0"]
    cell["ih"]["kernel"] = np.ascontiguousarray(cell["ih"]["kernel"].transpose(3, 2, 0, 1))


def edit_nan(tree, config):
    params_of(tree)["network_params"]["cell_list_1"]["fence"]["kernel"][1, 1, 0, 3] = np.nan


def edit_infinite(tree, config):
    params_of(tree)["critic_params"]["Output"]["bias"][0] = np.inf


def edit_integers(tree, config):
    params_of(tree)["actor_params"]["Output"]["bias"] = np.zeros(4, np.int32)


def edit_number(tree, config):
    params_of(tree)["actor_params"]["Output"]["bias"] = 0.5


def edit_board(tree, config):
    layer = params_of(tree)["network_params"]["dense_list_0"]
    layer["kernel"] = layer["kernel"][:-4]


def edit_no_params(tree, config):
    tree["params"] = {"param": {}}


def setting(path, value):
    def edit(tree, config):
        part = config["cfg"]
        for key in path[:-1]:
            part = part[key]
        part[path[-1]] = value

    return edit


REFUSED = {
    "missing": (edit_missing, "network_params/cell_list_1/hh/kernel"),
    "extra": (edit_extra, "network_params/cell_list_2/hh/kernel"),
    "shape": (edit_shape, r"cell_list_0/ih/kernel has shape \(16, 12, 3, 3\).*\(3, 3, 12, 16\)"),
    "nan": (edit_nan, "cell_list_1/fence/kernel has 1 values"),
    "infinite": (edit_infinite, "critic_params/Output/bias"),
    "integers": (edit_integers, "actor_params/Output/bias is a int32 array"),
    "number": (edit_number, "actor_params/Output/bias"),
    "board": (edit_board, "dense_list_0/kernel has 32 rows"),
    "no params": (edit_no_params, "no parameters"),
    "type": (setting(["net", "_type_"], "cleanba.convlstm:LSTMConfig"), "ConvLSTMConfig"),
    "norm": (setting(["net", "norm", "_type_"], "cleanba.network:RMSNorm"), "IdentityNorm"),
    "option": (setting(["net", "recurrent", "fence_pad"], "vald"), "'valid'"),
    "unhashable": (setting(["net", "recurrent", "fence_pad"], ["valid"]), "fence_pad"),
    "new setting": (setting(["net", "n_recurent"], 3), "'n_recurrent'"),
    "strides": (setting(["net", "embed", 0, "strides"], [2, 2]), r"net.embed\[0\]"),
    "head scale": (setting(["net", "head_scale"], 2), "head_scale"),
    "yang": (setting(["net", "yang_init"], True), "yang_init"),
    "normalised": (setting(["net", "normalize_input"], True), "normalize_input"),
    "layers": (setting(["net", "n_recurrent"], "3"), "n_layers"),
    "lacks": (lambda tree, config: config["cfg"]["net"].pop("use_relu"), "net lacks use_relu"),
    "a thousand million layers": (setting(["net", "n_recurrent"], 10**9), "cell_list_2"),
    "a million channels": (
        setting(["net", "recurrent", "conv", "features"], 10**6),
        "cell_list_0/hh/kernel has shape",
    ),
    "more layers": (setting(["net", "n_recurrent"], 3), "cell_list_2"),
    "hiddens": (setting(["net", "mlp_hiddens"], None), "mlp_hiddens"),
    "bias": (setting(["net", "recurrent", "forget_bias"], "nan"), "forget_bias"),
    "no net": (setting(["net"], 7), "net"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_by_name(tmp_path, case):
    edit, words = REFUSED[case]
    tree, config = drc_checkpoint()
    edit(tree, config)
    with pytest.raises(CheckpointError, match=words) as caught:
        load_released(write(tmp_path, tree, config))
    assert str(tmp_path) in str(caught.value)


def test_missing_files_and_bad_json(tmp_path):
    folder = write(tmp_path, *drc_checkpoint())
    assert is_released(folder) and not is_released(tmp_path / "nowhere")
    for text in ("", "{", "[]", '{"cfg": {}}', '{"cfg": []}', "[" * 100_000):
        (folder / "cfg.json").write_text(text)
        with pytest.raises(CheckpointError, match="cfg.json"):
            load_released(folder)
    (folder / "cfg.json").unlink()
    with pytest.raises(CheckpointError, match="no file 'cfg.json'"):
        load_released(folder)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (([2, 3], "float32", b"\0" * 20), "needs 24 bytes and has 20"),
        (([2], "float33", b"\0" * 8), "unknown dtype 'float33'.*float32"),
        (([2], "object", b"\0" * 16), "unknown dtype 'object'"),
        (([-2], "float32", b""), "impossible shape"),
        (([1 << 62, 0, 1 << 62], "float32", b""), "cannot have shape"),
        (([True], "float32", b"\0" * 4), "impossible shape"),
        (([1], "float32", "text"), "not bytes"),
        (([1], "float32"), "not \\(shape, dtype, bytes\\)"),
    ],
)
def test_malformed_arrays(content, words):
    data = msgpack.packb({"x": msgpack.ExtType(1, msgpack.packb(content))})
    with pytest.raises(CheckpointError, match=words):
        decode_flax_msgpack(data, source="model")


def test_malformed_files():
    for data in (
        b"",
        b"\x80\x80",
        msgpack.packb([1, 2]),
        msgpack.packb({"x": msgpack.ExtType(9, b"")}),
        b"\xdf\xff\xff\xff\xff",  # a map of 2³² entries
        b"\xdd\xff\xff\xff\xff",  # a list of 2³² entries
        b"\x81\xa1a" * 5000 + b"\x01",  # 5,000 maps inside one another
        b"\x91" * 100_000,
        msgpack.packb({1: 2}),
        b"\x80\x04\x95cposix\nsystem\n.",  # a pickle
    ):
        with pytest.raises(CheckpointError, match="^model"):
            decode_flax_msgpack(data, source="model")


@pytest.fixture(scope="module")
def valid(tmp_path_factory):
    folder = write(tmp_path_factory.mktemp("valid"), *drc_checkpoint())
    return folder, (folder / "model").read_bytes(), (folder / "cfg.json").read_bytes()


FUZZ = settings(
    max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)


@FUZZ
@given(data=st.data())
def test_damaged_weights_raise_nothing_but_checkpoint_errors(valid, tmp_path_factory, data):
    folder, model, _ = valid
    damaged = bytearray(model)
    for _ in range(data.draw(st.integers(1, 4))):
        # Mostly where the structure is: the head of the file and of each array.
        limit = data.draw(st.sampled_from([200, len(damaged)]))
        position = data.draw(st.integers(0, min(limit, len(damaged)) - 1))
        damaged[position] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del damaged[data.draw(st.integers(0, len(damaged))) :]
    target = tmp_path_factory.mktemp("damaged")
    (target / "model").write_bytes(damaged)
    shutil.copy(folder / "cfg.json", target / "cfg.json")
    try:
        network, _ = load_released(target)
    except CheckpointError as error:
        assert str(target) in str(error)
    else:
        assert all(torch.isfinite(value).all() for value in network.state_dict().values())


@FUZZ
@given(data=st.data())
def test_damaged_configurations_raise_nothing_but_checkpoint_errors(valid, tmp_path_factory, data):
    folder, _, text = valid
    record = json.loads(text)
    part = record
    while isinstance(part, dict | list) and part:
        options = list(part) if isinstance(part, dict) else list(range(len(part)))
        key = data.draw(st.sampled_from(options))
        if not isinstance(part[key], dict | list) or data.draw(st.integers(0, 3)) == 0:
            break
        part = part[key]
    delete = object()
    part[key] = data.draw(
        st.just(delete)
        | st.none()
        | st.booleans()
        | st.integers(-2, 3)
        | st.integers(10**6, 10**9)
        | st.floats()
        | st.sampled_from(["", "no", "SAME", [], [1], [0, -1], {}, {"_type_": 1}])
    )
    if part[key] is delete:
        del part[key]
    target = tmp_path_factory.mktemp("damaged")
    shutil.copy(folder / "model", target / "model")
    (target / "cfg.json").write_text(json.dumps(record))
    try:
        load_released(target)
    except CheckpointError as error:
        assert str(target) in str(error)


@FUZZ
@given(data=st.binary(max_size=300))
def test_arbitrary_bytes(data):
    try:
        decode_flax_msgpack(data)
    except CheckpointError:
        pass


# ---- finding ----------------------------------------------------------------------------------


def test_the_table_of_runs():
    assert {run.architecture for run in RELEASED_RUNS.values()} == {
        "DRC(3,3)",
        "DRC(1,1)",
        "ResNet",
    }
    run = RELEASED_RUNS["far-drc33-bkynosqi"]
    assert run.path == "drc33/bkynosqi/cp_2002944000"
    for name, run in RELEASED_RUNS.items():
        family, key = run.run.split("/")
        assert name == f"far-{family}-{key}"
    with pytest.raises(UnknownNameError, match="far-drc33-bkynosqi"):
        fetch_released("far-drc33-bkynosq")


def no_network(*args, **kwargs):
    raise OSError("no network\nand more lines")


def test_a_local_folder_needs_no_network(tmp_path, monkeypatch):
    monkeypatch.setattr(released_files, "_download", no_network)
    name = "far-drc33-bkynosqi"
    folder = write(tmp_path / RELEASED_RUNS[name].path, *drc_checkpoint())
    assert fetch_released(name, local_dir=tmp_path) == folder
    monkeypatch.setenv("MESASCOPE_RELEASED", str(tmp_path))
    assert fetch_released(name) == folder
    load_released(folder)


def test_a_run_whose_last_step_is_not_published_takes_the_last_there_is(tmp_path, monkeypatch):
    monkeypatch.setattr(released_files, "_download", no_network)
    for step in (998_400, 1_001_472_000, 20_000_000):
        write(tmp_path / f"drc33/gobfm3wm/cp_{step}", *drc_checkpoint())
    (tmp_path / "drc33/gobfm3wm/cp_2002944000").mkdir()  # begun, not finished
    found = fetch_released("far-drc33-gobfm3wm", local_dir=tmp_path)
    assert found.name == "cp_1001472000"


def test_without_network_the_error_says_what_to_download_and_where_to_put_it(tmp_path, monkeypatch):
    monkeypatch.setattr(released_files, "_download", no_network)
    monkeypatch.delenv("MESASCOPE_RELEASED", raising=False)
    with pytest.raises(AssetError) as caught:
        fetch_released("far-resnet-syb50iz7")
    message = str(caught.value)
    for part in (
        "AlignmentResearch/learned-planner",
        "resnet/syb50iz7/cp_2002944000/model",
        "resnet/syb50iz7/cp_2002944000/cfg.json",
        "MESASCOPE_RELEASED",
        "no network",
    ):
        assert part in message
    assert isinstance(caught.value, FileNotFoundError)
    monkeypatch.setenv("MESASCOPE_RELEASED", str(tmp_path))
    with pytest.raises(AssetError) as caught:
        fetch_released("far-drc11-eue6pax7")
    assert str(tmp_path / "drc11/eue6pax7/cp_2002944000/model") in str(caught.value)
    with pytest.raises(AssetError, match="drc33/q4mjldyy"):
        fetch_released("far-drc33-q4mjldyy", local_dir=tmp_path)


def fake_hub(monkeypatch, tree: Path, calls: list):
    """A stand-in for the Hub's client that serves `tree`."""
    import huggingface_hub

    class LocalEntryNotFoundError(Exception):
        pass

    class RemoteEntryNotFoundError(Exception):
        pass

    def hf_hub_download(repo, filename, revision, cache_dir, local_files_only):
        calls.append((repo, filename, revision, local_files_only))
        if local_files_only:
            raise LocalEntryNotFoundError(filename)
        if not (tree / filename).is_file():
            raise RemoteEntryNotFoundError(filename)
        return str(tree / filename)

    class Entry:
        def __init__(self, path):
            self.path = path

    class HfApi:
        def list_repo_tree(self, repo, path_in_repo, revision):
            return [Entry(f"{path_in_repo}/{p.name}") for p in (tree / path_in_repo).iterdir()]

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", hf_hub_download)
    monkeypatch.setattr(huggingface_hub, "HfApi", HfApi)
    monkeypatch.setattr(released_files, "_check_network", lambda: None)
    monkeypatch.delenv("MESASCOPE_RELEASED", raising=False)


def test_downloads(tmp_path, monkeypatch):
    calls: list = []
    fake_hub(monkeypatch, tmp_path, calls)
    write(tmp_path / "drc33/bkynosqi/cp_2002944000", *drc_checkpoint())
    for step in (998_400, 1_001_472_000):
        write(tmp_path / f"drc33/jl6bq8ih/cp_{step}", *drc_checkpoint())
    (tmp_path / "drc33/jl6bq8ih/README.md").touch()
    found = fetch_released("far-drc33-bkynosqi", revision="abc")
    assert found == tmp_path / "drc33/bkynosqi/cp_2002944000"
    assert {call[2] for call in calls} == {"abc"} and calls[0][3] is True
    assert fetch_released("far-drc33-jl6bq8ih").name == "cp_1001472000"
    # A run whose checkpoint the repository names is not replaced by another one.
    write(tmp_path / "drc11/eue6pax7/cp_998400", *drc_checkpoint())
    with pytest.raises(AssetError, match="cp_2002944000"):
        fetch_released("far-drc11-eue6pax7")
