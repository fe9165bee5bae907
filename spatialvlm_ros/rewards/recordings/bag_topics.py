"""Which topics of a ROS recording are read: those of the node that it is read for, or what names and types tell.

A recording that has the pictures of a node is of its robot: then each input is what the node subscribes to, and what it
would not have got live is not there. Only CameraInfo of the pictures is looked for beside them, as nothing can be
measured without. In a recording without the node's pictures these are found by name, and so is everything else of which
it has no topic of the node.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from spatialvlm_ros.bags import messages as types
from spatialvlm_ros.bags.camera_info import named_rectified
from spatialvlm_ros.datasets.sources.bag_index import BagTopics, discover_topics
from spatialvlm_ros.errors import SourceError
from spatialvlm_ros.rewards.recordings.beliefs import Beliefs, LiveTopics
from spatialvlm_ros.rewards.recordings.cameras import Reading

# Endings that image_transport gives to a topic of pictures.
_COMPRESSED, _COMPRESSED_DEPTH = "/compressed", "/compressedDepth"
_PASSED_OVER = "The {} on {} is not used: the node subscribes to {}, which was not recorded."


def picture_topics(topics: Mapping[str, str]) -> tuple[str, ...]:
    """The topics with pictures of any kind, of name -> type."""
    return tuple(sorted(name for name, kind in topics.items() if kind in (types.IMAGE, types.COMPRESSED_IMAGE)))


@dataclass(frozen=True)
class ReadTopics:
    """What is read of a recording.

    Attributes:
        topics: what is read.
        notes: one sentence for each topic that has a likely name and is not what the node subscribes to.
    """

    topics: BagTopics
    notes: tuple[str, ...] = ()


def topics_to_read(topics: Mapping[str, str], reading: Reading, path: Path) -> ReadTopics:
    """Choose what is read of a recording.

    Args:
        topics: of the recording, name -> type.
        reading: which pictures, what is believed, and the topics of the node that it is read for.
        path: of the recording, for people.

    Raises:
        SourceError: which topic is meant is not clear.
    """
    called = reading.beliefs.topics or LiveTopics()
    live = _Recorded.of(called, topics)
    color = reading.camera_name or live.image
    with_depth = reading.beliefs.use_depth and live.depth is None
    likely = _believed(_by_names(topics, color, with_depth, live.depth, path), reading.beliefs)
    of_its_robot = color is not None and color == live.image
    chosen = _believed(_as_live(likely, live, of_its_robot, _camera_infos(topics)), reading.beliefs)
    notes = []
    if likely.depth and not chosen.depth:
        notes.append(_PASSED_OVER.format("depth", likely.depth, called.depth))
    if likely.imu and not chosen.imu:
        notes.append(_PASSED_OVER.format("IMU", likely.imu, called.imu))
    return ReadTopics(chosen, tuple(notes))


@dataclass(frozen=True)
class _Recorded:
    """The topics of a node: what they are called live, and which of them a recording has, in whatever transport."""

    called: LiveTopics
    image: str | None
    camera_info: str | None
    depth: str | None
    depth_camera_info: str | None
    imu: str | None

    @staticmethod
    def of(live: LiveTopics, topics: Mapping[str, str]) -> _Recorded:
        def of_type(name: str, kind: str) -> str | None:
            return name if topics.get(name) == kind else None

        return _Recorded(
            live,
            _transported(live.image, topics, (_COMPRESSED,)),
            of_type(live.camera_info, types.CAMERA_INFO),
            _transported(live.depth, topics, (_COMPRESSED_DEPTH, _COMPRESSED)),
            of_type(live.depth_camera_info, types.CAMERA_INFO),
            of_type(live.imu, types.IMU),
        )


def _transported(topic: str, topics: Mapping[str, str], endings: Sequence[str]) -> str | None:
    """A topic of pictures as it was recorded: like the node's, else raw, else compressed; None where it was not."""
    if not topic:
        return None
    raw = next((topic.removesuffix(end) for end in endings if topic.endswith(end)), topic)
    pictures = picture_topics(topics)
    return next((name for name in (topic, raw, *(raw + end for end in endings)) if name in pictures), None)


