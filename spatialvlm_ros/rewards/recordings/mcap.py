"""ROS recordings (MCAP, rosbag2 folders, ROS 1 bags): one episode, the colour pictures by their stamps."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from spatialvlm_ros.bags.reader import open_bag
from spatialvlm_ros.datasets.sources import captures as faults
from spatialvlm_ros.datasets.sources.bag import LostDepth
from spatialvlm_ros.datasets.sources.bag_index import BagTopics
from spatialvlm_ros.datasets.views import SkippedView
from spatialvlm_ros.errors import CameraModelError, ConfigError, ObservationError
from spatialvlm_ros.geometry.named_frames import MissingFrame
from spatialvlm_ros.models.estimate import Reason
from spatialvlm_ros.perception.capture import Capture
from spatialvlm_ros.rewards.recordings.bag_pictures import SequentialPictures
from spatialvlm_ros.rewards.recordings.bag_topics import picture_topics, topics_to_read
from spatialvlm_ros.rewards.recordings.cameras import Reading, partly_unused, unused
from spatialvlm_ros.rewards.recordings.episode import EpisodeInfo, Frame

FORMAT = "mcap"
SUFFIXES = (".mcap", ".db3", ".bag")

# Why a picture of a recording is unusable -> the reason of its reward.
_REASONS = {
    faults.NO_CAMERA: Reason.NO_CAMERA_INFO,
    faults.WRONG_CAMERA_SIZE: Reason.NO_CAMERA_INFO,
}
# Why depth is lost -> what the node calls it in its answers (ros.observations).
_LIVE_FAULTS = {
    faults.DEPTH_NOT_REGISTERED: Reason.DEPTH_NOT_REGISTERED.value,
    faults.UNREADABLE_DEPTH: "depth_unreadable",
}
_CAMERA_FAULTS = (faults.NO_CAMERA, faults.WRONG_CAMERA_SIZE)
_PROBED = 20  # pictures that are tried for a camera model


class BagRecording:
    """A ROS recording (`Recording`), also one that was cut off. Depth, /tf and the IMU are used where they are there
    and believed. Depth of a picture that cannot be read or registered is left out, as in the node.

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
        self.cameras = picture_topics(topics)
        read = topics_to_read(topics, reading, path)
        self.topics = read.topics
        self.camera_name = self.topics.color
        self.intrinsics = reading.intrinsics
        self._gripper_frame = reading.gripper_frame
        pictures = _captures_of(path, self.topics, reading)
        self.notes = (*read.notes, *_notes(pictures, reading))
        self._captures = self._usable(pictures)

    def _usable(self, captures: SequentialPictures) -> SequentialPictures:
        """The same without the recorded camera (and the depth that rests on it) where that one cannot be used."""
        for index in range(min(len(captures), _PROBED)):
            capture, _ = captures.look(index)
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
            yield self._frame(index, *self._captures.look(index))

    def _frame(self, index: int, capture: Capture | SkippedView, lost: LostDepth | None) -> Frame:
        if isinstance(capture, SkippedView):
            reason = _REASONS.get(capture.reason, Reason.MODEL_ERROR)
            return Frame(index, int(capture.view_id), None, None, reason, f"{capture.reason}.")
        try:
            camera = self.intrinsics.camera(capture.width, capture.height, capture.camera)
        except CameraModelError as error:  # a picture of another size among others
            return Frame(index, capture.stamp_ns, None, None, Reason.NO_CAMERA_INFO, str(error))
        try:
            observation = replace(capture, camera=camera).observation()
        except ObservationError as error:
            return Frame(index, capture.stamp_ns, None, None, Reason.MODEL_ERROR, str(error))
        missing = {} if lost is None else {_LIVE_FAULTS[lost.reason]: lost.detail}
        gripper = None if self._gripper_frame is None else self._captures.place_of(self._gripper_frame, index)
        if isinstance(gripper, MissingFrame):
            missing["gripper_frame"], gripper = gripper.why, None
        return Frame(
            index,
            capture.stamp_ns,
            observation,
            gripper,
            camera_pose=self._captures.camera_path.pose(index),
            placed=self._captures.camera_path.placed(index),
            faults=missing,
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


def _captures_of(path: Path, topics: BagTopics, reading: Reading) -> SequentialPictures:
    """The pictures with what is believed of the rest."""
    beliefs, support = reading.beliefs, reading.support_frame
    level = beliefs.level_frames if support is None else (support, *beliefs.level_frames)
    return SequentialPictures(
        path,
        topics,
        max_time_difference=beliefs.slop_s,
        level_frames=level if beliefs.use_tf else (),
        ground_frame=support if beliefs.use_tf else None,
        use_tf=beliefs.use_tf,
        imu_first=beliefs.imu_first,
    )


def _notes(pictures: SequentialPictures, reading: Reading) -> Iterator[str]:
    """One sentence for each frame that is named, and that /tf does not link to the camera in all pictures.

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
        elif (missing := pictures.without(frame)) == len(pictures):
            yield unused(what, frame, "/tf links it to the camera in no picture")
        elif missing:
            yield partly_unused(what, frame, missing, len(pictures))
