"""What `spatialvlm ask` reads: pictures as they are to be seen, depth in the unit of its file."""

import argparse

import numpy as np
import pytest
from oracle import Oracle, make_scene
from PIL import Image

from spatialvlm_ros.cli.ask import read_observation
from spatialvlm_ros.cli.main import main
from spatialvlm_ros.errors import ObservationError
from spatialvlm_ros.models import spatial_vlm


@pytest.fixture
def given(tmp_path):
    """Arguments of the command; a picture whose left half is red."""
    rgb = np.zeros((48, 64, 3), np.uint8)
    rgb[:, :32, 0] = 255
    path = tmp_path / "p.png"
    Image.fromarray(rgb).save(path)
    return argparse.Namespace(picture=path, depth=None, focal=None, hfov=60.0, up=None, camera_height=None)


def save_depth(path, values, mode=None):
    Image.fromarray(values, mode).save(path)
    return path


@pytest.mark.parametrize("millimetres", [1500, 65_535, 70_000, 200_000])
def test_whole_numbers_of_any_width_are_millimetres(given, tmp_path, millimetres):
    given.depth = save_depth(tmp_path / "d.tiff", np.full((48, 64), millimetres, np.int32))
    assert read_observation(given).depth[0, 0] == pytest.approx(millimetres / 1000)


def test_what_is_no_distance_is_not_valid(given, tmp_path):
    depth = np.full((48, 64), -70_000, np.int32)
    depth[0] = 0
    given.depth = save_depth(tmp_path / "d.tiff", depth)
    assert np.isnan(read_observation(given).depth).all()


def test_a_16_bit_picture_and_an_array(given, tmp_path):
    given.depth = save_depth(tmp_path / "d.png", np.full((48, 64), 40_000, np.uint16))
    assert read_observation(given).depth[0, 0] == pytest.approx(40.0)
    given.depth = tmp_path / "d.npy"
    np.save(given.depth, np.full((48, 64), 1.5))
    assert read_observation(given).depth[0, 0] == pytest.approx(1.5)


def test_an_array_in_millimetres_is_refused(given, tmp_path, capsys):
    depth = tmp_path / "d.npy"
    np.save(depth, np.full((48, 64), 1500.0, np.float32))
    asked = ["ask", str(given.picture), "--measure", "height:mug", "--hfov", "60", "--depth", str(depth)]
    assert main(asked) == 1
    assert "metres" in capsys.readouterr().err


def test_a_picture_is_turned_as_its_tag_says(given, tmp_path):
    image = Image.open(given.picture)
    exif = image.getexif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    given.picture = tmp_path / "turned.jpg"
    image.save(given.picture, exif=exif, quality=95)
    seen = read_observation(given)
    assert seen.rgb.shape == (64, 48, 3) and (seen.camera.width, seen.camera.height) == (48, 64)
    assert seen.rgb[5, 24, 0] > 200 and seen.rgb[58, 24, 0] < 50  # what lay left is above
    given.depth = tmp_path / "d.npy"
    np.save(given.depth, np.full((64, 48), 1.5, np.float32))
    with pytest.raises(ObservationError, match="EXIF"):
        read_observation(given)


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32])
def test_a_picture_of_more_than_8_bits_is_refused_and_not_read_as_white(given, tmp_path, kind):
    given.picture = save_depth(tmp_path / "deep.tiff", np.full((48, 64), 1500, kind))
    with pytest.raises(ObservationError, match="more than 8 bits.*Is it the depth"):
        read_observation(given)


def test_a_picture_of_too_many_pixels_is_named(given, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ObservationError, match="cannot be read.*limit"):
        read_observation(given)


@pytest.mark.parametrize("relation", ["height", "tall"])
def test_what_was_stated_and_not_believed_is_said(given, monkeypatch, capsys, relation):
    """A height in centimetres is left out, and who gave it hears of it."""
    scene = make_scene(3)
    path = given.picture
    Image.fromarray(scene.observation.rgb).save(path)
    monkeypatch.setattr(spatial_vlm, "load_backend", lambda spec, **options: Oracle({0: scene}))
    monkeypatch.setenv("SPATIALVLM_CACHE", str(path.parent))
    asked = f"{relation}:mug:bowl" if relation == "tall" else f"{relation}:mug"
    stated = ["--focal", "150", "--camera-height", "90", "--model", "org/oracle"]
    assert main(["ask", str(path), "--measure", asked, *stated]) == 0
    assert "90 m was left out" in capsys.readouterr().out