def _as_live(likely: BagTopics, live: _Recorded, of_its_robot: bool, infos: Sequence[str]) -> BagTopics:
    """What is likely, with the topics of the node in its place.

    Args:
        likely: by names and types.
        live: the topics of the node.
        of_its_robot: whether the recording has its pictures: then what it does not have is not replaced.
        infos: all topics with CameraInfo.
    """
    called, changed = live.called, likely
    if live.depth is not None:
        info = live.depth_camera_info if called.depth_camera_info else _info_beside(live.depth, infos)
        changed = replace(changed, depth=live.depth, depth_info=info)
    elif of_its_robot and called.depth:
        changed = replace(changed, depth=None, depth_info=None)
    if live.imu is not None or (of_its_robot and called.imu):
        changed = replace(changed, imu=live.imu)
    if of_its_robot and live.camera_info is not None:
        changed = replace(changed, color_info=live.camera_info)
    return changed


def _by_names(
    topics: Mapping[str, str], color: str | None, with_depth: bool, known_depth: str | None, path: Path
) -> BagTopics:
    """What names and types tell of the camera with these pictures, or of the only one.

    Args:
        topics: name -> type.
        color: topic of the pictures.
        with_depth: whether it is to be found.
        known_depth: a topic with depth, whatever its name looks like.
        path: of the recording, for people.
    """
    if color is None:
        try:
            return discover_topics({n: kind for n, kind in topics.items() if n != known_depth}, with_depth)
        except SourceError as error:
            raise SourceError(error.fault, error.value, "Name the topic of the pictures with --view.") from error
    if color not in picture_topics(topics):
        raise SourceError(f"{path} has no pictures on {color}", list(picture_topics(topics)), "Name one of these.")
    depth, infos = _depth_beside(color, topics), _camera_infos(topics)
    imus = sorted(name for name, kind in topics.items() if kind == types.IMU)
    depth_info = None if depth is None else _info_beside(depth, infos)
    return BagTopics(color, depth, _info_beside(color, infos), depth_info, imus[0] if imus else None)


def _depth_beside(color: str, topics: Mapping[str, str]) -> str | None:
    """The depth topic in the namespace of the colour topic; None where it is not clear which one."""
    names = picture_topics(topics)
    same_camera = [n for n in names if "depth" in n and n.split("/")[1] == color.split("/")[1] and n != color]
    raw = [name for name in same_camera if name.rsplit("/", 1)[0] not in names]  # without compressed twins
    aligned = [name for name in raw if "aligned" in name or "registered" in name]
    candidates = aligned or raw
    return candidates[0] if len(candidates) == 1 else None


def _camera_infos(topics: Mapping[str, str]) -> list[str]:
    return sorted(name for name, kind in topics.items() if kind == types.CAMERA_INFO)


def _info_beside(topic: str, infos: Sequence[str]) -> str | None:
    """The CameraInfo in the nearest namespace, which is where drivers publish it."""
    namespace = topic
    while "/" in namespace:
        namespace = namespace.rsplit("/", 1)[0]
        if f"{namespace}/camera_info" in infos:
            return f"{namespace}/camera_info"
    return None


def _believed(topics: BagTopics, beliefs: Beliefs) -> BagTopics:
    """Without what is not believed, and with what the topics say of the lens."""
    depth = topics.depth if beliefs.use_depth else None
    return replace(
        topics,
        depth=depth,
        depth_info=topics.depth_info if beliefs.use_depth else None,
        imu=topics.imu if beliefs.use_imu else None,
        rectified=_is_rectified(topics.color, beliefs),
        depth_rectified=None if depth is None else _is_rectified(depth, beliefs),
    )


def _is_rectified(topic: str, beliefs: Beliefs) -> bool:
    """As the node takes it: the transport is a part of the name ("image_rect/compressed")."""
    return named_rectified(topic) if beliefs.rectified is None else beliefs.rectified
