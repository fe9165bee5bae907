"""An example planner to copy: it brings a robot above the object that a sentence names.

A sentence goes to the node's service ``set_target``; the node then publishes the pose of that object for each picture.
Single poses may be wrong, so a few of them are compared, and only where they agree is their median made a goal.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped
from numpy.typing import NDArray
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from rclpy.time import Time
from std_msgs.msg import String

from spatialvlm_ros.errors import SpatialVLMError
from spatialvlm_ros.ros.clock_jumps import on_jump_back
from spatialvlm_ros.ros.declaring import declare
from spatialvlm_ros.ros.interfaces import interfaces
from spatialvlm_ros.ros.parameters import Parameter
from spatialvlm_ros.ros.target_text import target_of
from spatialvlm_ros.ros.tf_link import TfLink
from spatialvlm_ros.ros.transform_store import TransformStore

NAME = "spatialvlm_planner"
PARAMETERS = (
    Parameter("sentence", "", "Where to go at the start, for example 'go to the red mug'; empty waits for ~/sentence."),
    Parameter("vlm", "spatialvlm", "Name of the node that finds the object."),
    Parameter("fixed_frame", "world", "Frame of the goal; its z axis points up."),
    Parameter("tool_frame", "tool", "Frame that is to arrive."),
    Parameter("stand_off_m", 0.15, "Metres above the middle of the object.", low=0.0, high=2.0),
    Parameter("poses", 5, "How many poses are compared.", low=1, high=100),
    Parameter("scatter_m", 0.05, "Most metres from one of them to their median.", low=0.001, high=1.0),
    Parameter("arrived_m", 0.02, "Metres from the goal that count as arrived.", low=0.001, high=1.0),
    Parameter("patience_s", 60.0, "Seconds without success after which it is said why.", low=1.0, high=3600.0),
)
_TICK_S = 0.5


class PlannerNode(Node):
    """One sentence at a time; a new one replaces the old."""

    def __init__(self) -> None:
        super().__init__(NAME)
        declare(self, PARAMETERS, read_only=True)
        self._given = given = {p.name: p.validated(self.get_parameter(p.name).value) for p in PARAMETERS}
        group = MutuallyExclusiveCallbackGroup()
        self._frames = TransformStore()
        self._tf = TfLink(self, self._frames, group)
        self._clock_ran_back = False
        self._jumps = on_jump_back(self, self._on_jump_back)
        self._set_target = self.create_client(interfaces().srv.SetTarget, f"{given['vlm']}/set_target")
        self._goals = self.create_publisher(PoseStamped, "sim/pose_target", 10)
        self.create_subscription(PoseStamped, f"{given['vlm']}/target_pose", self._on_pose, 10, callback_group=group)
        self.create_subscription(String, "~/sentence", lambda m: self.start(m.data), 10, callback_group=group)
        self.create_timer(_TICK_S, self._tick, callback_group=group)
        self._forget()
        if given["sentence"]:
            self.start(given["sentence"])

    # ---- 1. the sentence ----

    def start(self, sentence: str) -> None:
        """Go where this sentence says, wherever it was going before."""
        self._forget()
        try:
            self.get_logger().info(f"looking for the {target_of(sentence)}")
            self._sentence = sentence
        except SpatialVLMError as error:
            self.get_logger().error(str(error))

    def _on_jump_back(self) -> None:
        """Where things stood, and since when poses count, is of a time that has not come yet; see `_tick`."""
        self._frames.clear()
        self._clock_ran_back = True

    def _forget(self) -> None:
        self._sentence, self._asked = "", False
        self._accepted: Time | None = None  # poses of later pictures are of the new target
        self._poses: list[NDArray[np.float64]] = []
        self._goal: NDArray[np.float64] | None = None
        self._since: Time | None = None  # the first tick after; simulated time may not be known before

    def _ask(self) -> None:
        self._asked, sentence = True, self._sentence
        answer = self._set_target.call_async(interfaces().srv.SetTarget.Request(target=sentence))
        answer.add_done_callback(lambda done: self._answered(sentence, done.result()))

    def _answered(self, sentence: str, answer: Any) -> None:
        if sentence != self._sentence:
            return
        self._asked = answer.success  # if not, the node is perhaps not active yet: it is asked again
        if answer.success:
            self._accepted = self.get_clock().now()
        else:
            self.get_logger().warning(answer.message, throttle_duration_sec=10.0)

    # ---- 2. the poses ----

    def _on_pose(self, message: PoseStamped) -> None:
        stamp = Time.from_msg(message.header.stamp, clock_type=self.get_clock().clock_type)
        if self._accepted is None or self._goal is not None or stamp < self._accepted:
            return
        place, fixed = message.pose.position, self._given["fixed_frame"]
        try:
            to_fixed = self._frames.lookup(fixed, message.header.frame_id, stamp.nanoseconds)
        except SpatialVLMError as error:
            self.get_logger().warning(str(error), throttle_duration_sec=10.0)
            return
        self._poses.append(to_fixed.apply([[place.x, place.y, place.z]])[0])
        if len(self._poses) >= self._given["poses"]:
            self._decide(np.array(self._poses[-self._given["poses"] :]))

    def _decide(self, poses: NDArray[np.float64]) -> None:
        middle = np.median(poses, axis=0)
        scatter = float(np.linalg.norm(poses - middle, axis=1).max())
        if scatter > self._given["scatter_m"]:
            return self.get_logger().warning(f"the poses scatter by {scatter:.2f} m", throttle_duration_sec=5.0)
        self._goal = middle + [0.0, 0.0, self._given["stand_off_m"]]
        goal = PoseStamped()
        goal.header.stamp, goal.header.frame_id = self.get_clock().now().to_msg(), self._given["fixed_frame"]
        goal.pose.position.x, goal.pose.position.y, goal.pose.position.z = self._goal.tolist()
        self._goals.publish(goal)
        self.get_logger().info(f"it is at {middle.round(3).tolist()} (scatter {scatter * 1000:.0f} mm): going there")

    # ---- 3. the way ----

    def _tick(self) -> None:
        if self._clock_ran_back:
            self._clock_ran_back = False
            if self._sentence:
                self.get_logger().info("time has jumped back: the sentence begins anew")
                self.start(self._sentence)
        if not self._sentence:
            return
        if not self._asked and self._set_target.service_is_ready():
            self._ask()
        now = self.get_clock().now()
        self._since = self._since or now
        missing = self._missing()
        if missing is not None and missing < self._given["arrived_m"]:
            self.get_logger().info(f"arrived, {missing * 1000:.0f} mm from the goal")
            self._sentence = ""
        elif (now - self._since).nanoseconds > self._given["patience_s"] * 1e9:
            self.get_logger().warning(f"giving up: {self._fault(missing)}")
            self._forget()

    def _missing(self) -> float | None:
        """Metres from the tool to the goal, where both are known."""
        try:
            tool = self._frames.lookup(self._given["fixed_frame"], self._given["tool_frame"], 0).translation
        except SpatialVLMError:
            return None
        return None if self._goal is None else float(np.linalg.norm(tool - self._goal))

    def _fault(self, missing: float | None) -> str:
        if self._accepted is None:
            return f"the service of {self._given['vlm']} has not accepted the target"
        if self._goal is None:
            return f"{len(self._poses)} poses came, and no {self._given['poses']} of them agree"
        return "the tool's frame is not known" if missing is None else f"{missing:.2f} m are missing to the goal"
