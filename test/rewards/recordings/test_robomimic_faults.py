"""Damaged robomimic files: what cannot be read is left out and said, the rest is written."""

import json

import h5py
import numpy as np
import pytest
from ruler import Ruler, episode
from samples import write_robomimic

from spatialvlm_ros.cli.main import main
from spatialvlm_ros.errors import SourceError
from spatialvlm_ros.rewards.recordings.registry import open_recording

DISTANCES = np.arange(40, 30, -1.0)  # 10 pictures, 9 steps
PLACES = ["copy", "beside"]


@pytest.fixture()
def file(tmp_path):
    return write_robomimic(tmp_path / "demo.hdf5", [episode(DISTANCES)] * 3, lang="reach the apple")


def change(path, edit):
    with h5py.File(path, "r+") as content:
        edit(content["data"])


def replaced(name, value):
    """A change that puts a dataset with this value, or a group (None), in the place of something."""

    def edit(data):
        del data[name]
        if value is None:
            data.create_group(name)
        else:
            data[name] = value

    return edit


def without_pictures(data):
    for group in ("obs", "next_obs"):
        del data[f"demo_1/{group}/agentview_image"]


FAULTS = {
    "no pictures": without_pictures,
    "no observations": lambda data: [data.__delitem__(f"demo_1/{group}") for group in ("obs", "next_obs")],
    "a number as demo": replaced("demo_1", 3),
    "rows as demo": replaced("demo_1", np.zeros((9, 7))),
    "a number as observations": replaced("demo_1/obs", 3),
    "a group as pictures": replaced("demo_1/obs/agentview_image", None),
    "a number as pictures": replaced("demo_1/obs/agentview_image", np.uint8(3)),
    "a group as actions": replaced("demo_1/actions", None),
    "a number as actions": replaced("demo_1/actions", 3.0),
    "fewer pictures": replaced("demo_1/obs/agentview_image", np.zeros((4, 48, 64, 3), np.uint8)),
    "a link to nowhere": replaced("demo_1", h5py.SoftLink("/gone")),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", list(FAULTS))
def test_a_demo_that_cannot_be_read_is_left_out(file, annotated, kind, place):
    change(file, FAULTS[kind])
    done = annotated(file, place)
    assert list(done.outcome.failed) == ["demo_1"] and not done.outcome.empty
    assert "demo_1" in str(done.outcome.failed["demo_1"]) and done.model.looked == 20
    with h5py.File(done.target) as content:
        for name in ("demo_0", "demo_2"):
            assert np.isfinite(content[f"data/{name}/spatialvlm/rewards"][()]).all()
        demo = content["data"].get("demo_1")
        if isinstance(demo, h5py.Group):
            rewards, valid = (demo[f"spatialvlm/{name}"][()] for name in ("rewards", "valid"))
            assert np.isnan(rewards).all() and not valid.any()
            assert len(rewards) == (0 if kind in ("a number as demo", "rows as demo", "a link to nowhere") else 9)


def damage_header(file, group):
    with h5py.File(file) as content:
        address = h5py.h5o.get_info(content[group].id).addr
    content = bytearray(file.read_bytes())
    content[address : address + 16] = b"\xff" * 16
    file.write_bytes(bytes(content))


def test_a_file_whose_data_is_damaged_is_no_other_file(file):
    damage_header(file, "data")
    with pytest.raises(SourceError, match="is damaged"):
        open_recording(file, hfov=60)


def test_a_damaged_demo_costs_itself(file, annotated):
    """The header of one group is overwritten."""
    damage_header(file, "data/demo_1")
    done = annotated(file)
    assert list(done.outcome.failed) == ["demo_1"]
    with h5py.File(done.target) as result:
        assert np.isfinite(result["data/demo_2/spatialvlm/rewards"][()]).all()


HAND = "demo_1/obs/robot0_eef_pos"
DEPTH = "demo_1/obs/agentview_depth"


@pytest.mark.parametrize(
    "edit, depths, hands",
    [
        (lambda data: data.create_dataset(DEPTH, data=np.ones((4, 48, 64, 1), np.float32)), 4, 9),
        (lambda data: data.create_group(DEPTH), 0, 9),
        (lambda data: data.create_dataset(DEPTH, data=[b"near"] * 9), 0, 9),
        (lambda data: data.create_dataset(DEPTH, data=np.float32(1)), 0, 9),
        (replaced(HAND, None), 0, 0),
        (replaced(HAND, [b"here"] * 9), 0, 0),
        (replaced(HAND, np.zeros((2, 3))), 0, 2),
        (replaced(HAND, np.full((9, 3), np.nan)), 0, 0),
        (replaced(HAND, np.zeros((9, 2))), 0, 0),
    ],
)
def test_what_is_no_number_beside_the_pictures_is_not_believed(file, edit, depths, hands):
    change(file, edit)
    info = {"intrinsics": [[60.0, 0, 32], [0, 60, 24], [0, 0, 1]], "extrinsics": np.eye(4).tolist()}
    change(file, lambda data: data["demo_1"].attrs.__setitem__("camera_info", json.dumps({"agentview": info})))
    recording = open_recording(file, hfov=60)
    frames = list(recording.frames(recording.episodes()[1]))
    assert len(frames) == 10 and all(frame.observation is not None for frame in frames)
    assert sum(frame.observation.depth is not None for frame in frames) == depths
    assert sum(frame.gripper is not None for frame in frames) == hands
    assert recording.episode_fingerprint(recording.episodes()[1])


@pytest.mark.parametrize(
    "wrong", [{"intrinsics": [[np.nan] * 3] * 3}, {"extrinsics": [[np.nan] * 4] * 4}, {"extrinsics": 3}, None]
)
def test_a_camera_that_is_none_is_not_believed(file, wrong):
    info = {"intrinsics": [[60.0, 0, 32], [0, 60, 24], [0, 0, 1]], "extrinsics": np.eye(4).tolist()}
    described = None if wrong is None else {**info, **wrong}
    change(file, lambda data: data["demo_1"].attrs.__setitem__("camera_info", json.dumps({"agentview": described})))
    recording = open_recording(file, hfov=60)
    frames = list(recording.frames(recording.episodes()[1]))
    assert len(frames) == 10 and all(f.gripper is None and f.observation.up is None for f in frames)


def test_next_pictures_that_are_none_are_left_out(file, annotated):
    change(file, replaced("demo_1/next_obs", 3))
    done = annotated(file)
    assert not done.outcome.failed and done.kept(1).valid.tolist() == [True] * 9 + [False]


def test_pictures_that_are_none_keep_their_places(file, annotated):
    change(file, replaced("demo_1/obs/agentview_image", np.zeros((9, 48, 64, 3), np.float32)))
    done = annotated(file)
    assert done.outcome.unreadable == {"demo_1": 9} and len(done.kept(1)) == 10


@pytest.mark.parametrize("content", [3, None, np.zeros((4, 3))])
def test_a_file_whose_data_is_no_group_is_named(file, content):
    with h5py.File(file, "r+") as h5:
        del h5["data"]
        if content is not None:
            h5["data"] = content
    with pytest.raises(SourceError, match="no group 'data'"):
        open_recording(file, hfov=60)


def test_two_demos_of_one_number_are_refused(file):
    """What is measured of a demo is kept under its number."""
    change(file, lambda data: data.copy("demo_1", "demo_01"))
    with pytest.raises(SourceError, match="same number"):
        open_recording(file, hfov=60)


@pytest.mark.parametrize("value", ["many", -3, [1, 2]])
def test_a_number_of_samples_that_is_none(file, annotated, value):
    def edit(data):
        del data["demo_1/actions"]
        data["demo_1"].attrs["num_samples"] = value

    change(file, edit)
    assert list(annotated(file).outcome.failed) == ["demo_1"]


@pytest.mark.parametrize("place", PLACES)
def test_an_empty_demo_has_the_columns_of_the_others(tmp_path, annotated, place):
    done = annotated(write_robomimic(tmp_path / "demo.hdf5", [episode(DISTANCES), []]), place)
    assert done.outcome.empty == ["demo_1"] and not done.outcome.failed
    with h5py.File(done.target) as content:
        whole, none = (content[f"data/{name}/spatialvlm"] for name in ("demo_0", "demo_1"))
        assert set(none) == set(whole) and {len(column) for column in none.values()} == {0}
        assert all(none[name].dtype == whole[name].dtype for name in none)


def test_the_command_says_what_is_left_out(file, tmp_path, capsys, monkeypatch):
    from spatialvlm_ros.models import loading
    from spatialvlm_ros.models.spatial_vlm import SpatialVLM

    change(file, without_pictures)
    model = Ruler()
    model.backend = None
    monkeypatch.setattr(SpatialVLM, "from_pretrained", lambda *_: model)
    monkeypatch.setattr(loading, "fingerprint_of", lambda backend: "ruler")
    options = ["--gamma", "0.9", "--hfov", "60", "--pages", "0", "--no-progress"]
    assert main(["reward", "annotate", str(file), *options]) == 1
    said = capsys.readouterr()
    assert "demo_1 is left out" in said.err and "no pictures" in said.err and "is empty" not in said.err
    assert "2 episodes" in said.out
