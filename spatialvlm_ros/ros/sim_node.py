"""The node ``spatialvlm_sim``: a simulated robot and its camera, on the topics of their drivers.

One thread owns the world: it steps, draws and publishes. Callbacks leave what is asked of it in a queue.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any

import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from spatialvlm_ros.errors import SpatialVLMError
from spatialvlm_ros.ros.declaring import declare
from spatialvlm_ros.ros.interfaces import interfaces
from spatialvlm_ros.ros.sim_messages import (
    camera_info_message,
    colour_message,
    depth_message,
    joint_message,
    transform_messages,
    truth_message,
)
from spatialvlm_ros.ros.sim_scene import OPTICAL_FRAME
from spatialvlm_ros.ros.sim_settings import SIM_INTERFACES, SIM_PARAMETERS, SimSettings
from spatialvlm_ros.ros.sim_world import BASE_FRAME, WORLD_FRAME, SimWorld
from spatialvlm_ros.simulation.assets.pack import AssetPack

NAME = "spatialvlm_sim"

_RESET_S = 10.0  # a reset waits for the picture at hand
_CLOSE_S = 1.5
_SLOW = 0.9  # of the wanted speed: below, it is said
_REPORT_S = 30.0
_SAME_GOAL_M = 0.01

Command = Callable[[SimWorld], None]


def _tf_message_class() -> Any:
    """tf2_msgs/TFMessage, or None where that package is not installed."""
    try:
        from tf2_msgs.msg import TFMessage
    except ImportError:
        return None
    return TFMessage


class SimNode(Node):
    """Publishes from its first moment; the world is drawn in the background (seconds with an asset pack).

    Raises:
        ConfigError: a parameter has a value that it may not have.

    Attributes:
        failed: whether the world could not be drawn, or broke; the context is shut down then.
    """

    def __init__(self) -> None:
        super().__init__(NAME)
        declare(self, tuple(SIM_PARAMETERS.values()), read_only=True)  # another scene is another node
        self.settings = SimSettings.of({name: self.get_parameter(name).value for name in SIM_PARAMETERS})
        self.failed = False
        self._sim_time = self.settings.publish_clock or bool(self.get_parameter("use_sim_time").value)
        self._commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._ready, self._closing = threading.Event(), threading.Event()
        self._steps = 0
        self._make_publishers()
        self.create_subscription(PoseStamped, SIM_INTERFACES["pose_target"].name, self._on_pose_target, 10)
        self.create_service(Trigger, SIM_INTERFACES["reset"].name, self._on_reset)
        self._thread = threading.Thread(target=self._run, name="sim-world", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread of the world; before the executor is shut down."""
        self._closing.set()
        self._thread.join(_CLOSE_S)

    def _make_publishers(self) -> None:
        best_effort = self.settings.reliability == "best_effort"
        pictures = QoSProfile(
            depth=2,
            reliability=QoSReliabilityPolicy.BEST_EFFORT if best_effort else QoSReliabilityPolicy.RELIABLE,
        )
        latched = QoSProfile(depth=1, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
        kinds: dict[str, tuple[Any, QoSProfile | int]] = {
            "color": (Image, pictures),
            "color_info": (CameraInfo, pictures),
            "depth": (Image, pictures),
            "depth_info": (CameraInfo, pictures),
            "joint_states": (JointState, 10),
            "truth": (interfaces().msg.LocatedObjectArray, 10),
        }
        if self._sim_time:
            kinds["clock"] = (Clock, 10)
        tf_message = _tf_message_class()
        if tf_message is None:
            self.get_logger().warning("tf2_msgs is not installed: no frames are published")
        else:
            kinds |= {"tf": (tf_message, 100), "tf_static": (tf_message, latched)}
        self._tf_message = tf_message
        self._out = {
            name: self.create_publisher(kind, SIM_INTERFACES[name].name, profile)
            for name, (kind, profile) in kinds.items()
        }

    # ---- callbacks: they leave work to the thread of the world ----

    def _on_pose_target(self, message: PoseStamped) -> None:
        place = message.pose.position
        frame = message.header.frame_id or WORLD_FRAME
        self._commands.put(lambda world: self._follow(world, frame, np.array([place.x, place.y, place.z])))

    def _on_reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if not self._ready.is_set():
            response.message = "the scene is still being drawn"
            return response
        done: Future[None] = Future()

        def reset(world: SimWorld) -> None:
            world.reset()
            done.set_result(None)

        self._commands.put(reset)
        try:
            done.result(_RESET_S)
        except FutureTimeoutError:
            response.message = f"the simulation has not come to it within {_RESET_S:g} s"
            return response
        response.success, response.message = True, "back to the first moment"
        return response

    # ---- the thread of the world ----

    def _run(self) -> None:
        try:
            world = self._draw()
            self._ready.set()
            self._play(world)
            world.close()
        except Exception as error:  # noqa: BLE001  whatever it is, the node must not stand there silently
            if not self._closing.is_set():
                self.failed = True
                self.get_logger().fatal(str(error) if isinstance(error, SpatialVLMError) else repr(error))
                rclpy.try_shutdown(context=self.context)

    def _draw(self) -> SimWorld:
        self.get_logger().info("drawing the scene ...")
        folder = self.settings.assets
        pack = AssetPack.load(folder) if folder else AssetPack.load_or_primitives()
        if pack.path is None:
            self.get_logger().warning(
                "there is no asset pack: plain coloured shapes (make one with: spatialvlm assets)"
            )
        world = SimWorld(self.settings.scene, pack, self.settings.depth_noise, self.settings.stand_off_m)
        self.get_logger().info(f"on the table: {', '.join(world.labels)}")
        return world

    def _play(self, world: SimWorld) -> None:
        """Steps, draws and publishes until the node closes."""
        step_s = 1.0 / self.settings.rate_hz
        pace = _Pace(step_s / self.settings.realtime_factor)
        if self._tf_message is not None:
            static = transform_messages((f for f in world.transforms() if f.is_static), self._stamp())
            self._out["tf_static"].publish(self._tf_message(transforms=static))
        while not self._closing.is_set():
            self._obey(world)
            world.step(step_s)
            self._steps += 1
            self._publish(world)
            slow = pace.wait(self._closing)
            if slow is not None:
                share = self.settings.realtime_factor * slow
                self.get_logger().warning(
                    f"drawing is slow: {slow * self.settings.rate_hz * self.settings.realtime_factor:.1f} pictures a "
                    f"second, {share:.2f} of real time; choose a smaller picture or rate_hz"
                )

    def _obey(self, world: SimWorld) -> None:
        while not self._commands.empty():
            self._commands.get()(world)

    def _follow(self, world: SimWorld, frame: str, position: np.ndarray) -> None:
        before = world.goal
        try:
            goal = world.follow(world.in_world(frame, position))
        except SpatialVLMError as error:
            self.get_logger().warning(f"this goal is not followed: {error}")
            return
        if before is None or float(np.linalg.norm(goal - before)) > _SAME_GOAL_M:
            self.get_logger().info(f"going to {goal.round(3).tolist()} (frame {WORLD_FRAME}, metres)")

    def _stamp(self) -> Time:
        """Now: of the simulation, which never runs back (a reset does not), or of the node's clock."""
        if not self._sim_time:
            return self.get_clock().now().to_msg()
        nanoseconds = round(self._steps / self.settings.rate_hz * 1e9)
        return Time(sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9)

    def _publish(self, world: SimWorld) -> None:
        stamp = self._stamp()
        frame = world.render()
        optical, base = Header(stamp=stamp, frame_id=OPTICAL_FRAME), Header(stamp=stamp, frame_id=BASE_FRAME)
        info = camera_info_message(world.camera, optical)
        messages: dict[str, Any] = {"clock": Clock(clock=stamp)}
        if self._tf_message is not None:  # before the pictures: who looks at one asks at once where the tool is
            moving = transform_messages((f for f in world.transforms() if not f.is_static), stamp)
            messages["tf"] = self._tf_message(transforms=moving)
        messages |= {
            "joint_states": joint_message(world.joints(), base),
            "color_info": info,
            "depth_info": info,
            "color": colour_message(frame.rgb, self.settings.encoding, optical),
            "depth": depth_message(frame.depth, self.settings.depth_encoding, optical),
            "truth": truth_message(frame.objects, stamp),
        }
        for name, message in messages.items():
            if name in self._out and not self._closing.is_set():
                self._out[name].publish(message)


class _Pace:
    """Keeps a period, without hurrying after a delay."""

    def __init__(self, period_s: float) -> None:
        self._period = period_s
        self._next = time.monotonic() + period_s
        self._since, self._count = time.monotonic(), 0

    def wait(self, stop: threading.Event) -> float | None:
        """Until the next tick; every half minute the reached share of the wanted speed where it is too low."""
        now = time.monotonic()
        stop.wait(max(0.0, self._next - now))
        self._next = max(self._next, now) + self._period
        self._count += 1
        elapsed = time.monotonic() - self._since
        if elapsed < _REPORT_S:
            return None
        share = self._count * self._period / elapsed
        self._since, self._count = time.monotonic(), 0
        return share if share < _SLOW else None
