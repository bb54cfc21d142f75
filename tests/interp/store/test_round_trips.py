"""What people do with a store or a run: netCDF, selections, copies, packed folders."""

import shutil
import zipfile

import numpy as np
import pytest
import xarray as xr

import interp
from interp.attributes import attribute, plain_attributes
from interp.errors import StoreError
from tests.toys import ToyOrganism, ToyTasks

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::zarr.errors.ZarrUserWarning"
)


@pytest.fixture
def path(tmp_path):
    interp.record(
        ToyOrganism(), ToyTasks((1, 2, 3)), tmp_path / "run.zarr", sites=["*"], progress=False
    )
    return tmp_path / "run.zarr"


def test_runs_are_netcdf_with_their_attributes(path, tmp_path):
    run = interp.open_store(path)
    run.to_netcdf(tmp_path / "run.nc")
    again = xr.load_dataset(tmp_path / "run.nc")
    xr.testing.assert_equal(
        again.drop_vars(["level", "level_id"]), run.load().drop_vars(["level", "level_id"])
    )
    assert attribute(again.attrs, "versions") == attribute(run.attrs, "versions")
    assert again.attrs["complete"] == 1
    interp.run_episodes(ToyOrganism(), ToyTasks((1, 2))).to_netcdf(tmp_path / "memory.nc")


def test_attributes_come_back():
    given = {
        "a": {"b": [1, {"c": None}]},
        "d": True,
        "e": [],
        "f": None,
        "g": [1, "x"],
        "h": "{no json",
    }
    plain = plain_attributes(given)
    assert all(isinstance(value, str | int) for value in plain.values())
    assert {name: attribute(plain, name) for name in plain} == {**given, "d": 1}


def test_a_part_and_a_copy_open_and_are_sound(path, tmp_path):
    run = interp.open_store(path)
    run.isel(episode=slice(0, 2), step=0).to_zarr(tmp_path / "part.zarr")
    assert interp.open_store(tmp_path / "part.zarr").sizes["episode"] == 2
    run.assign(solved=run.solved & False).to_zarr(
        tmp_path / "copy.zarr"
    )  # a chunk of nothing but False
    report = interp.verify(tmp_path / "copy.zarr", progress=False)
    assert report.ok and report.n_left_out == 1 and "copy" in str(report)


def test_a_lost_file_of_a_recording_is_still_missed(path):
    (path / "solved" / "c.0").unlink()
    report = interp.verify(path, progress=False)
    assert not report.ok and report.missing == ["solved/c.0"] and not report.n_left_out


@pytest.mark.parametrize("inside", ["run.zarr", "results/run.zarr"])
def test_a_packed_folder_opens(path, tmp_path, inside):
    (tmp_path / "packed" / inside).parent.mkdir(parents=True)
    shutil.copytree(path, tmp_path / "packed" / inside)
    shutil.make_archive(str(tmp_path / "run"), "zip", tmp_path / "packed")
    run = interp.open_store(tmp_path / "run.zip")
    xr.testing.assert_equal(run.load(), interp.open_store(path).load())
    assert interp.verify(tmp_path / "run.zip", progress=False).ok


def test_a_zip_of_two_stores_is_refused_by_name(path, tmp_path):
    for name in ("a.zarr", "b.zarr"):
        shutil.copytree(path, tmp_path / "packed" / name)
    shutil.make_archive(str(tmp_path / "two"), "zip", tmp_path / "packed")
    with pytest.raises(StoreError, match=r"a\.zarr, b\.zarr"):
        interp.open_store(tmp_path / "two.zip")
    with zipfile.ZipFile(tmp_path / "empty.zip", "w") as packed:
        packed.writestr("note.txt", "nothing")
    with pytest.raises(StoreError, match="no zarr group"):
        interp.open_store(tmp_path / "empty.zip")


def test_half_precision_is_kept_in_the_run(path):
    run = interp.open_store(path)
    assert any(variable.dtype == np.float16 for variable in run.variables.values())


@pytest.mark.parametrize(
    "part",
    [
        lambda run: run.isel(tick=0),
        lambda run: run.sel(step=1),
        lambda run: run.set_coords("level"),
    ],
)
def test_coordinates_of_a_part_stay_coordinates(path, tmp_path, part):
    kept = part(interp.open_store(path)).load()
    kept.to_zarr(tmp_path / "part.zarr")
    xr.testing.assert_equal(interp.open_store(tmp_path / "part.zarr").load(), kept)


def test_text_of_a_store_can_be_masked_and_turned_into_other_text(path):
    run = interp.open_store(path)
    assert run.where(run.length > 1, drop=True).sizes["episode"] == int((run.length > 1).sum())
    assert run.level_id.values.astype(str).tolist() == list(run.level_id.values)


def test_a_part_without_episodes_opens_and_cannot_be_verified(path, tmp_path):
    interp.open_store(path).isel(episode=1).to_zarr(tmp_path / "one.zarr")
    assert "episode" not in interp.open_store(tmp_path / "one.zarr").dims
    with pytest.raises(StoreError, match="no episodes"):
        interp.verify(tmp_path / "one.zarr", progress=False)
