"""robomimic files, read back by robomimic's conventions: entry t of the rewards belongs to the action in obs[t]."""

import json

import h5py
import numpy as np
import pytest
from ruler import episode, potential
from samples import write_robomimic

from spatialvlm_ros.errors import SourceError
from spatialvlm_ros.rewards.recordings.registry import format_of, open_recording

DISTANCES = np.arange(40, 17, -1.0)  # 23 pictures, 22 steps
TURNED = np.array([[0, 0, 1, 0.4], [-1, 0, 0, 0.1], [0, -1, 0, 1.2], [0, 0, 0, 1]])  # optical axes of a level camera
CAMERA_INFO = {
    "agentview": {
        "intrinsics": [[60.0, 0, 32.0], [0, 60.0, 24.0], [0, 0, 1]],
        "extrinsics": TURNED.tolist(),
    }
}


@pytest.fixture()
def file(tmp_path):
    return write_robomimic(tmp_path / "demo.hdf5", [episode(DISTANCES), episode(DISTANCES[::-1])])


def test_a_file_is_recognised(file):
    recording = open_recording(file, hfov=60)
    assert format_of(file) == "robomimic" and recording.cameras == ("agentview_image",)
    assert [(e.name, e.frames, e.steps) for e in recording.episodes()] == [("demo_0", 23, 22), ("demo_1", 23, 22)]
    assert open_recording(file, "agentview", hfov=60).camera_name == "agentview_image"


def test_the_camera_is_that_of_the_file(tmp_path):
    path = write_robomimic(tmp_path / "demo.hdf5", [episode(DISTANCES)], camera_info=CAMERA_INFO)
    frame = next(iter(open_recording(path).frames(open_recording(path).episodes()[0])))
    camera = frame.observation.camera
    assert (camera.fx, camera.cx, camera.cy) == (60, 31.5, 23.5)  # robosuite counts from the edge
    assert np.allclose(frame.observation.up, [0, -1, 0])
    assert frame.observation.camera.contains([[camera.cx, camera.cy]])[0]


def test_a_camera_in_the_hand_does_not_tell_the_vertical(tmp_path):
    path = tmp_path / "demo.hdf5"
    write_robomimic(path, [episode(DISTANCES)])
    with h5py.File(path, "r+") as file:
        demo = file["data/demo_0"]
        demo.move("obs/agentview_image", "obs/robot0_eye_in_hand_image")
        del demo["next_obs"]
        demo.attrs["camera_info"] = json.dumps({"robot0_eye_in_hand": CAMERA_INFO["agentview"]})
    recording = open_recording(path)
    frame = next(iter(recording.frames(recording.episodes()[0])))
    assert frame.observation.up is None and frame.observation.camera.fx == 60


def test_depth_is_used_where_it_is_in_metres(tmp_path):
    path = write_robomimic(tmp_path / "demo.hdf5", [episode(DISTANCES)], depth=0.8)
    recording = open_recording(path, hfov=60)
    frames = list(recording.frames(recording.episodes()[0]))
    assert frames[0].observation.depth.dtype == np.float32 and np.allclose(frames[0].observation.depth, 0.8)
    assert frames[22].observation.depth is None  # next_obs of this file has none


def test_time_stamps_follow_the_control_rate(file):
    recording = open_recording(file, hfov=60)
    assert [f.stamp_ns for f in recording.frames(recording.episodes()[0], 20)] == [
        2_000_000_000,
        2_100_000_000,
        2_200_000_000,
    ]


def test_rewards_beside_what_was_recorded(file, annotated, rewards_between):
    done = annotated(file)
    with h5py.File(file) as before, h5py.File(done.target) as after:
        for number, distances in enumerate((DISTANCES, DISTANCES[::-1])):
            demo, ours = after[f"data/demo_{number}"], after[f"data/demo_{number}/spatialvlm"]
            assert np.allclose(ours["rewards"], rewards_between(distances), atol=1e-12)
            assert np.allclose(ours["potential"], [potential(d) for d in distances[:-1]])
            assert ours["valid"][()].all() and set(ours["reason"].asstr()[()]) == {"ok"}
            assert ours["success"].dtype == np.uint8 and len(ours["rewards"]) == demo.attrs["num_samples"] == 22
            for name in ("actions", "states", "rewards", "dones", "obs/agentview_image", "next_obs/agentview_image"):
                assert np.array_equal(demo[name], before[f"data/demo_{number}/{name}"])
            assert demo.attrs["model_file"] == "<mujoco/>"
        assert after["mask/train"][()].tolist() == [b"demo_0"]
        assert json.loads(after["data"].attrs["spatialvlm_reward"])["model"] == "ruler"


def test_without_next_obs_the_last_reward_is_not_known(tmp_path, annotated, rewards_between):
    path = write_robomimic(tmp_path / "demo.hdf5", [episode(DISTANCES)], next_obs=False)
    done = annotated(path)
    with h5py.File(done.target) as file:
        ours = file["data/demo_0/spatialvlm"]
        assert np.allclose(ours["rewards"][:-1], rewards_between(DISTANCES), atol=1e-12)
        assert ours["valid"][()].tolist() == [1] * 22 + [0] and ours["reason"].asstr()[-1] == "timeout"


