"""Image messages to arrays: layouts, padding, byte order, depth units, and damage."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from spatialvlm_ros.bags.images import (
    depth_from_compressed,
    depth_from_image,
    image_fields,
    image_view,
    rgb_from_compressed,
    rgb_from_image,
)
from spatialvlm_ros.errors import DepthError, ObservationError

HEIGHT, WIDTH = 5, 7


def picture() -> np.ndarray:
    """(5, 7, 3) without any symmetry: red grows to the right, green downwards, blue marks one pixel."""
    rgb = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    rgb[..., 0] = np.arange(WIDTH) * 10
    rgb[..., 1] = np.arange(HEIGHT)[:, None] * 20
    rgb[1, 4, 2] = 200
    return rgb


def message(pixels: np.ndarray, encoding: str, padding: int = 0, big_endian: bool = False) -> SimpleNamespace:
    """An Image message made by hand, row by row, independently of the code under test."""
    order = ">" if big_endian else "<"
    rows = [row.astype(row.dtype.newbyteorder(order)).tobytes() + b"\xee" * padding for row in pixels]
    return SimpleNamespace(
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=int(big_endian),
        step=len(rows[0]),
        data=np.frombuffer(b"".join(rows), np.uint8),
    )


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize(
    ("encoding", "channels"),
    [("rgb8", [0, 1, 2]), ("bgr8", [2, 1, 0]), ("8UC3", [2, 1, 0]), ("rgba8", [0, 1, 2, 3]), ("bgra8", [2, 1, 0, 3])],
)
def test_colour_encodings_give_the_same_rgb(encoding: str, channels: list[int], padding: int) -> None:
    alpha = np.full((HEIGHT, WIDTH, 1), 77, np.uint8)
    stored = np.concatenate([picture(), alpha], axis=2)[..., channels]
    got = rgb_from_image(message(stored, encoding, padding))
    np.testing.assert_array_equal(got, picture())
    assert got.flags.c_contiguous


def test_grey_is_repeated() -> None:
    grey = picture()[..., 0] + picture()[..., 1]
    np.testing.assert_array_equal(rgb_from_image(message(grey, "mono8", padding=3)), np.stack([grey] * 3, axis=2))


def test_rgb8_without_padding_is_not_copied() -> None:
    source = message(picture(), "rgb8")
    assert np.shares_memory(rgb_from_image(source), source.data)
    padded = message(picture(), "rgb8", padding=2)
    assert np.shares_memory(image_view(padded), padded.data)


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("padding", [0, 4])
def test_depth_units_and_byte_order(big_endian: bool, padding: int) -> None:
    millimetres = (np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) * 37).astype(np.uint16)
    expected = np.where(millimetres > 0, millimetres / 1000, np.nan)
    got = depth_from_image(message(millimetres, "16UC1", padding, big_endian))
    np.testing.assert_allclose(got, expected, rtol=1e-6)
    metres = expected.astype(np.float32)
    metres[2, 3] = np.inf
    got = depth_from_image(message(metres, "32FC1", padding, big_endian))
    expected[2, 3] = np.nan
    np.testing.assert_allclose(got, expected, rtol=1e-6)
    assert got.dtype == np.float32


def test_the_last_row_may_lack_its_padding() -> None:
    source = message(picture(), "rgb8", padding=4)
    source.data = source.data[:-4]
    np.testing.assert_array_equal(rgb_from_image(source), picture())
    source.data = source.data[:-1]
    with pytest.raises(ObservationError, match="needs"):
        rgb_from_image(source)


def test_wrong_steps_sizes_and_encodings_are_named() -> None:
    source = message(picture(), "rgb8")
    source.step = 3 * WIDTH - 1
    with pytest.raises(ObservationError, match="row step"):
        rgb_from_image(source)
    source = message(picture(), "bayer_rggb8")
    with pytest.raises(ObservationError, match="bayer_rggb8"):
        image_view(source)
    with pytest.raises(ObservationError, match="depth topic"):
        rgb_from_image(message(np.zeros((2, 3), np.uint16), "16UC1"))
    with pytest.raises(DepthError, match="colour topic"):
        depth_from_image(message(picture(), "rgb8"))
    empty = message(picture(), "rgb8")
    empty.height = 0
    with pytest.raises(ObservationError, match="no pixels"):
        rgb_from_image(empty)


@pytest.mark.parametrize(
    ("encoding", "says"), [("yuv422_yuy2", "convert the topic"), ("bayer_rggb8", "convert"), ("16UC1", "a depth topic")]
)
def test_a_colour_that_cannot_be_read_is_not_taken_for_depth(encoding: str, says: str) -> None:
    raw = message(np.zeros((4, 6), np.uint16), encoding)
    with pytest.raises(ObservationError, match=says) as caught:
        rgb_from_image(raw)
    assert ("a depth topic" in str(caught.value)) == (encoding == "16UC1")


@pytest.mark.parametrize("encoding", ["rgb8", "bgra8", "mono8", "16UC1", "32FC1"])
def test_writing_then_reading_gives_the_same_pixels(encoding: str) -> None:
    rng = np.random.default_rng(3)
    shapes = {"rgb8": (4, 6, 3), "bgra8": (4, 6, 4)}
    dtypes = {"16UC1": np.uint16, "32FC1": np.float32}
    pixels = rng.integers(0, 255, shapes.get(encoding, (4, 6))).astype(dtypes.get(encoding, np.uint8))
    fields = image_fields(pixels[::-1, ::2], encoding)  # a view that is not contiguous
    np.testing.assert_array_equal(image_view(SimpleNamespace(**fields)), pixels[::-1, ::2])
    with pytest.raises(ObservationError):
        image_fields(pixels.astype(np.float64), encoding)


def test_compressed_colour() -> None:
    png = cv2.imencode(".png", picture()[..., ::-1])[1].reshape(-1)
    got = rgb_from_compressed(SimpleNamespace(format="png", data=png))
    np.testing.assert_array_equal(got, picture())
    grey = cv2.imencode(".png", picture()[..., 0])[1].reshape(-1)
    assert rgb_from_compressed(SimpleNamespace(format="png", data=grey)).shape == (HEIGHT, WIDTH, 3)
    for damaged in (png[:0], png[:40], np.zeros(30, np.uint8)):
        with pytest.raises(ObservationError, match="cannot be decoded"):
            rgb_from_compressed(SimpleNamespace(format="png", data=damaged))


def test_compressed_depth() -> None:
    millimetres = (np.arange(35).reshape(5, 7) * 100).astype(np.uint16)
    png = cv2.imencode(".png", millimetres)[1].reshape(-1)
    expected = np.where(millimetres > 0, millimetres / 1000, np.nan)
    plain = SimpleNamespace(format="16UC1; png compressed ", data=png)
    np.testing.assert_allclose(depth_from_compressed(plain), expected, rtol=1e-6)
    head = np.zeros(12, np.uint8)
    transport = SimpleNamespace(format="16UC1; compressedDepth png", data=np.concatenate([head, png]))
    np.testing.assert_allclose(depth_from_compressed(transport), expected, rtol=1e-6)


def test_compressed_float_depth_is_dequantised() -> None:
    # compressed_depth_image_transport: depth_max, resolution -> a = res*(res+1), b = 1 - a/depth_max
    resolution, depth_max = 100.0, 10.0
    scale = resolution * (resolution + 1)
    offset = 1 - scale / depth_max
    metres = np.linspace(0.5, 6.0, 35).reshape(5, 7)
    quantised = np.rint(scale / metres + offset).astype(np.uint16)
    quantised[0, 0] = 0
    head = np.concatenate([np.zeros(4, np.uint8), np.array([scale, offset], "<f4").view(np.uint8)])
    png = cv2.imencode(".png", quantised)[1].reshape(-1)
    got = depth_from_compressed(SimpleNamespace(format="32FC1; compressedDepth png", data=np.concatenate([head, png])))
    assert np.isnan(got[0, 0])
    np.testing.assert_allclose(got.ravel()[1:], metres.ravel()[1:], rtol=2e-3)


def test_a_jpeg_is_not_a_depth_picture() -> None:
    jpeg = cv2.imencode(".jpg", np.full((8, 8), 100, np.uint8))[1].reshape(-1)
    with pytest.raises(DepthError, match="16-bit"):
        depth_from_compressed(SimpleNamespace(format="jpeg", data=jpeg))


def test_depth_in_rvl_is_refused_with_what_to_set() -> None:
    squeezed = SimpleNamespace(format="16UC1; compressedDepth rvl", data=np.arange(64, dtype=np.uint8))
    with pytest.raises(DepthError, match="RVL.*png"):
        depth_from_compressed(squeezed)
