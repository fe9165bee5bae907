"""ROS recordings (MCAP, rosbag2 folders, ROS 1 bags): one episode, the colour pictures by their stamps."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from spatialvlm_ros.bags import messages as types
from spatialvlm_ros.bags.reader import open_bag
from spatialvlm_ros.datasets.sources import captures as faults
from spatialvlm_ros.datasets.sources.bag_index import BagTopics, discover_topics
from spatialvlm_ros.datasets.views import SkippedView
from spatialvlm_ros.errors import ConfigError, ObservationError, SourceError
from spatialvlm_ros.models.estimate import Reason
from spatialvlm_ros.perception.capture import Capture
from spatialvlm_ros.rewards.recordings.bag_pictures import SequentialPictures
from spatialvlm_ros.rewards.recordings.beliefs import Beliefs
from spatialvlm_ros.rewards.recordings.cameras import Reading, unused
from spatialvlm_ros.rewards.recordings.episode import EpisodeInfo, Frame

FORMAT = "mcap"
SUFFIXES = (".mcap", ".db3", ".bag")

# Why a picture of a recording is unusable -> the reason of its reward.
_REASONS = {
    faults.NO_CAMERA: Reason.NO_CAMERA_INFO,
    faults.WRONG_CAMERA_SIZE: Reason.NO_CAMERA_INFO,
    faults.DEPTH_NOT_REGISTERED: Reason.DEPTH_NOT_REGISTERED,
    faults.UNREADABLE_DEPTH: Reason.NO_DEPTH,
    faults.NO_DEPTH: Reason.NO_DEPTH,
}
_CAMERA_FAULTS = (faults.NO_CAMERA, faults.WRONG_CAMERA_SIZE)
_PROBED = 20  # pictures that are tried for a camera model


class BagRecording:
    """A ROS recording (`Recording`), also one that was cut off. Depth, /tf and the IMU are used where they are there
    and believed.

    Args:
        path: rosbag2 folder, .mcap, .db3 or ROS 1 .bag.
        reading: which colour topic, e.g. "/camera/color/image_raw"; its camera, where the recording has no CameraInfo;
            the frames of the gripper and of the support, where /tf has them; what of the rest is believed.

    Raises:
        SourceError: no recording, unreadable, or which topic is meant is not clear.
        CameraModelError: nothing says what the camera is.
        ConfigError: /tf does not have a frame, and the reading is strict.
    """

    format = FORMAT

    def __init__(self, path: Path, reading: Reading) -> None:
        self.path = path
        topics = open_bag(path).topics
        self.topics_recorded = tuple(topics)
        self.cameras = _pictures(topics)
        self.topics = _believed(_topics(topics, reading, path), reading.beliefs)
        self.camera_name = self.topics.color
        self.intrinsics = reading.intrinsics
        self._gripper_frame = reading.gripper_frame if reading.beliefs.use_tf else None
        pictures = _captures_of(path, self.topics, reading)
        self.notes = tuple(_notes(pictures, reading))
        self._captures = self._usable(pictures)

    def _usable(self, captures: SequentialPictures) -> SequentialPictures:
        """The same without the recorded camera (and the depth that rests on it) where that one cannot be used."""
        for index in range(min(len(captures), _PROBED)):
            capture = captures.capture(index)
            if isinstance(capture, Capture):
                self.intrinsics.camera(capture.width, capture.height, capture.camera)  # complains before the work
                return captures
            if capture.reason in _CAMERA_FAULTS:
                topics = replace(self.topics, color_info=None, depth=None, depth_info=None)
                return self._usable(replace(captures, topics=topics))
        return captures

    def episodes(self) -> Sequence[EpisodeInfo]:
        """The whole recording is one episode."""
        pictures = len(self._captures)
        return [EpisodeInfo(0, self.path.stem, pictures, max(pictures - 1, 0))]

    @property
    def problems(self) -> dict[str, int]:
        """What could not be read, by reason."""
        return self._captures.problems

    def frames(self, episode: EpisodeInfo, start: int = 0) -> Iterator[Frame]:
        """The pictures from number ``start`` on; see `Recording`."""
        for index in range(start, episode.frames):
            yield self._frame(index, self._captures.capture(index))

    def _frame(self, index: int, capture: Capture | SkippedView) -> Frame:
        if isinstance(capture, SkippedView):
            reason = _REASONS.get(capture.reason, Reason.MODEL_ERROR)
            return Frame(index, int(capture.view_id), None, None, reason, f"{capture.reason}.")
        camera = self.intrinsics.camera(capture.width, capture.height, capture.camera)
        try:
            observation = replace(capture, camera=camera).observation()
        except ObservationError as error:
            return Frame(index, capture.stamp_ns, None, None, Reason.MODEL_ERROR, str(error))
        return Frame(
            index,
            capture.stamp_ns,
            observation,
            self._captures.place_of(self._gripper_frame, index),
            camera_pose=self._captures.camera_path.pose(index),
            placed=self._captures.camera_path.placed(index),
        )

    def fingerprint(self) -> str:
        """Of the names and sizes of the files, and the times of the pictures."""
        files = sorted(p for p in self.path.rglob("*") if p.is_file()) if self.path.is_dir() else [self.path]
        listed = [(p.name, p.stat().st_size) for p in files]
        return hashlib.sha256(f"{listed} {self._captures.times()}".encode()).hexdigest()

    def episode_fingerprint(self, episode: EpisodeInfo) -> str:
        """That of the recording, which is one episode."""
        return self.fingerprint()


def is_bag(path: Path) -> bool:
    """Whether this is a file or folder of ROS recordings."""
    return path.suffix in SUFFIXES or (path.is_dir() and any(any(path.glob(f"*{end}")) for end in SUFFIXES[:2]))


def _pictures(topics: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(sorted(name for name, kind in topics.items() if kind in (types.IMAGE, types.COMPRESSED_IMAGE)))


def _captures_of(path: Path, topics: BagTopics, reading: Reading) -> SequentialPictures:
    """The pictures with what is believed of the rest."""
    beliefs, support = reading.beliefs, reading.support_frame
    level = beliefs.level_frames if support is None else (support, *beliefs.level_frames)
    return SequentialPictures(
        path,
        topics,
        max_time_difference=beliefs.slop_s,
        need_depth=False,
        level_frames=level if beliefs.use_tf else (),
        ground_frame=support if beliefs.use_tf else None,
        use_tf=beliefs.use_tf,
        imu_first=beliefs.imu_first,
    )


def _notes(pictures: SequentialPictures, reading: Reading) -> Iterator[str]:
    """One sentence for each frame that is named, and of which /tf tells nothing.

    Raises:
        ConfigError: there is no such frame, and the reading is strict.
    """
    for what, frame in reading.frames().items():
        if not reading.beliefs.use_tf:
            yield unused(what, frame, "use_tf is false")
        elif frame.lstrip("/") not in (known := pictures.frames_known()):
            if reading.strict:
                raise ConfigError(f"/tf of {pictures.path} has no frame", frame, f"It has {known}.")
            yield unused(what, frame, "/tf of the recording does not have it")
        elif not pictures.is_linked(frame):
            yield unused(what, frame, "/tf links it to the camera in no picture")


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
    return "rect" in topic.lower() if beliefs.rectified is None else beliefs.rectified


def _topics(topics: Mapping[str, str], reading: Reading, path: Path) -> BagTopics:
    """The topics of the camera that is named, or of the only one."""
    camera_name = reading.camera_name
    if camera_name is None:
        try:
            return discover_topics(topics, reading.beliefs.use_depth)
        except SourceError as error:
            raise SourceError(error.fault, error.value, "Name the topic of the pictures with --view.") from error
    if camera_name not in _pictures(topics):
        raise SourceError(f"{path} has no pictures on {camera_name}", list(_pictures(topics)), "Name one of these.")
    depth = _depth_beside(camera_name, topics)
    infos = sorted(name for name, kind in topics.items() if kind == types.CAMERA_INFO)
    imus = sorted(name for name, kind in topics.items() if kind == types.IMU)
    depth_info = None if depth is None else _info_beside(depth, infos)
    return BagTopics(camera_name, depth, _info_beside(camera_name, infos), depth_info, imus[0] if imus else None)


def _depth_beside(color: str, topics: Mapping[str, str]) -> str | None:
    """The depth topic in the namespace of the colour topic; None where it is not clear which one."""
    names = _pictures(topics)
    same_camera = [n for n in names if "depth" in n and n.split("/")[1] == color.split("/")[1] and n != color]
    raw = [name for name in same_camera if name.rsplit("/", 1)[0] not in names]  # without compressed twins
    aligned = [name for name in raw if "aligned" in name or "registered" in name]
    candidates = aligned or raw
    return candidates[0] if len(candidates) == 1 else None


def _info_beside(topic: str, infos: Sequence[str]) -> str | None:
    """The CameraInfo in the nearest namespace, which is where drivers publish it."""
    namespace = topic
    while "/" in namespace:
        namespace = namespace.rsplit("/", 1)[0]
        if f"{namespace}/camera_info" in infos:
            return f"{namespace}/camera_info"
    return None
