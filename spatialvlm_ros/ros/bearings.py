"""What frames and an IMU tell of a camera at the time of a picture. What is named and not there is said.

No rclpy in here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.bags.gravity import NOT_AT_REST, read_imu
from spatialvlm_ros.errors import TransformError
from spatialvlm_ros.geometry.named_frames import MissingFrame, named_frame
from spatialvlm_ros.geometry.transforms import Transform
from spatialvlm_ros.ros.imu_memory import REACH_NS, ImuMemory
from spatialvlm_ros.ros.parameters import Settings
from spatialvlm_ros.ros.transform_store import TransformStore

Float = NDArray[np.float64]


@dataclass
class Bearing:
    """How a camera is placed; None where that is not known.

    Attributes:
        up: (3,) unit vector against gravity in the optical frame.
        height: metres over z = 0 of the support frame.
        gripper: (3,) tool centre point in the optical frame, metres.
        fixed_frame, camera_pose: a frame that stands still, "" for none; takes points of the optical frame into it.
        faults: name of a parameter -> why there is nothing of it. ``imu_not_at_rest`` is none, and counted too.
    """

    up: Float | None = None
    height: float | None = None
    gripper: Float | None = None
    fixed_frame: str = ""
    camera_pose: Transform | None = None
    faults: dict[str, str] = field(default_factory=dict)


class Bearings:
    """Asks frames and the IMU of one camera.

    Args:
        settings: of the node.
        transforms: what is known of the frames.

    Attributes:
        imu: is given its messages.
    """

    def __init__(self, settings: Settings, transforms: TransformStore) -> None:
        self._settings, self._transforms = settings, transforms
        self.imu = ImuMemory()
        support = settings.support_frame
        self._levels = tuple(dict.fromkeys(f for f in (support, *settings.level_frames) if f))
        # A support plane may drive along with the robot (base_footprint): it stands still only where nothing else does.
        self._fixed = tuple(dict.fromkeys(f for f in (*settings.level_frames, support) if f))
        self._stood: dict[str, str] = {}  # optical frame -> the level frame that its last pose was in

    def of(self, frame: str, stamp_ns: int) -> Bearing:
        """Of the camera with this optical frame, when it took a picture."""
        found = Bearing()
        if self._settings.use_imu:
            found.up = self._up_by_imu(frame, stamp_ns, found.faults)
        over_support = self._named("support_frame", frame, stamp_ns, found.faults)
        if over_support is not None:
            found.height = float(over_support.inverse().translation[2])
        tool = self._named("gripper_frame", frame, stamp_ns, found.faults)
        if tool is not None:
            found.gripper = tool.translation.copy()
        if self._settings.use_tf:
            if found.up is None:
                found.up = self._transforms.up(frame, stamp_ns, self._levels)
            found.fixed_frame, found.camera_pose = self._pose(frame, stamp_ns)
        return found

    def _named(self, parameter: str, frame: str, stamp_ns: int, faults: dict[str, str]) -> Transform | None:
        """The frame that a parameter names, in the optical frame."""
        name = getattr(self._settings, parameter)
        if not name:
            return None
        found = named_frame(name, self._settings.use_tf, lambda n: self._transforms.lookup(frame, n, stamp_ns))
        if isinstance(found, MissingFrame):
            faults[parameter] = found.why
            return None
        return found

    def _up_by_imu(self, frame: str, stamp_ns: int, faults: dict[str, str]) -> Float | None:
        message, seconds = self.imu.near(stamp_ns)
        if message is None:
            faults["imu"] = "no message of the IMU has come: is imu remapped?"
            return None
        if seconds * 1e9 > REACH_NS:
            faults["imu"] = f"the nearest message of the IMU is {seconds:.1f} s away from the picture"
            return None
        imu_frame = message.header.frame_id.lstrip("/")
        try:
            turn = np.eye(3) if imu_frame == frame else self._transforms.lookup(frame, imu_frame, stamp_ns).rotation
        except TransformError as error:
            faults["imu"] = str(error)
            return None
        reading = read_imu(message)
        if reading.up is None:
            faults["imu_not_at_rest" if reading.fault == NOT_AT_REST else "imu"] = reading.fault
            return None
        up: Float = turn @ reading.up
        return up

    def _pose(self, frame: str, stamp_ns: int) -> tuple[str, Transform | None]:
        """In the first frame that stands still; where there is none, in the one that an arm is bolted to: the root.

        A level frame is kept as long as it is linked: map and odom move against each other, and what remembers places
        would have to begin anew whenever the localisation is late.
        """
        for fixed in dict.fromkeys((self._stood.get(frame, ""), *self._fixed, self._root(frame))):
            if not fixed:
                continue
            try:
                pose = self._transforms.lookup(fixed, frame, stamp_ns)
            except TransformError:
                continue
            if fixed in self._settings.level_frames:
                self._stood[frame] = fixed
            return fixed, pose
        return "", None

    def _root(self, frame: str) -> str:
        """Of the tree of a camera's frame; "" where nothing is above it."""
        try:
            root = self._transforms.root(frame)
        except TransformError:  # a loop
            return ""
        return "" if root == frame.lstrip("/") else root
