"""What is where in a recording: one pass over it, so that each picture can be fetched by its number later."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from spatialvlm_ros.bags import messages as types
from spatialvlm_ros.bags.camera_info import camera_from_info, named_rectified
from spatialvlm_ros.bags.reader import BagMessage, BagReader
from spatialvlm_ros.datasets.sources.imu_track import ImuTrack
from spatialvlm_ros.datasets.sources.stamps import nearest_pairs
from spatialvlm_ros.errors import SourceError, TransformError
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.geometry.transforms import TransformBuffer

_PICTURES = (types.IMAGE, types.COMPRESSED_IMAGE)
_TF_TOPICS = ("/tf", "/tf_static")
SAME_STAMP = "picture with the stamp of another one"
_FOREVER_NS = 1 << 62
_DEPTH_WORDS = re.compile(r"depth|disparity", re.IGNORECASE)
_OTHER_WORDS = re.compile(r"infra|mask|label|debug|overlay|annotated|theora|ffmpeg|fisheye|right", re.IGNORECASE)


@dataclass(frozen=True)
class BagTopics:
    """Names of topics.

    Attributes:
        color, depth: Image or CompressedImage; depth is None for a recording without.
        color_info, depth_info: CameraInfo; None if there is none.
        imu: sensor_msgs/Imu, None to use /tf only.
        rectified: the colour pictures are rectified (P of the info holds); None: as their topic is named.
        depth_rectified: likewise the depth.
    """

    color: str
    depth: str | None = None
    color_info: str | None = None
    depth_info: str | None = None
    imu: str | None = None
    rectified: bool | None = None
    depth_rectified: bool | None = None


@dataclass(frozen=True)
class PictureStamp:
    """Where a picture message is: time of recording, stamp of its header, frame."""

    log_ns: int
    stamp_ns: int
    frame_id: str


@dataclass(frozen=True)
class BagFrame:
    """One colour picture with its depth, if there is one."""

    log_ns: int
    stamp_ns: int
    frame_id: str
    depth: PictureStamp | None = None


@dataclass
class BagIndex:
    """The content of a recording.

    Attributes:
        topics: that were read.
        frames: by stamp.
        infos: topic -> its first CameraInfo.
        transforms: all of /tf and /tf_static.
        imu: the vertical by the IMU.
        problems: what could not be read, by reason.
    """

    topics: BagTopics
    frames: list[BagFrame] = field(default_factory=list)
    infos: dict[str, Any] = field(default_factory=dict)
    transforms: TransformBuffer = field(default_factory=lambda: TransformBuffer(keep_ns=_FOREVER_NS))
    imu: ImuTrack = field(default_factory=ImuTrack)
    problems: Counter[str] = field(default_factory=Counter)

    def camera(self, info_topic: str | None, picture_topic: str) -> Camera | None:
        """Camera of a picture topic, None without info; `CameraModelError` if it is not calibrated."""
        if info_topic is None or info_topic not in self.infos:
            return None
        topics = self.topics
        rectified = topics.rectified if picture_topic == topics.color else topics.depth_rectified
        if rectified is None:
            rectified = named_rectified(picture_topic)  # as the node takes it
        return camera_from_info(self.infos[info_topic], rectified)


def discover_topics(topics: Mapping[str, str], with_depth: bool = True) -> BagTopics:
    """The colour, depth and info topics of a recording, where they can be told by their names.

    Args:
        topics: name -> type.
        with_depth: whether depth is wanted; else there is no question which one.

    Raises:
        SourceError: there is no colour topic, or more than one; likewise more than one with depth.
    """
    return named_topics(topics, {} if with_depth else {"depth": None})


def named_topics(topics: Mapping[str, str], given: Mapping[str, Any]) -> BagTopics:
    """The topics of a recording of which somebody named some; the others as `discover_topics` finds them.

    Args:
        topics: name -> type.
        given: fields of `BagTopics`; a depth of None means that none is wanted.

    Raises:
        SourceError: as `discover_topics`, of what is not given.
        TypeError: `BagTopics` has no such field.
    """
    colour = given.get("color") or _colour_topic(topics)
    depth = given["depth"] if "depth" in given else _depth_topic(topics)
    infos = {name for name, kind in topics.items() if kind == types.CAMERA_INFO}
    imus = sorted(name for name, kind in topics.items() if kind == types.IMU)
    found = BagTopics(
        colour,
        depth,
        _info_beside(colour, infos),
        _info_beside(depth, infos) if depth else None,
        imus[0] if imus else None,
    )
    return replace(found, **{**given, "color": colour})


def _colour_topic(topics: Mapping[str, str]) -> str:
    pictures = sorted(name for name, kind in topics.items() if kind in _PICTURES)
    colour = [name for name in pictures if not _DEPTH_WORDS.search(name) and not _OTHER_WORDS.search(name)]
    colour = _without_compressed_twins(colour)
    if len(colour) != 1:
        raise SourceError(
            "which topic holds the colour pictures is not clear" if colour else "the recording has no colour pictures",
            colour or sorted(topics),
            'Name it: --set "topics={color: TOPIC}"; there are also depth, color_info and depth_info.',
        )
    return colour[0]


def _depth_topic(topics: Mapping[str, str]) -> str | None:
    pictures = sorted(name for name, kind in topics.items() if kind in _PICTURES)
    depth = _without_compressed_twins([name for name in pictures if _DEPTH_WORDS.search(name)])
    depth = [name for name in depth if "aligned" in name or "registered" in name] or depth
    if len(depth) > 1:
        raise SourceError("which topic holds the depth is not clear", depth, 'Name it: --set "topics={depth: TOPIC}".')
    return depth[0] if depth else None


def _without_compressed_twins(names: list[str]) -> list[str]:
    """Raw topics win over their own compressed versions ("x/compressed" beside "x")."""
    return [name for name in names if name.rsplit("/", 1)[0] not in names]


def _info_beside(topic: str, infos: set[str]) -> str | None:
    """camera_info in the same namespace (image_transport's rule), also for compressed topics; else the only one."""
    parts = topic.split("/")
    for length in range(len(parts) - 1, 0, -1):
        candidate = "/".join([*parts[:length], "camera_info"])
        if candidate in infos:
            return candidate
    return next(iter(infos)) if len(infos) == 1 else None


def build_index(reader: BagReader, topics: BagTopics, max_time_difference: float) -> BagIndex:
    """Read a recording once.

    Raises:
        SourceError: a topic that was asked for is not there.
    """
    named = [topics.color, topics.depth, topics.color_info, topics.depth_info, topics.imu]
    missing = sorted(name for name in named if name is not None and name not in reader.topics)
    # A recording that was cut off may end before the first message of a topic; only colour is indispensable.
    if topics.color in missing or (missing and not reader.problems):
        raise SourceError(f"the recording has no topic {missing}", sorted(reader.topics), "Check the names.")
    index = BagIndex(topics)
    colour: list[PictureStamp] = []
    depth: list[PictureStamp] = []
    for item in reader.messages({name for name in named if name} | set(_TF_TOPICS)):
        if item.topic in (topics.color, topics.depth):
            message = item.message
            entry = PictureStamp(item.log_ns, time_of(item), message.header.frame_id)
            (colour if item.topic == topics.color else depth).append(entry)
        elif item.topic in (topics.color_info, topics.depth_info):
            index.infos.setdefault(item.topic, item.message)
        elif item.topic == topics.imu:
            index.imu.add(time_of(item), item.message)
        else:
            _add_transforms(index, item, static=item.topic == "/tf_static")
    index.frames = _frames(colour, depth, max_time_difference)
    index.problems = Counter(reader.problems) + index.problems
    if len(index.frames) < len(colour):
        index.problems[SAME_STAMP] = len(colour) - len(index.frames)
    return index


def time_of(item: BagMessage) -> int:
    """The stamp of a message with a header, nanoseconds; the time of recording where it was never stamped."""
    return types.stamp_ns(item.message) or item.log_ns


def _add_transforms(index: BagIndex, item: BagMessage, static: bool) -> None:
    for link in item.message.transforms:
        r, t = link.transform.rotation, link.transform.translation
        time = types.stamp_ns(link) or item.log_ns
        try:
            index.transforms.set(
                link.header.frame_id, link.child_frame_id, time, (r.x, r.y, r.z, r.w), (t.x, t.y, t.z), static
            )
        except TransformError:
            index.problems["invalid transform"] += 1


def _frames(colour: list[PictureStamp], depth: list[PictureStamp], tolerance: float) -> list[BagFrame]:
    """Colour pictures by stamp, each with the depth nearest in time; a stamp that comes twice is used once."""
    colour = sorted(colour, key=lambda entry: (entry.stamp_ns, entry.log_ns))
    partners = nearest_pairs(
        np.array([c.stamp_ns for c in colour], dtype=np.int64),
        np.array([d.stamp_ns for d in depth], dtype=np.int64),
        tolerance * types.NANOSECONDS,
    )
    frames: list[BagFrame] = []
    for entry, partner in zip(colour, partners, strict=True):
        if frames and frames[-1].stamp_ns == entry.stamp_ns:
            continue
        frames.append(
            BagFrame(entry.log_ns, entry.stamp_ns, entry.frame_id, None if partner is None else depth[partner])
        )
    return frames
