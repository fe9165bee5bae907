"""How a recording is read: which of its cameras is meant, what is known of it, and what of the rest is believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from spatialvlm_ros.errors import SourceError
from spatialvlm_ros.geometry.named_frames import not_linked
from spatialvlm_ros.models.estimate import Reason
from spatialvlm_ros.rewards.recordings.beliefs import Beliefs
from spatialvlm_ros.rewards.recordings.intrinsics import Intrinsics

_NO_FRAMES = "the recording has no frames"
_REFUSED = f"Where it is not known where the gripper is, answers about it are refused ({Reason.NO_FRAME})."


@dataclass(frozen=True)
class Reading:
    """How a recording is read.

    Attributes:
        camera_name: topic, feature or observation with the pictures; may be left out where there is one camera.
        intrinsics: where the camera model comes from.
        gripper_frame: frame at the tool centre point, for recordings with /tf.
        support_frame: frame whose z = 0 is the plane that things stand on, likewise.
        beliefs: what is believed besides the colour pictures.
        strict: whether a frame that the recording does not have is an error; else that is noted.
    """

    camera_name: str | None = None
    intrinsics: Intrinsics = field(default_factory=Intrinsics)
    gripper_frame: str | None = None
    support_frame: str | None = None
    beliefs: Beliefs = field(default_factory=Beliefs)
    strict: bool = True

    def frames(self) -> dict[str, str]:
        """The frames that are named: gripper_frame, support_frame -> name."""
        named = {"gripper_frame": self.gripper_frame, "support_frame": self.support_frame}
        return {what: frame for what, frame in named.items() if frame is not None}

    def notes_without_frames(self) -> tuple[str, ...]:
        """One sentence for each frame that is named, for a recording that has no frames."""
        return tuple(unused(*named, _NO_FRAMES) for named in self.frames().items())

    def faults_without_frames(self) -> dict[str, str]:
        """What is amiss (`Frame.faults`) in its pictures that do not tell in another way where the gripper is."""
        return {} if self.gripper_frame is None else {"gripper_frame": not_linked(self.gripper_frame, _NO_FRAMES).why}


def unused(what: str, frame: str, why: str) -> str:
    """The note about a frame that is named and of no use."""
    return f"The {what} {frame!r} is not used: {why}.{_refused(what)}"


def partly_unused(what: str, frame: str, missing: int, pictures: int) -> str:
    """The note about a frame that is named, and linked to the camera in some pictures."""
    return f"The {what} {frame!r} is not linked to the camera in {missing} of {pictures} pictures.{_refused(what)}"


def _refused(what: str) -> str:
    """A gripper that a frame should tell is not looked for by its name (`models.gaps`)."""
    return f" {_REFUSED}" if what == "gripper_frame" else ""


def chosen_camera(cameras: Sequence[str], wanted: str | None, path: Path) -> str:
    """The camera that is wanted, by its full name or its last part; the only one where none is named.

    Raises:
        SourceError: there are no pictures, the name fits none or several, or none is named and there are several.
    """
    if not cameras:
        raise SourceError(f"{path} holds no colour pictures", remedy="Rewards are measured in pictures.")
    if wanted is None:
        if len(cameras) == 1:
            return cameras[0]
        raise SourceError(f"{path} has several cameras", list(cameras), "Choose one with --view.")
    fitting = [name for name in cameras if wanted in (name, name.rsplit(".", 1)[-1])]
    if len(fitting) != 1:
        raise SourceError(f"no camera, or more than one, is called {wanted!r}", list(cameras), "Choose one of these.")
    return fitting[0]
