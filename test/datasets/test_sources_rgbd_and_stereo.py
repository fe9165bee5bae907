"""RGB-D folders and stereo pairs: units, pairing in time, calibration files, and faults."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialvlm_ros.datasets.sources import captures as reasons
from spatialvlm_ros.datasets.sources.camera_files import read_camera
from spatialvlm_ros.datasets.sources.rgbd_folder import RgbdFolder
from spatialvlm_ros.datasets.sources.stamps import nearest_pairs
from spatialvlm_ros.datasets.sources.stereo import MatchingOptions, StereoFolder, StereoRig, match, stereo_depth
from spatialvlm_ros.datasets.views import SkippedView
from spatialvlm_ros.errors import CameraModelError, ConfigError, SourceError

CAMERA = "{width: 64, height: 48, fx: 60, fy: 61, cx: 30, cy: 25}"
ROS_CAMERA = """
image_width: 64
image_height: 48
camera_name: left
camera_matrix: {rows: 3, cols: 3, data: [60.0, 0, 30, 0, 61, 25, 0, 0, 1]}
distortion_model: plumb_bob
distortion_coefficients: {rows: 1, cols: 5, data: [0.1, -0.05, 0.001, 0, 0]}
rectification_matrix: {rows: 3, cols: 3, data: [1, 0, 0, 0, 1, 0, 0, 0, 1]}
"""


def rgb(value: int) -> np.ndarray:
    return np.full((48, 64, 3), value, np.uint8)


def gradient_depth() -> np.ndarray:
    """(48, 64) uint16, grows by 10 per column and 3 per row, no symmetry."""
    v, u = np.mgrid[0:48, 0:64]
    return (1000 + 10 * u + 3 * v).astype(np.uint16)


def generic(folder: Path, colour: list[str], depth: list[str], camera: str = CAMERA) -> Path:
    for name in ("rgb", "depth"):
        (folder / name).mkdir(parents=True)
    (folder / "camera.yaml").write_text(camera)
    for index, stem in enumerate(colour):
        cv2.imwrite(str(folder / "rgb" / f"{stem}.png"), rgb(index))
    for stem in depth:
        cv2.imwrite(str(folder / "depth" / f"{stem}.png"), gradient_depth())
    return folder


def test_depth_is_divided_by_its_factor(tmp_path: Path) -> None:
    generic(tmp_path, ["a"], ["a"])
    raw = gradient_depth()
    raw[3, 7] = 0
    cv2.imwrite(str(tmp_path / "depth" / "a.png"), raw)
    for factor in (1000.0, 5000.0):
        capture = RgbdFolder(tmp_path, factor).capture(0)
        expected = raw / factor
        expected[3, 7] = np.nan
        np.testing.assert_allclose(capture.depth, expected, rtol=1e-6)
    with pytest.raises(TypeError):
        RgbdFolder(tmp_path)  # type: ignore[call-arg] - there is no default to get wrong
    with pytest.raises(ConfigError, match="depth_factor"):
        RgbdFolder(tmp_path, 0)
    near = RgbdFolder(tmp_path, 1000, max_depth=1.5).capture(0)
    assert np.nanmax(near.depth) <= 1.5


def test_tum_lists_are_paired_in_time(tmp_path: Path) -> None:
    generic(tmp_path, ["c0", "c1", "c2", "c3"], ["d0", "d1", "d2"])
    # Not in order, with comments, one colour picture without depth (0.5 s away).
    (tmp_path / "rgb.txt").write_text(
        "# colour\n1305031102.275 rgb/c1.png\n1305031102.175 rgb/c0.png\nbroken line\n1305031102.8 rgb/c3.png\n"
        "1305031102.3 rgb/c2.png\n"
    )
    (tmp_path / "depth.txt").write_text(
        "1305031102.301 depth/d2.png\n1305031102.160 depth/d0.png\n1305031102.2801 depth/d1.png # late\n"
    )
    folder = RgbdFolder(tmp_path, 5000)
    items = [folder.capture(i) for i in range(len(folder))]
    assert [item.name for item in items[:3]] == ["rgb/c0.png", "rgb/c1.png", "rgb/c2.png"]
    assert items[0].stamp_ns == pytest.approx(1305031102.175e9, abs=1000)
    assert items[3] == SkippedView("rgb/c3.png", reasons.NO_DEPTH)
    assert [pair.depth.name for pair in folder._pairs[:3]] == ["d0.png", "d1.png", "d2.png"]
    assert RgbdFolder(tmp_path, 5000, max_time_difference=0.002).capture(0).reason == reasons.NO_DEPTH


def test_generic_folders_pair_by_name_or_by_stamps_in_the_names(tmp_path: Path) -> None:
    by_name = RgbdFolder(generic(tmp_path / "n", ["0001", "0002"], ["0001"]), 1000)
    assert by_name.capture(1) == SkippedView("rgb/0002.png", reasons.NO_DEPTH)
    by_stamp = RgbdFolder(generic(tmp_path / "s", ["10.000", "10.100"], ["10.004", "10.090"]), 1000)
    assert [pair.depth.stem for pair in by_stamp._pairs] == ["10.004", "10.090"]
    unclear = RgbdFolder(generic(tmp_path / "u", ["left"], ["right"]), 1000)
    with pytest.raises(SourceError, match="cannot be paired"):
        len(unclear)


def test_faults_are_reasons(tmp_path: Path) -> None:
    generic(tmp_path, ["big", "cut", "empty", "eight", "nan", "wide"], ["big", "cut", "empty", "eight", "nan", "wide"])
    depth = tmp_path / "depth"
    cv2.imwrite(str(depth / "big.png"), np.ones((96, 128), np.uint16))
    (depth / "cut.png").write_bytes((depth / "cut.png").read_bytes()[:60])
    (depth / "empty.png").write_bytes(b"")
    cv2.imwrite(str(depth / "eight.png"), np.ones((48, 64), np.uint8))
    metres = np.full((48, 64), 2.0, np.float32)
    metres[:5], metres[5:9], metres[9:12] = np.nan, np.inf, -1
    (depth / "nan.png").unlink()
    cv2.imwrite(str(depth / "nan.tiff"), metres)
    cv2.imwrite(str(tmp_path / "rgb" / "wide.png"), np.zeros((48, 65, 3), np.uint8))
    folder = RgbdFolder(tmp_path, 1.0)
    found = {}
    for index in range(len(folder)):
        item = folder.capture(index)
        found[item.view_id if isinstance(item, SkippedView) else item.name] = item
    assert {name: item.reason for name, item in found.items() if isinstance(item, SkippedView)} == {
        "rgb/big.png": reasons.DEPTH_NOT_REGISTERED,
        "rgb/cut.png": reasons.UNREADABLE_DEPTH,
        "rgb/empty.png": reasons.EMPTY_FILE,
        "rgb/eight.png": reasons.UNREADABLE_DEPTH,
        "rgb/wide.png": reasons.WRONG_CAMERA_SIZE,
    }
    assert np.isnan(found["rgb/nan.png"].depth[:12]).all() and (found["rgb/nan.png"].depth[12:] == 2).all()


def test_camera_files(tmp_path: Path) -> None:
    (tmp_path / "plain.yaml").write_text(CAMERA)
    (tmp_path / "ros.yaml").write_text(ROS_CAMERA)
    plain, ros = read_camera(tmp_path / "plain.yaml"), read_camera(tmp_path / "ros.yaml")
    np.testing.assert_array_equal(plain.K, ros.K)
    assert ros.distortion_model == "plumb_bob" and ros.distortion == (0.1, -0.05, 0.001, 0, 0)
    for content, error in [
        ("{width: 64}", CameraModelError),
        ("{width: 64, height: 48, fx: 0, fy: 0, cx: 0, cy: 0}", CameraModelError),
        ("camera_matrix: {data: [1, 2]}", CameraModelError),
        (ROS_CAMERA.replace("{rows: 1, cols: 5, data: [0.1, -0.05, 0.001, 0, 0]}", "[0.1, 0, 0, 0]"), CameraModelError),
        (CAMERA.replace("fx: 60", "fx: 2.1"), CameraModelError),
        ("", SourceError),
        ("[: bad", SourceError),
    ]:
        (tmp_path / "bad.yaml").write_text(content)
        with pytest.raises(error):
            read_camera(tmp_path / "bad.yaml")
    with pytest.raises(SourceError, match="no camera model"):
        (tmp_path / "empty").mkdir()
        RgbdFolder(tmp_path / "empty", 1000).camera  # noqa: B018


@given(
    first=st.lists(st.integers(0, 1000), max_size=15),
    second=st.lists(st.integers(0, 1000), max_size=15),
    tolerance=st.integers(0, 50),
)
def test_pairs_are_near_and_used_once(first: list[int], second: list[int], tolerance: int) -> None:
    pairs = nearest_pairs(first, second, tolerance)
    used = [p for p in pairs if p is not None]
    assert len(used) == len(set(used)) and len(pairs) == len(first)
    for stamp, partner in zip(first, pairs, strict=True):
        if partner is not None:
            assert abs(second[partner] - stamp) <= tolerance
    if first and second:  # the globally nearest pair is always made
        least = min(abs(a - b) for a in first for b in second)
        assert least > tolerance or any(
            p is not None and abs(second[p] - a) == least for a, p in zip(first, pairs, strict=True)
        )


# ---- stereo ----

RIG = StereoRig(200.0, 0.1, 3.0)


def stereo_pair(near: float = 2.0, far: float = 4.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A textured wall with a nearer, taller-than-wide panel left of the middle; depth of the left picture."""
    rng = np.random.default_rng(5)
    wall, panel = (cv2.GaussianBlur(rng.integers(0, 255, (120, 300, 3), dtype=np.uint8), (3, 3), 0) for _ in range(2))
    depth = np.full((120, 200), far, np.float32)
    depth[30:100, 60:100] = near
    pictures = []
    for eye in (0, 1):  # the right eye sees everything further left by its disparity
        shift_far, shift_near = (round(RIG.disparity(z)) * eye for z in (far, near))
        picture = wall[:, 50 + shift_far : 250 + shift_far].copy()
        picture[30:100, 60 - shift_near : 100 - shift_near] = panel[30:100, 60:100]
        pictures.append(picture)
    return pictures[0], pictures[1], depth


