"""Whatever bytes and fields a picture message has: pixels of the shape that it says, or one of our errors."""

from __future__ import annotations

import array
import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("hypothesis")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from spatialvlm_ros.bags.camera_info import camera_info_fields  # noqa: E402
from spatialvlm_ros.bags.images import (  # noqa: E402
    depth_from_compressed,
    depth_from_image,
    image_fields,
    image_view,
    rgb_from_compressed,
    rgb_from_image,
)
from spatialvlm_ros.errors import SpatialVLMError  # noqa: E402
from spatialvlm_ros.geometry.cameras import Camera  # noqa: E402
from spatialvlm_ros.models.estimate import Reason  # noqa: E402
from spatialvlm_ros.ros.observations import CameraMessages, FrameRefusedError, ObservationBuilder  # noqa: E402
from spatialvlm_ros.ros.parameters import Settings  # noqa: E402
from spatialvlm_ros.ros.transform_store import TransformStore  # noqa: E402

fuzzed = settings(max_examples=300, deadline=None)

ENCODINGS = ("rgb8", "bgr8", "rgba8", "bgra8", "mono8", "8UC1", "8UC3", "mono16", "16UC1", "32FC1", "64FC1", "yuv422")
SIZES = st.one_of(st.integers(0, 9), st.integers(-(2**31), 2**33))
WRONG = st.one_of(
    st.none(), st.text(max_size=3), st.floats(), st.binary(max_size=3), st.lists(st.integers(), max_size=2)
)


def buffers(data: bytes) -> st.SearchStrategy[Any]:
    """The same bytes as the classes that messages hold them in."""
    kinds: list[Callable[[bytes], Any]] = [
        bytes,
        bytearray,
        memoryview,
        lambda b: array.array("B", b),
        lambda b: np.frombuffer(b, np.uint8),
        lambda b: np.frombuffer(b, np.uint8)[::2],
        list,
    ]
    return st.sampled_from(kinds).map(lambda kind: kind(data))


BYTES = st.binary(max_size=400).flatmap(buffers)


@st.composite
def fitting_images(draw: st.DrawFn) -> Any:
    """Messages that are right but for what may be wrong with them: length, step, padding, byte order."""
    encoding, height, width = draw(st.sampled_from(ENCODINGS)), draw(st.integers(1, 9)), draw(st.integers(1, 9))
    size = {"rgb8": 3, "bgr8": 3, "8UC3": 3, "rgba8": 4, "bgra8": 4, "32FC1": 4, "64FC1": 8, "yuv422": 2}
    row = width * size.get(encoding, 2 if "16" in encoding else 1)
    step = row + draw(st.sampled_from((0, 0, 0, 1, 5, -1)))
    length = max(step * height + draw(st.sampled_from((0, 0, 0, 1, 7, -1, -step))), 0)
    data = draw(st.binary(min_size=length, max_size=length).flatmap(buffers))
    return image(height, width, encoding, draw(st.sampled_from((0, 1, 255))), step, data)


def image(height: Any, width: Any, encoding: Any, is_bigendian: Any, step: Any, data: Any) -> Any:
    return SimpleNamespace(
        height=height, width=width, encoding=encoding, is_bigendian=is_bigendian, step=step, data=data, header=header()
    )


def header(frame_id: str = "cam", sec: int = 5, nanosec: int = 0) -> Any:
    return SimpleNamespace(frame_id=frame_id, stamp=SimpleNamespace(sec=sec, nanosec=nanosec))


ARBITRARY_IMAGES = st.builds(
    image,
    SIZES | WRONG,
    SIZES | WRONG,
    st.sampled_from(ENCODINGS) | st.text(max_size=8) | WRONG,
    st.integers(0, 255) | WRONG,
    SIZES | WRONG,
    BYTES | WRONG,
)
IMAGES = fitting_images() | ARBITRARY_IMAGES
READERS = {rgb_from_image: (3, np.uint8), depth_from_image: (2, np.float32)}


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
@fuzzed
@given(message=IMAGES)
def test_a_raw_picture_has_the_size_it_says_or_is_refused(read: Callable[[Any], Any], message: Any) -> None:
    pixels = outcome(read, message)
    if pixels is not None:
        dimensions, kind = READERS[read]
        assert pixels.shape[:2] == (message.height, message.width)
        assert (pixels.ndim, pixels.dtype) == (dimensions, kind) and pixels.flags.c_contiguous


@fuzzed
@given(message=IMAGES)
def test_a_view_stays_within_its_buffer(message: Any) -> None:
    view = outcome(image_view, message)
    if view is not None:
        low, high = getattr(np.lib, "array_utils", np).byte_bounds(view)  # where NumPy 1 has it
        buffer = np.frombuffer(memoryview(message.data).cast("B"), np.uint8)
        assert buffer.ctypes.data <= low and high <= buffer.ctypes.data + buffer.size


