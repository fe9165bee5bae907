"""Pictures of a video by their time, also of a damaged one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import SourceError
from spatialvlm_ros.optional import require

EXTRA = "recordings"
_AGAIN = "It is missing, cut off or damaged: fetch it again."
Picture = NDArray[np.uint8]


def pictures_at(path: Path, seconds: Sequence[float], tolerance: float) -> Iterator[Picture | None]:
    """The picture of a video that is shown at each time.

    PyAV decodes, because data sets come as AV1, which the decoder in OpenCV's wheels cannot.

    Args:
        path: of the video.
        seconds: rising, counted from its beginning.
        tolerance: a picture may be so many seconds off.

    Yields:
        (H, W, 3) uint8 RGB for each time; None where the video is damaged or has no picture within the tolerance.

    Raises:
        SourceError: the file is missing or no video.
        MissingDependencyError: PyAV is not installed.
    """
    if not seconds:
        return
    decoded = _decoded(path, seconds[0] - tolerance)
    current: tuple[float, Any] | None = next(decoded, None)
    following = next(decoded, None)
    for wanted in seconds:
        # The nearest one: go on while the following picture is at least as near.
        while current is not None and following is not None:
            if abs(following[0] - wanted) > abs(current[0] - wanted):
                break
            current, following = following, next(decoded, None)
        found = current is not None and abs(current[0] - wanted) <= tolerance
        yield current[1].to_ndarray(format="rgb24") if found and current is not None else None


def packets_between(path: Path, start: float, end: float) -> Iterator[bytes]:
    """The pictures of a part of a video as they are stored, not decoded; up to where it cannot be read further.

    Args:
        path: of the video.
        start, end: seconds, counted from its beginning.

    Raises:
        SourceError: the file is missing or no video.
        MissingDependencyError: PyAV is not installed.
    """
    av = require("av", EXTRA)
    with _opened(av, path) as container:
        stream = container.streams.video[0]
        _seek(av, container, stream, start, path)
        try:
            for packet in container.demux(stream):
                if packet.pts is not None and start <= float(packet.pts * stream.time_base) <= end:
                    yield bytes(packet)
                if packet.dts is not None and float(packet.dts * stream.time_base) > end:
                    return
        except av.FFmpegError:
            return


def _decoded(path: Path, start: float) -> Iterator[tuple[float, Any]]:
    """(time, picture) from the last key frame before ``start`` on; ends where the video cannot be read further.

    Decoders hide damage: they fill in what is missing. What they mark as such is left out, and so is all that is
    predicted from it, up to the next key frame. (HEVC decoders do not notice damage within a picture.)
    """
    av = require("av", EXTRA)
    with _opened(av, path) as container:
        stream = container.streams.video[0]
        stream.codec_context.options = {"strict": "1"}  # without it AV1 decoders accept damaged pictures
        _seek(av, container, stream, start, path)
        usable = True
        for decoded in _packets(av, container, stream):
            if decoded is None:
                usable = False
                continue
            for picture in decoded:
                usable = not picture.is_corrupt and (usable or picture.key_frame)
                if usable and picture.pts is not None:
                    yield float(picture.pts * stream.time_base), picture


def _packets(av: Any, container: Any, stream: Any) -> Iterator[list[Any] | None]:
    """The pictures of one packet after the other; None for a damaged one."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.FFmpegError):
            return
        try:
            yield packet.decode()
        except av.FFmpegError:
            yield None


def _seek(av: Any, container: Any, stream: Any, start: float, path: Path) -> None:
    """Go to the last key frame before ``start``."""
    if start <= 0:
        return
    try:
        container.seek(int(start / stream.time_base), stream=stream, backward=True, any_frame=False)
    except (av.FFmpegError, OSError, OverflowError, ValueError) as error:
        raise SourceError(f"the video {path} cannot be read from {start:.3f} s on", str(error), _AGAIN) from error


def _opened(av: Any, path: Path) -> Any:
    try:
        container = av.open(str(path))
    except (av.FFmpegError, OSError, ValueError) as error:
        raise SourceError(f"the video {path} cannot be opened", str(error), _AGAIN) from error
    videos = container.streams.video
    if not videos or videos[0].codec_context is None or not videos[0].time_base:
        container.close()
        raise SourceError("a video file has no video of a known codec", str(path), _AGAIN)
    return container