def test_depth_of_a_synthetic_pair() -> None:
    # Disparities of 2 m and 4 m: 200 * 0.1 / z - 3 = 7 and 2 pixels, whole numbers.
    left, right, truth = stereo_pair()
    depth = stereo_depth(left, right, RIG, MatchingOptions(min_depth=1.0, max_depth=8.0, speckle_pixels=30))
    inner = (slice(8, -8), slice(30, -8))
    valid = np.isfinite(depth[inner])
    assert valid.mean() > 0.85
    error = np.abs(depth[inner] / truth[inner] - 1)[valid]
    assert np.median(error) < 0.01
    assert (error < 0.05).mean() > 0.95
    swapped = stereo_depth(right, left, RIG, MatchingOptions(min_depth=1.0, max_depth=8.0))
    assert np.nanmedian(np.abs(swapped[inner] / truth[inner] - 1)) > 0.05 or np.isfinite(swapped).mean() < 0.3


def test_pixels_without_a_match_are_nan_whatever_range_is_searched() -> None:
    # Up to 4.2 m: disparities from 1 on, and OpenCV marks "no match" by 0, a possible disparity.
    left, right, _ = stereo_pair()
    disparity = match(left, right, RIG, MatchingOptions(min_depth=1.0, max_depth=4.2))
    found = disparity[np.isfinite(disparity)]
    assert found.min() >= 1 and 0.3 < np.isfinite(disparity).mean() < 0.99


