"""The camera comes from the options, the recording, or a file beside it; otherwise there are no metres."""

import numpy as np
import pytest
import yaml
from ruler import episode
from samples import CAMERA, FRONT, write_bag, write_lerobot_v21

from spatialvlm_ros.errors import CameraModelError, ConfigError, SourceError
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.rewards.recordings.intrinsics import find_intrinsics
from spatialvlm_ros.rewards.recordings.registry import open_recording


@pytest.fixture()
def dataset(tmp_path):
    return write_lerobot_v21(tmp_path / "set", [episode([30, 20, 10])])


def camera_of(recording):
    return next(iter(recording.frames(recording.episodes()[0]))).observation.camera


def write_camera(path, **changes):
    path.write_text(yaml.safe_dump({"width": 64, "height": 48, "fx": 55, "fy": 56, "cx": 31, "cy": 24, **changes}))


def test_nothing_known_names_all_three_ways(dataset):
    with pytest.raises(CameraModelError) as refused:
        open_recording(dataset)
    assert all(way in str(refused.value) for way in ("--hfov", "--camera fx,fy,cx,cy", "camera.yaml"))


def test_a_field_of_view_in_degrees(dataset):
    assert np.degrees(camera_of(open_recording(dataset, hfov=75)).hfov()) == pytest.approx(75)


def test_four_numbers_in_pixels(dataset):
    camera = camera_of(open_recording(dataset, camera="50,51,30.5,20"))
    assert camera == Camera(64, 48, 50, 51, 30.5, 20)


def test_a_file_beside_the_data(dataset):
    write_camera(dataset / "camera.yaml")
    recording = open_recording(dataset)
    assert camera_of(recording) == Camera(64, 48, 55, 56, 31, 24)
    assert "camera.yaml" in recording.intrinsics.source


def test_a_file_of_one_camera_wins_over_that_of_all(dataset):
    write_camera(dataset / "camera.yaml")
    write_camera(dataset / "front.yaml", fx=70)
    assert camera_of(open_recording(dataset, FRONT)).fx == 70


def test_a_file_of_the_same_pictures_in_another_size(dataset):
    write_camera(dataset / "camera.yaml", width=640, height=480, fx=550, fy=560)
    assert camera_of(open_recording(dataset)).fx == pytest.approx(55)


def test_a_file_of_other_pictures_is_refused(dataset):
    write_camera(dataset / "camera.yaml", width=100)
    with pytest.raises(CameraModelError, match="100 x 48"):
        open_recording(dataset)


def test_options_win_over_the_recording_and_the_recording_over_a_file(tmp_path):
    path = write_bag(tmp_path / "bag", episode([30, 20]))
    write_camera(path / "camera.yaml", fx=70)
    assert camera_of(open_recording(path)).fx == pytest.approx(CAMERA.fx)
    assert camera_of(open_recording(path, camera="80,80,31,23")).fx == 80


def test_a_changed_file_is_another_source(tmp_path):
    write_camera(tmp_path / "camera.yaml")
    before = find_intrinsics(tmp_path).source
    write_camera(tmp_path / "camera.yaml", fx=56)
    assert find_intrinsics(tmp_path).source != before


@pytest.mark.parametrize("text", ["50,50,30", "a,b,c,d", ""])
def test_malformed_numbers_are_named(dataset, text):
    with pytest.raises(ConfigError, match="four numbers"):
        open_recording(dataset, camera=text)


def test_numbers_of_a_larger_picture_are_found_out(dataset):
    with pytest.raises(CameraModelError, match="outside the picture of 64 x 48"):
        open_recording(dataset, camera="600,600,320,240")


def test_both_options_at_once_are_refused(dataset):
    with pytest.raises(ConfigError, match="given twice"):
        open_recording(dataset, hfov=60, camera="1,1,1,1")


@pytest.mark.parametrize("degrees", [0, 180, -3])
def test_an_impossible_field_of_view_is_refused(dataset, degrees):
    with pytest.raises(CameraModelError):
        open_recording(dataset, hfov=degrees)


@pytest.mark.parametrize("text", ["", "fx: 3", "{", "[1, 2]"])
def test_a_damaged_file_is_named(dataset, text):
    (dataset / "camera.yaml").write_text(text)
    with pytest.raises((SourceError, CameraModelError), match="camera.yaml"):
        open_recording(dataset)