def test_beside_is_a_small_file_of_the_same_layout(file, annotated, rewards_between):
    done = annotated(file, "beside")
    with h5py.File(done.target) as result:
        assert result["data"].attrs["total"] == 44 and result["data/demo_1"].attrs["num_samples"] == 22
        assert np.allclose(result["data/demo_0/rewards"], rewards_between(DISTANCES), atol=1e-12)
        assert result["data/demo_0/dones"][()].tolist() == [0] * 21 + [1]
        assert "obs" not in result["data/demo_0"]
    assert done.target.stat().st_size < file.stat().st_size / 3


def test_a_damaged_picture_keeps_its_place(tmp_path, annotated, rewards_between):
    path = tmp_path / "demo.hdf5"
    write_robomimic(path, [episode(DISTANCES)])
    with h5py.File(path, "r+") as file:  # compressed, so that damage shows
        pixels = file["data/demo_0/obs/agentview_image"][()]
        del file["data/demo_0/obs/agentview_image"]
        data = file.create_dataset(
            "data/demo_0/obs/agentview_image", data=pixels, chunks=(1, 48, 64, 3), compression="gzip"
        )
        offset = data.id.get_chunk_info(7).byte_offset
    content = bytearray(path.read_bytes())
    content[offset : offset + 20] = b"\xff" * 20
    path.write_bytes(bytes(content))
    done = annotated(path)
    assert done.outcome.unreadable == {"demo_0": 1} and not done.outcome.failed
    valid = done.kept().valid
    assert valid.tolist() == [k != 7 for k in range(23)]
    expected = rewards_between(DISTANCES)
    reward = done.kept().reward[1:]
    assert np.allclose(np.delete(reward, [6, 7]), np.delete(expected, [6, 7]), atol=1e-12)
    assert "unreadable" not in done.kept().detail[6] and "cannot be used" in done.kept().detail[7]


def test_an_empty_episode_is_named_and_the_others_are_judged(tmp_path, annotated):
    path = write_robomimic(tmp_path / "demo.hdf5", [episode(DISTANCES), [], episode(DISTANCES)])
    done = annotated(path)
    assert done.outcome.empty == ["demo_1"] and done.outcome.episodes == 2
    with h5py.File(done.target) as file:
        assert len(file["data/demo_1/spatialvlm/rewards"]) == 0 and len(file["data/demo_2/spatialvlm/rewards"]) == 22


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n" + b"\0" * 50, b"hello"])
def test_a_broken_file_is_named(tmp_path, content):
    path = tmp_path / "demo.hdf5"
    path.write_bytes(content)
    with pytest.raises(SourceError, match="cannot be opened as HDF5"):
        open_recording(path, hfov=60)


def test_another_hdf5_file_is_not_taken_for_one(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(SourceError, match="no robomimic data set"):
        open_recording(tmp_path / "other.h5", hfov=60)


def test_a_file_without_pictures_says_so(tmp_path):
    path = write_robomimic(tmp_path / "demo.hdf5", [episode(DISTANCES)])
    with h5py.File(path, "r+") as file:
        del file["data/demo_0/obs/agentview_image"]
    with pytest.raises(SourceError, match="no colour pictures"):
        open_recording(path, hfov=60)


def test_instructions_come_from_the_episodes(tmp_path):
    path = write_robomimic(tmp_path / "demo.hdf5", [episode(DISTANCES)], lang="pick up the apple")
    assert open_recording(path, hfov=60).episodes()[0].instruction == "pick up the apple"


def test_rewards_are_not_written_twice(file, annotated):
    first = annotated(file)
    with pytest.raises(SourceError, match="already has rewards of ours"):
        annotated(first.target)


def with_actions(path, demo, number):
    with h5py.File(path, "r+") as content:
        group = content[f"data/{demo}"]
        del group["actions"]
        group.create_dataset("actions", data=np.zeros((number, 7)))


@pytest.mark.parametrize("more", [-2, 2])
@pytest.mark.parametrize("place", ["copy", "beside"])
def test_an_episode_whose_pictures_are_not_those_of_its_actions_is_left_out(tmp_path, annotated, place, more):
    path = write_robomimic(tmp_path / "demo.hdf5", [episode(DISTANCES), episode(DISTANCES)], next_obs=False)
    with h5py.File(path) as content:
        rows = len(content["data/demo_0/obs/agentview_image"])
    with_actions(path, "demo_1", rows - more)
    done = annotated(path, place)
    assert list(done.outcome.failed) == ["demo_1"] and done.outcome.episodes == 1
    assert "actions" in str(done.outcome.failed["demo_1"]) and done.model.looked == rows
    with h5py.File(done.target) as content:
        rewards = [content[f"data/{name}/spatialvlm/rewards"][()] for name in ("demo_0", "demo_1")]
    assert np.isfinite(rewards[0]).all() and np.isnan(rewards[1]).all() and len(rewards[1]) == rows - more


@pytest.mark.parametrize("place", ["copy", "beside"])
def test_an_empty_episode_among_others(tmp_path, annotated, place):
    path = write_robomimic(tmp_path / "demo.hdf5", [episode(DISTANCES), [], episode(DISTANCES)])
    done = annotated(path, place)
    assert done.outcome.empty == ["demo_1"] and done.outcome.valid == 46
    with h5py.File(done.target) as content:
        assert np.isfinite(content["data/demo_2/spatialvlm/rewards"][()]).all()
        assert place == "copy" or len(content["data/demo_1/rewards"]) == 0
