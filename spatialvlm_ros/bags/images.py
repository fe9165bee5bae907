"""Picture messages (sensor_msgs Image and CompressedImage) to NumPy arrays and back.

Works on anything with the fields of the message: objects of `rosbags`, of rclpy, or own ones. Row padding
(``step``) and byte order (``is_bigendian``) are honoured, and each direction copies the pixels at most once.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import DepthError, ObservationError

DEPTH_ENCODINGS = ("16UC1", "mono16", "32FC1")


class ImageMessage(Protocol):
    """The fields of sensor_msgs/msg/Image."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: object


class CompressedImageMessage(Protocol):
    """The fields of sensor_msgs/msg/CompressedImage."""

    format: str
    data: object


@dataclass(frozen=True)
class PixelLayout:
    """How one encoding lies in memory: element type and number of channels."""

    dtype: np.dtype
    channels: int


_LAYOUTS: dict[str, PixelLayout] = {
    "rgb8": PixelLayout(np.dtype(np.uint8), 3),
    "bgr8": PixelLayout(np.dtype(np.uint8), 3),
    "rgba8": PixelLayout(np.dtype(np.uint8), 4),
    "bgra8": PixelLayout(np.dtype(np.uint8), 4),
    "8UC3": PixelLayout(np.dtype(np.uint8), 3),  # OpenCV's name for bgr8
    "8UC4": PixelLayout(np.dtype(np.uint8), 4),
    "mono8": PixelLayout(np.dtype(np.uint8), 1),
    "8UC1": PixelLayout(np.dtype(np.uint8), 1),
    "mono16": PixelLayout(np.dtype(np.uint16), 1),
    "16UC1": PixelLayout(np.dtype(np.uint16), 1),
    "32FC1": PixelLayout(np.dtype(np.float32), 1),
}

Pixels = NDArray[np.generic]

# Each makes one contiguous (H, W, 3) uint8 array from the (H, W[, C]) view of the message.
_TO_RGB: dict[str, Callable[[Pixels], Pixels]] = {
    "rgb8": lambda view: np.ascontiguousarray(view),
    "bgr8": lambda view: np.ascontiguousarray(view[..., ::-1]),
    "8UC3": lambda view: np.ascontiguousarray(view[..., ::-1]),
    "rgba8": lambda view: np.ascontiguousarray(view[..., :3]),
    "bgra8": lambda view: np.ascontiguousarray(view[..., 2::-1]),
    "8UC4": lambda view: np.ascontiguousarray(view[..., 2::-1]),
    "mono8": lambda view: np.repeat(view[..., None], 3, axis=2),
    "8UC1": lambda view: np.repeat(view[..., None], 3, axis=2),
}


def image_view(message: ImageMessage) -> Pixels:
    """The pixels of an Image message as a (H, W) or (H, W, C) view of its buffer, without a copy.

    The view has the byte order of the message and the row stride ``step``; it is read-only where the buffer is.

    Raises:
        ObservationError: unknown encoding, impossible step, fewer bytes than the size says, or fields of other types
            than the message has.
    """
    layout = _LAYOUTS.get(str(message.encoding))
    if layout is None:
        raise ObservationError(
            "an image message has an encoding that cannot be read",
            message.encoding,
            f"Known are {', '.join(sorted(_LAYOUTS))}; convert the topic first.",
        )
    height, width, step = (_whole(message, name) for name in ("height", "width", "step"))
    if height <= 0 or width <= 0:
        raise ObservationError("an image message has no pixels", (width, height), "Skip this message.")
    dtype = layout.dtype.newbyteorder(">" if message.is_bigendian else "<")
    row_bytes = width * layout.channels * dtype.itemsize
    if step < row_bytes:
        raise ObservationError(
            f"the row step of an image message is shorter than a row of {row_bytes} bytes",
            step,
            "The publisher fills Image.step wrongly.",
        )
    buffer = _bytes(message.data)
    # The last row may lack its padding.
    needed = step * (height - 1) + row_bytes
    if len(buffer) < needed:
        raise ObservationError(
            f"an image message of {width}x{height} {message.encoding} needs {needed} bytes",
            len(buffer),
            "The message is cut off; skip it.",
        )
    shape: tuple[int, ...] = (height, width)
    strides: tuple[int, ...] = (step, dtype.itemsize * layout.channels)
    if layout.channels > 1:
        shape, strides = (*shape, layout.channels), (*strides, dtype.itemsize)
    return np.ndarray(shape, dtype, buffer, 0, strides)


def _whole(message: object, name: str) -> int:
    try:
        return operator.index(getattr(message, name))
    except TypeError as error:
        fault = f"{name} of an image message is no whole number"
        raise ObservationError(fault, getattr(message, name), "Skip this message.") from error


def _bytes(data: object) -> memoryview:
    try:
        return memoryview(data).cast("B")  # type: ignore[arg-type]
    except TypeError as error:
        fault = "the data of an image message are no bytes that lie side by side"
        raise ObservationError(fault, type(data).__name__, "Skip this message.") from error