def outcome(read: Callable[[Any], Any], message: Any) -> Any:
    """What comes out, None for one of our errors; every other exception, and every warning, fails the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ResourceWarning)  # of files that other tests left, at whatever time
        try:
            return read(message)
        except SpatialVLMError as error:
            assert str(error)
            return None


# ---- compressed ----


def encoded(kind: str) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    depth = np.random.default_rng(1).integers(0, 5000, (6, 8), dtype=np.uint16)
    return cv2.imencode(kind, depth if kind == ".png" else pixels)[1].tobytes()


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A real file with some bytes changed, and perhaps an end that is missing or too long."""
    data = bytearray(encoded(draw(st.sampled_from((".png", ".jpg", ".bmp", ".tiff")))))
    for _ in range(draw(st.integers(0, 4))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.integers(0, len(data)))]) if draw(st.booleans()) else bytes(data) + draw(st.binary())


FORMATS = st.sampled_from(
    ("jpeg", "png", "rgb8; jpeg compressed bgr8", "16UC1; compressedDepth png", "32FC1; compressedDepth")
)
PREFIXES = st.binary(min_size=12, max_size=12) | st.just(b"")
COMPRESSED = st.builds(
    lambda format, prefix, data: SimpleNamespace(format=format, data=prefix + data, header=header()),
    FORMATS | st.text(max_size=20),
    PREFIXES,
    st.binary(max_size=100) | damaged(),
) | st.builds(
    lambda format, data: SimpleNamespace(format=format, data=data, header=header()), FORMATS | WRONG, BYTES | WRONG
)


@pytest.mark.parametrize("read", [rgb_from_compressed, depth_from_compressed], ids=lambda read: read.__name__)
@fuzzed
@given(message=COMPRESSED)
def test_a_compressed_picture_is_decoded_or_refused(read: Callable[[Any], Any], message: Any) -> None:
    pixels = outcome(read, message)
    if pixels is not None:
        dimensions, kind = (3, np.uint8) if read is rgb_from_compressed else (2, np.float32)
        assert (pixels.ndim, pixels.dtype) == (dimensions, kind) and min(pixels.shape) > 0
        assert kind is np.uint8 or not np.isinf(pixels).any()


# ---- observations ----

CAMERA = Camera(8, 6, 10.0, 10.0, 3.5, 2.5)
UINT32 = st.sampled_from((0, 1, 2, 6, 8, 2**32 - 1)) | st.integers(0, 2**32 - 1)
NUMBERS = st.floats(width=64) | st.sampled_from((0.0, 10.0, 3.5))


def right_picture() -> Any:
    return SimpleNamespace(header=header(), **image_fields(np.zeros((6, 8, 3), np.uint8), "rgb8"))


def right_info() -> Any:
    roi = SimpleNamespace(x_offset=0, y_offset=0, height=0, width=0)
    return SimpleNamespace(header=header(), roi=roi, **camera_info_fields(CAMERA))


@st.composite
def infos(draw: st.DrawFn) -> Any:
    """A CameraInfo that is right but for one to three fields, which hold anything that their type allows."""
    made = right_info()
    region = st.builds(SimpleNamespace, x_offset=UINT32, y_offset=UINT32, height=UINT32, width=UINT32)
    fields = {
        "height": UINT32,
        "width": UINT32,
        "distortion_model": st.sampled_from(("", "plumb_bob", "equidistant", "rational_polynomial"))
        | st.text(max_size=9),
        "d": st.lists(NUMBERS, max_size=14),
        "k": st.lists(NUMBERS, min_size=9, max_size=9),
        "p": st.lists(NUMBERS, min_size=12, max_size=12),
        "binning_x": UINT32,
        "binning_y": UINT32,
        "roi": region,
    }
    for name in draw(st.lists(st.sampled_from(sorted(fields)), min_size=1, max_size=3, unique=True)):
        setattr(made, name, draw(fields[name]))
    return made


def headed(message: Any, frame_id: str, sec: int, nanosec: int) -> Any:
    message.header = header(frame_id, sec, nanosec)
    return message


FRAMES = st.sampled_from(("cam", "/cam", "", "elsewhere")) | st.text(max_size=5)
PICTURES = st.builds(
    headed,
    st.builds(right_picture) | IMAGES | COMPRESSED,
    FRAMES,
    st.integers(-(2**31), 2**31 - 1),
    st.integers(0, 2**32 - 1),
)
DEPTHS = st.none() | PICTURES
INFOS = st.none() | st.builds(right_info) | infos()


@pytest.mark.parametrize("rectified", ["true", "false"])
@fuzzed
@given(picture=st.builds(right_picture) | PICTURES, info=INFOS, depth=DEPTHS, depth_info=INFOS)
def test_an_observation_is_made_or_refused(
    rectified: str, picture: Any, info: Any, depth: Any, depth_info: Any
) -> None:
    builder = ObservationBuilder(Settings(rectified=rectified), TransformStore())
    try:
        seen = outcome(builder.build, CameraMessages(picture, info, depth, depth_info))
    except FrameRefusedError as error:  # pragma: no cover  outcome() takes it
        raise AssertionError from error
    if seen is None:
        return
    shape = seen.observation.rgb.shape
    assert shape == (seen.observation.camera.height, seen.observation.camera.width, 3)
    assert seen.observation.depth is None or seen.observation.depth.shape == shape[:2]
    assert set(seen.faults) <= {"depth_unreadable", Reason.DEPTH_NOT_REGISTERED.value}
