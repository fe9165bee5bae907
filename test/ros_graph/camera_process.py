"""A camera in a process of its own: it plays a few pictures with their depth again and again, and errs as it is told.

    python test/ros_graph/camera_process.py --ros-args -r __ns:=/front -p rate_hz:=30.0 -p depth:=frame

Topics: ``image``, ``camera_info``, ``depth``, ``depth_camera_info``, and ``/clock`` with ``simulated_time``. Every
entry of `CONDITIONS` is a parameter: set it by the ordinary service, and what is published after the answer is so.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from numpy.typing import NDArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image

from spatialvlm_ros.bags.camera_info import camera_info_fields
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.geometry.registration import register_depth
from spatialvlm_ros.geometry.transforms import Transform
from spatialvlm_ros.ros.image_messages import image_message
from spatialvlm_ros.ros.qos_events import QUIET_PUBLISHER
from spatialvlm_ros.ros.running import run_until_signal

FRAME = "camera_optical"
DEPTH_FRAME = "depth_optical"
DEPTH_BEHIND_M = 0.3  # of the other depth camera, behind the colour camera
PICTURES = 4
_WIDE = np.radians(100.0)  # what the other depth camera sees from side to side
_EVERY = 10  # with stamps that are sometimes wrong
_BACK_NS = {"sometimes_old": 1_500_000_000, "sometimes_late": 300_000_000}
_SIMULATED_START_NS = 1_000_000_000_000
# Parameter -> default and, where there are some, the values it may have. The first is how a camera should be.
CONDITIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "rate_hz": (10.0, ()),
    "width": (320, ()),
    "height": (240, ()),
    "clip": ("", ()),  # .npz with the fields of `Clip`, and k (3,3) for its camera; empty: drawn here
    "paused": (False, ()),
    "best_effort": (False, ()),
    "colour": ("right", ("right", "truncated", "encoding", "step", "size")),
    "depth": ("right", ("right", "none", "truncated", "encoding", "size", "frame", "other_camera")),
    "depth_shift_s": (0.0, ()),  # of the stamps of depth against those of the pictures
    "info": ("right", ("right", "none", "zero")),
    "stamps": ("moving", ("moving", "equal", "zero", "sometimes_old", "sometimes_late")),
    "shift_s": (0.0, ()),  # of all stamps, and of /clock
    "simulated_time": (False, ()),
}


@dataclass(frozen=True)
class Clip:
    """What is played: pictures (N,H,W,3) uint8, their depth (N,H,W) uint16 millimetres, and their camera."""

    rgb: NDArray[np.uint8]
    depth: NDArray[np.uint16]
    camera: Camera

    @staticmethod
    def read(path: str) -> Clip:
        """Of an .npz file."""
        with np.load(path) as found:
            height, width = found["depth"].shape[1:]
            return Clip(found["rgb"], found["depth"], Camera.from_K(found["k"], width, height))

    @staticmethod
    def drawn(width: int, height: int) -> Clip:
        """A floor under a grey wall 2 m away, and before it a red board at 0.9 m while the light changes."""
        rows = np.linspace(2000, 1000, height)[:, None] + np.zeros(width)
        grey = np.linspace(90, 180, width)[None, :, None] + np.zeros((height, 1, 3))
        board = slice(height // 3, 2 * height // 3), slice(width // 4, width // 2)
        grey[board], rows[board] = (180, 40, 30), 900
        rgb = np.stack([grey * (0.7 + 0.1 * number) for number in range(PICTURES)])
        camera = Camera.from_hfov(width, height, np.radians(60.0))
        return Clip(rgb.astype(np.uint8), np.repeat(rows[None], PICTURES, 0).astype(np.uint16), camera)


class CameraNode(Node):
    """See the module."""

    def __init__(self) -> None:
        super().__init__("camera")
        for name, (default, _) in CONDITIONS.items():
            self.declare_parameter(name, default)
        self._is = {name: self.get_parameter(name).value for name in CONDITIONS}
        self._sent = 0
        self._stamp = 0
        self._began = time.monotonic_ns()
        self._out: dict[str, Any] = {}
        self._clock_out = self.create_publisher(Clock, "/clock", 10) if self._is["simulated_time"] else None
        self._open()
        self._load()
        self.add_on_set_parameters_callback(self._change)
        self._timer = self.create_timer(1 / self._is["rate_hz"], self._tick)

    @property
    def sent(self) -> int:
        """Pictures published so far."""
        return self._sent

    # ---- parameters ----

    def _change(self, parameters: list[Any]) -> SetParametersResult:
        for parameter in parameters:
            choices = CONDITIONS[parameter.name][1] if parameter.name in CONDITIONS else ()
            if choices and parameter.value not in choices:
                return SetParametersResult(successful=False, reason=f"{parameter.name} is one of {choices}")
        changed = {p.name: p.value for p in parameters if self._is.get(p.name) != p.value}
        self._is.update(changed)
        if "best_effort" in changed:
            self._open()
        if changed.keys() & {"width", "height", "clip"}:
            self._load()
        return SetParametersResult(successful=True)

    def _open(self) -> None:
        """Publishers; a driver that starts again with other QoS has new ones."""
        for publisher in self._out.values():
            self.destroy_publisher(publisher)
        policy = QoSReliabilityPolicy.BEST_EFFORT if self._is["best_effort"] else QoSReliabilityPolicy.RELIABLE
        kinds = {"image": Image, "camera_info": CameraInfo, "depth": Image, "depth_camera_info": CameraInfo}
        self._out = {
            name: self.create_publisher(
                kind,
                name,
                QoSProfile(depth=2, reliability=policy),
                **QUIET_PUBLISHER,
            )
            for name, kind in kinds.items()
        }

    def _load(self) -> None:
        """All messages of the clip, made once: only their stamps change."""
        clip = Clip.read(self._is["clip"]) if self._is["clip"] else Clip.drawn(self._is["width"], self._is["height"])
        self._info = CameraInfo(**_plain(camera_info_fields(clip.camera)))
        self._colour = [image_message(picture, "rgb8") for picture in clip.rgb]
        self._depth = [image_message(depth, "16UC1") for depth in clip.depth]
        self._half_depth = [image_message(depth[::2, ::2], "16UC1") for depth in clip.depth]
        wide = Camera.from_hfov(clip.camera.width, clip.camera.height, _WIDE)
        self._wide_info = CameraInfo(**_plain(camera_info_fields(wide)))
        self._wide_depth = [image_message(_seen_from_behind(depth, clip.camera, wide), "16UC1") for depth in clip.depth]
        self._half_colour = [image_message(picture[::2, ::2], "rgb8") for picture in clip.rgb]

    # ---- what is published ----

    def _tick(self) -> None:
        stamp = self._next_stamp()
        depth_stamp = stamp + int(self._is["depth_shift_s"] * 1e9)
        if self._clock_out is not None:
            self._clock_out.publish(Clock(clock=self._time(self._now())))
        if self._is["paused"]:
            return
        number = self._sent % len(self._colour)
        self._sent += 1
        if self._is["info"] != "none":
            info = CameraInfo(width=self._info.width, height=self._info.height)
            self._publish("camera_info", info if self._is["info"] == "zero" else self._info, stamp)
        self._publish("image", self._colour_message(number), stamp)
        if self._is["depth"] != "none":
            # Without a camera info of its own depth must be in the colour camera's pixels: what it then lacks is named.
            if self._is["depth"] not in ("size", "frame"):
                other = self._is["depth"] == "other_camera"
                self._publish("depth_camera_info", self._wide_info if other else self._info, depth_stamp)
            self._publish("depth", self._depth_message(number), depth_stamp)

    def _colour_message(self, number: int) -> Image:
        good, fault = self._colour[number], self._is["colour"]
        if fault == "size":
            return self._half_colour[number]
        changes = {"truncated": {"data": good.data[: len(good.data) // 2]}, "encoding": {"encoding": "yuv9"}}
        return _changed(good, {**changes, "step": {"step": 7}}.get(fault, {}))

    def _depth_message(self, number: int) -> Image:
        good, fault = self._depth[number], self._is["depth"]
        if fault == "size":
            return self._half_depth[number]
        if fault == "other_camera":
            return self._wide_depth[number]
        changes = {"truncated": {"data": good.data[: len(good.data) // 2]}, "encoding": {"encoding": "8UC2"}}
        return _changed(good, changes.get(fault, {}))

    def _publish(self, name: str, message: Any, stamp: int) -> None:
        message.header.stamp = self._time(stamp)
        of_depth = {"frame": "elsewhere", "other_camera": DEPTH_FRAME}.get(self._is["depth"], FRAME)
        message.header.frame_id = of_depth if name == "depth" else FRAME
        self._out[name].publish(message)

    # ---- time ----

    def _now(self) -> int:
        simulated = _SIMULATED_START_NS + time.monotonic_ns() - self._began
        return (simulated if self._is["simulated_time"] else time.time_ns()) + int(self._is["shift_s"] * 1e9)

    def _next_stamp(self) -> int:
        if self._is["stamps"] == "zero":
            return 0
        if self._is["stamps"] != "equal" or not self._stamp:
            self._stamp = self._now()
        return self._stamp - (_BACK_NS.get(self._is["stamps"], 0) if self._sent % _EVERY == 0 else 0)

    @staticmethod
    def _time(nanoseconds: int) -> Time:
        return Time(sec=nanoseconds // 1_000_000_000, nanosec=nanoseconds % 1_000_000_000)


def _seen_from_behind(depth: NDArray[np.uint16], near: Camera, wide: Camera) -> NDArray[np.uint16]:
    """The same things as another camera has them that stands `DEPTH_BEHIND_M` further back: (H,W) uint16 mm."""
    behind = Transform(np.eye(3), np.array([0.0, 0.0, DEPTH_BEHIND_M]))
    metres = register_depth(depth.astype(np.float32) / 1000, near, wide, behind)
    return np.nan_to_num(metres * 1000).astype(np.uint16)


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in fields.items()}


def _changed(message: Image, changes: dict[str, Any]) -> Image:
    if not changes:
        return message
    made = Image(height=message.height, width=message.width, encoding=message.encoding, step=message.step)
    made.data = message.data
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def main() -> None:
    """Until Ctrl-C; then it prints how many pictures it has sent."""
    made: list[CameraNode] = []

    def make() -> CameraNode:
        made.append(CameraNode())
        print("ready", flush=True)
        return made[0]

    run_until_signal(make, lambda node: None, None, 1)
    print(f"sent {made[0].sent} pictures", flush=True)


if __name__ == "__main__":
    main()