def rgb_from_image(message: ImageMessage) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB of an Image message; grey is repeated, alpha is dropped. At most one copy."""
    view = image_view(message)
    if str(message.encoding) not in _TO_RGB:
        raise ObservationError(
            "a colour picture has an encoding that is not a colour",
            message.encoding,
            f"Known are {', '.join(sorted(_TO_RGB))}; is this a depth topic?",
        )
    return _TO_RGB[str(message.encoding)](view)  # type: ignore[return-value]


def depth_from_image(message: ImageMessage) -> NDArray[np.float32]:
    """(H, W) float32 metres, NaN where invalid, of a 16UC1 (mm) or 32FC1 (m) Image message."""
    if str(message.encoding) not in DEPTH_ENCODINGS:
        raise DepthError(
            "a depth picture has an encoding without a unit",
            message.encoding,
            f"Known are {', '.join(DEPTH_ENCODINGS)}; is this a colour topic?",
        )
    return metres_from_raw(image_view(message))


def metres_from_raw(raw: Pixels) -> NDArray[np.float32]:
    """(H, W) float32 metres, NaN where invalid, of raw ROS depth: integers are mm, floats are m (REP-118)."""
    from spatialvlm_ros.geometry.depth import depth_to_metres

    native = raw.astype(raw.dtype.newbyteorder("="), copy=False)
    return depth_to_metres(native, "16UC1" if native.dtype.kind == "u" else "32FC1")


def rgb_from_compressed(message: CompressedImageMessage) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB of a CompressedImage message (JPEG or PNG)."""
    decoded = _decode(message.data, cv2.IMREAD_COLOR)
    return np.asarray(cv2.cvtColor(np.asarray(decoded, np.uint8), cv2.COLOR_BGR2RGB), np.uint8)


def depth_from_compressed(message: CompressedImageMessage) -> NDArray[np.float32]:
    """(H, W) float32 metres of a CompressedImage that holds depth.

    Two forms exist: a plain 16-bit PNG in mm, and the ``compressedDepth`` transport: a 12-byte header, then a
    PNG that holds mm (16UC1) or quantised inverse depth (32FC1: depth = a / (value - b), with a and b in the header).
    """
    buffer, form = _bytes(message.data), str(message.format)
    if "compressedDepth" not in form:
        return metres_from_raw(_single_channel(_decode(buffer, cv2.IMREAD_UNCHANGED)))
    if len(buffer) <= 12:
        raise DepthError("a compressedDepth message has no picture", len(buffer), "Skip this message.")
    if form.rstrip().endswith("rvl"):
        raise DepthError("a compressedDepth message is in RVL", form, "Set the camera's compressedDepth format to png.")
    raw = _single_channel(_decode(buffer[12:], cv2.IMREAD_UNCHANGED))
    if not form.startswith("32FC1"):
        return metres_from_raw(raw)
    with np.errstate(all="ignore"):  # the header may hold anything
        scale, offset = np.frombuffer(buffer, "<f4", 2, 4).astype(np.float64)
        metres = (scale / (raw.astype(np.float64) - offset)).astype(np.float32)
        return np.where((raw > 0) & (metres > 0) & np.isfinite(metres), metres, np.float32(np.nan))


def _single_channel(raw: Pixels) -> Pixels:
    if raw.ndim != 2 or raw.dtype not in (np.uint16, np.float32):
        raise DepthError(
            "a compressed depth picture is not 16-bit with one channel",
            (raw.dtype.name, raw.shape),
            "JPEG cannot hold depth: record the compressedDepth or the raw topic.",
        )
    return raw


def _decode(data: object, flags: int) -> Pixels:
    encoded = np.frombuffer(_bytes(data), np.uint8)
    try:
        decoded = cv2.imdecode(encoded, flags) if encoded.size else None
    except cv2.error as error:
        raise ObservationError("a compressed picture cannot be decoded", str(error), "Skip this message.") from error
    if decoded is None:
        raise ObservationError(
            f"a compressed picture of {encoded.size} bytes cannot be decoded",
            bytes(encoded[:8]),
            "It is damaged or neither JPEG nor PNG; skip this message.",
        )
    return decoded


def image_fields(pixels: Pixels, encoding: str) -> dict[str, object]:
    """The fields of an Image message (without header) for an array in memory.

    Args:
        pixels: (H, W) or (H, W, C) array whose dtype and channels are those of the encoding.
        encoding: e.g. "rgb8", "mono8", "16UC1", "32FC1".

    Returns:
        height, width, encoding, is_bigendian, step and data: a (N,) uint8 view, or a copy where the array is not
        contiguous.
    """
    layout = _LAYOUTS.get(encoding)
    channels = 1 if pixels.ndim == 2 else pixels.shape[-1]
    if layout is None or pixels.ndim not in (2, 3) or channels != layout.channels:
        raise ObservationError(
            f"an array does not fit the encoding {encoding!r}",
            (pixels.dtype.name, pixels.shape),
            f"Known are {', '.join(sorted(_LAYOUTS))}.",
        )
    if pixels.dtype != layout.dtype:
        raise ObservationError(
            f"encoding {encoding!r} holds {layout.dtype.name}", pixels.dtype.name, "Convert the array first."
        )
    contiguous = np.ascontiguousarray(pixels, layout.dtype.newbyteorder("<"))
    return {
        "height": pixels.shape[0],
        "width": pixels.shape[1],
        "encoding": encoding,
        "is_bigendian": 0,
        "step": pixels.shape[1] * channels * layout.dtype.itemsize,
        "data": contiguous.reshape(-1).view(np.uint8),
    }
