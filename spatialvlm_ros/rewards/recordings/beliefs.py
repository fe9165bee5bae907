"""What is believed of a recording besides its colour pictures, as the node's parameters of the same names say it."""

from __future__ import annotations

from dataclasses import dataclass, fields

from spatialvlm_ros.bags.gravity import LEVEL_FRAMES
from spatialvlm_ros.errors import ConfigError


@dataclass(frozen=True)
class LiveTopics:
    """The topics of a node's inputs, as it subscribes to them; "" where nobody says which.

    Attributes:
        image, camera_info: colour pictures and their camera.
        depth, depth_camera_info: likewise.
        imu: of the IMU.
    """

    image: str = ""
    camera_info: str = ""
    depth: str = ""
    depth_camera_info: str = ""
    imu: str = ""


@dataclass(frozen=True)
class Beliefs:
    """What is believed of a recording. A format without such things does not ask (see `registry.Format`).

    Attributes:
        use_depth: depth goes with the pictures.
        use_tf: /tf tells the vertical, the support plane, the gripper and where the camera is. Depth of another camera
            is registered, and an IMU turned, by /tf all the same, as the node does.
        use_imu: an IMU tells the vertical.
        imu_first: before /tf, as in the node; else where /tf tells none.
        level_frames: frames whose z axis points up, the first one known wins.
        slop_s: most seconds between a picture and its depth.
        rectified: whether pictures and depth are rectified (P holds, and no distortion); None: where the name of their
            topic says so.
        topics: of the node's inputs, for a recording of its robot (see `bag_topics`); None: by names and types alone.

    Raises:
        ConfigError: ``slop_s`` is no length of time.
    """

    use_depth: bool = True
    use_tf: bool = True
    use_imu: bool = True
    imu_first: bool = False
    level_frames: tuple[str, ...] = LEVEL_FRAMES
    slop_s: float = 0.03
    rectified: bool | None = None
    topics: LiveTopics | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "level_frames", tuple(self.level_frames))
        if not self.slop_s >= 0:  # nor is NaN
            raise ConfigError("slop_s is no length of time", self.slop_s, "Give seconds, 0 or more.")

    def changed(self) -> dict[str, object]:
        """What is not as it is by default: name -> value."""
        return {f.name: value for f in fields(self) if (value := getattr(self, f.name)) != f.default}
