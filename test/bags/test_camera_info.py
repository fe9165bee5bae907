"""CameraInfo messages: which matrix, region of interest, binning, and uncalibrated cameras."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from spatialvlm_ros.bags.camera_info import camera_from_info, camera_info_fields, named_rectified
from spatialvlm_ros.errors import CameraModelError
from spatialvlm_ros.geometry.cameras import Camera

CAMERA = Camera(640, 480, 601.0, 603.0, 310.5, 250.25, "plumb_bob", (0.1, -0.2, 0.001, 0.002, 0.05))
NO_ROI = SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0)


def info(**changes: object) -> SimpleNamespace:
    return SimpleNamespace(**{**camera_info_fields(CAMERA), "roi": NO_ROI, **changes})


def test_round_trip() -> None:
    assert camera_from_info(info()) == CAMERA
    plain = replace(CAMERA, distortion_model="none", distortion=())
    assert camera_from_info(SimpleNamespace(**camera_info_fields(plain), roi=NO_ROI)) == plain


@pytest.mark.parametrize(
    ("name", "given", "model", "coefficients"),
    [
        ("plumb_bob", (0.1, -0.2), "plumb_bob", (0.1, -0.2, 0, 0, 0)),
        ("plumb_bob", (0.1, -0.2, 0.01, 0.02, 0.3, 0.4, 0.5, 0.6), "rational_polynomial", None),
        ("plumb_bob", (0.1, -0.2, 0.01, 0.02, 0.3, 0, 0, 0), "plumb_bob", (0.1, -0.2, 0.01, 0.02, 0.3)),
        ("rational_polynomial", (0.1, -0.2, 0.01, 0.02, 0.3), "plumb_bob", (0.1, -0.2, 0.01, 0.02, 0.3)),
        ("rational_polynomial", (*range(1, 9), 0, 0, 0, 0, 0, 0), "rational_polynomial", tuple(range(1, 9))),
        ("equidistant", (), "equidistant", (0, 0, 0, 0)),
        ("equidistant", (0.1, 0.2, 0, 0, 0), "equidistant", (0.1, 0.2, 0, 0)),
    ],
)
def test_zeros_at_the_end_may_be_left_out_or_appended(
    name: str, given: tuple[float, ...], model: str, coefficients: tuple[float, ...] | None
) -> None:
    """OpenCV takes D by its number of coefficients, whatever the name; so do drivers that fill it."""
    camera = camera_from_info(info(distortion_model=name, d=np.array(given, np.float64)))
    assert camera.distortion_model == model
    assert camera.distortion == (given if coefficients is None else coefficients)


@pytest.mark.parametrize(("name", "number"), [("rational_polynomial", 12), ("plumb_bob", 14), ("equidistant", 5)])
def test_coefficients_that_no_model_has_are_refused(name: str, number: int) -> None:
    with pytest.raises(CameraModelError, match="more than the .* rectified pictures"):
        camera_from_info(info(distortion_model=name, d=np.full(number, 0.01)))


def test_a_rectified_topic_takes_p_and_no_distortion() -> None:
    p = np.array([[500.0, 0, 300, -25], [0, 502, 220, 0], [0, 0, 1, 0]])
    camera = camera_from_info(info(p=p.ravel()), rectified=True)
    assert (camera.fx, camera.fy, camera.cx, camera.cy, camera.distortion_model) == (500, 502, 300, 220, "none")


@pytest.mark.parametrize("region", [(CAMERA.width - 100, 0, 101, 50), (0, CAMERA.height - 20, 50, 21)])
def test_a_region_beyond_the_sensor_is_refused(region: tuple[int, int, int, int]) -> None:
    x, y, width, height = region
    with pytest.raises(CameraModelError, match="region of interest"):
        camera_from_info(info(roi=SimpleNamespace(x_offset=x, y_offset=y, width=width, height=height)))
    fits = SimpleNamespace(x_offset=x - (x > 0), y_offset=y - (y > 0), width=width, height=height)
    assert camera_from_info(info(roi=fits)).width == width


def test_region_of_interest_and_binning_keep_the_rays() -> None:
    roi = SimpleNamespace(x_offset=100, y_offset=40, width=400, height=200)
    camera = camera_from_info(info(roi=roi, binning_x=2, binning_y=4))
    assert (camera.width, camera.height) == (200, 50)
    full = np.array([[100 + 2 * 30 + 0.5, 40 + 4 * 7 + 1.5]])  # centre of the 2 x 4 block behind binned pixel (30, 7)
    np.testing.assert_allclose(camera.rays(np.array([[30.0, 7.0]])), CAMERA.rays(full), atol=1e-9)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"k": np.zeros(9)}, "no focal length"),
        ({"k": np.full(9, np.nan)}, "malformed"),
        ({"k": np.ones(4)}, "malformed"),
        ({"width": 0}, "no picture size"),
        ({"distortion_model": "pincushion"}, "pincushion"),
    ],
)
def test_bad_calibrations_are_named(changes: dict, words: str) -> None:
    with pytest.raises(CameraModelError, match=words):
        camera_from_info(info(**changes))


@pytest.mark.parametrize(
    "topic", ["/camera/image_rect", "/rgb/image_rect_color/compressed", "/zed/rgb/color/rect/image", "/imageRect"]
)
def test_topics_that_say_so_are_rectified(topic):
    assert named_rectified(topic)


@pytest.mark.parametrize("topic", ["/camera/image_raw", "/direct/image_raw", "/image_unrectified", "/corrected/image"])
def test_other_words_with_the_same_letters_are_not(topic):
    """P and no distortion would be taken for pictures that a lens has bent."""
    assert not named_rectified(topic)
