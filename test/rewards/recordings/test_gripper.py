"""Where a recording says where the gripper is, it need not be looked for in the picture."""

import json

import h5py
import numpy as np
import pytest
from ruler import episode, picture
from samples import CAMERA, COLOR, FPS, INFO, write_lerobot_v21, write_robomimic
from scipy.spatial.transform import Rotation

from spatialvlm_ros.bags.writer import BagWriter
from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.rewards.recordings.registry import open_recording

# A camera at (1, 0, 0.5) that looks back along -x with the world's z up: optical x = world y, y = -z, z = -x.
ROTATION = np.array([[0.0, 0, -1], [1, 0, 0], [0, -1, 0]])
PLACE = np.array([1.0, 0.0, 0.5])
HANDS = np.array([[0.4 + 0.01 * k, 0.1, 0.5 - 0.02 * k] for k in range(5)])
SEEN = [(hand - PLACE) @ ROTATION for hand in HANDS]


def frames(recording):
    return list(recording.frames(recording.episodes()[0]))


@pytest.fixture()
def bag(tmp_path):
    path = tmp_path / "bag"
    with BagWriter(path) as bag:
        bag.transform("base", "camera", Rotation.from_matrix(ROTATION).as_quat(), PLACE, 0, static=True)
        for k, hand in enumerate(HANDS):
            stamp = k * 10**9 // FPS
            bag.transform("base", "tool", (0, 0, 0, 1), hand, stamp)
            bag.camera_info(INFO, CAMERA, stamp, "camera")
            bag.image(COLOR, picture(20), "rgb8", stamp, "camera")
    return path


def test_by_the_frames_of_a_bag(bag):
    found = [frame.gripper for frame in frames(open_recording(bag, gripper_frame="tool"))]
    assert np.allclose(found, SEEN) and np.allclose(SEEN[0], [0.1, 0, 0.6])
    assert all(frame.gripper is None for frame in frames(open_recording(bag)))


def test_a_frame_that_is_not_there_is_named(bag):
    with pytest.raises(ConfigError, match="no frame .*hand.*tool"):
        open_recording(bag, gripper_frame="hand")


def test_other_formats_have_no_frames(tmp_path):
    with pytest.raises(ConfigError, match="has no frames"):
        open_recording(write_lerobot_v21(tmp_path / "set", [episode([30, 20])]), hfov=60, gripper_frame="tool")


def robomimic(tmp_path, camera):
    path = write_robomimic(tmp_path / "demo.hdf5", [episode([20] * 5)], next_obs=False)
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = ROTATION, PLACE
    with h5py.File(path, "r+") as file:
        demo = file["data/demo_0"]
        demo.move("obs/agentview_image", f"obs/{camera}_image")
        demo["obs/robot0_eef_pos"][...] = HANDS
        entry = {"intrinsics": [[60, 0, 32], [0, 60, 24], [0, 0, 1]], "extrinsics": pose.tolist()}
        demo.attrs["camera_info"] = json.dumps({camera: entry})
    return open_recording(path)


def test_by_the_hand_and_the_camera_of_robosuite(tmp_path):
    found = frames(robomimic(tmp_path, "agentview"))
    assert np.allclose([frame.gripper for frame in found], SEEN) and all(frame.placed for frame in found)


def test_a_camera_on_the_hand_sees_the_gripper_at_one_place(tmp_path):
    found = frames(robomimic(tmp_path, "robot0_eye_in_hand"))
    assert np.allclose([frame.gripper for frame in found], [(-PLACE) @ ROTATION] * 5)
    assert not any(frame.placed for frame in found)  # it moves, and the file does not say where to