def test_disparity_offset_and_invalid_values() -> None:
    depth = RIG.depth(np.array([[7.0, 2.0, np.nan, -3.0, -5.0, np.inf]]))
    np.testing.assert_allclose(depth[0, :2], [2.0, 4.0])
    assert np.isnan(depth[0, 2:]).all()
    assert RIG.disparity(2.0) == pytest.approx(7.0)


def test_pictures_without_texture_give_no_depth_and_no_crash() -> None:
    flat = np.full((60, 80, 3), 90, np.uint8)
    disparity = match(flat, flat, RIG, MatchingOptions(min_depth=0.5, max_depth=8))
    assert disparity.shape == (60, 80)
    tiny = np.zeros((20, 20, 3), np.uint8)  # narrower than the search
    assert match(tiny, tiny, RIG).shape == (20, 20)
    with pytest.raises(SourceError, match="differ in size"):
        match(flat, tiny, RIG)
    for options in ({"block_size": 4}, {"min_depth": 3, "max_depth": 2}):
        with pytest.raises(ConfigError):
            MatchingOptions(**options)
    with pytest.raises(ConfigError, match="baseline"):
        StereoRig(100, -0.1)


def test_stereo_folder(tmp_path: Path) -> None:
    left, right, truth = stereo_pair()
    for name, picture in (("left", left), ("right", right)):
        (tmp_path / name).mkdir()
        for stem in ("0", "1", "2"):
            cv2.imwrite(str(tmp_path / name / f"{stem}.png"), picture[..., ::-1])
    (tmp_path / "right" / "1.png").unlink()
    (tmp_path / "right" / "2.png").write_bytes(b"")
    (tmp_path / "camera.yaml").write_text("{width: 200, height: 120, fx: 200, fy: 200, cx: 99.5, cy: 59.5}")
    folder = StereoFolder(tmp_path, 0.1, doffs=3.0, matching=MatchingOptions(min_depth=1.0, max_depth=8.0))
    capture = folder.capture(0)
    assert np.nanmedian(np.abs(capture.depth / truth - 1)) < 0.02
    assert folder.capture(1) == SkippedView("left/1.png", reasons.NO_PARTNER)
    assert folder.capture(2) == SkippedView("left/2.png", reasons.EMPTY_FILE)
    (tmp_path / "camera.yaml").write_text(ROS_CAMERA)
    with pytest.raises(SourceError, match="rectified"):
        StereoFolder(tmp_path, 0.1).capture(0)
