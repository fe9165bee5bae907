"""A node with the action ``/thinker/reason`` and nothing else: asked "4 steps of 0.2 s" it thinks for so long.

It prints what became of each goal.
"""

from __future__ import annotations

import re
import time
from typing import Any

import rclpy
from rclpy.action import ActionServer, CancelResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node

from spatialvlm_ros.action import Reason
from spatialvlm_ros.models.estimate import Estimate
from spatialvlm_ros.models.estimate import Reason as Why
from spatialvlm_ros.msg import Answer, ReasoningStep
from spatialvlm_ros.reasoning.steps import Conclusion
from spatialvlm_ros.ros.running import run_until_signal
from spatialvlm_ros.ros.to_messages import conclusion_message, estimate_message
from spatialvlm_ros.scenes.relations import Relation


class Thinker(Node):
    """See the module."""

    def __init__(self) -> None:
        super().__init__("thinker")
        self._server = ActionServer(
            self,
            Reason,
            "~/reason",
            self._think,
            callback_group=ReentrantCallbackGroup(),
            cancel_callback=lambda _: CancelResponse.ACCEPT,
        )
        print("ready", flush=True)

    def _think(self, goal: Any) -> Any:
        match = re.fullmatch(r"(\d+) steps of ([\d.]+) s", goal.request.question)
        assert match
        result = Reason.Result(answer=Answer(question=goal.request.question, reason=str(Why.TIMEOUT)))
        for index in range(int(match[1])):
            time.sleep(float(match[2]))
            if goal.is_cancel_requested:
                print("cancelled", flush=True)
                goal.canceled()
                return result
            measured = Estimate(Relation.HEIGHT, "mug", "", float(index), 0.1, valid=True, reason=Why.OK)
            step = ReasoningStep(index=index, kind="measure", text=f"step {index}", seconds=float(match[2]))
            step.estimates = [estimate_message(measured, result.answer.header)]
            result.steps = [*result.steps, step]
            goal.publish_feedback(Reason.Feedback(step=step))
        result.answer.text, result.answer.valid, result.answer.reason = "so it is", True, str(Why.OK)
        end = Conclusion("so it is", ("mug",), 0.5, 0.1, "m", 0.75, measured, 0.9, "mug")
        result.conclusion = conclusion_message(end, result.answer.header)
        result.answer.estimates = [estimate for step in result.steps for estimate in step.estimates]
        result.target = "mug" if goal.request.set_target else ""
        goal.succeed()
        return result


if __name__ == "__main__":
    run_until_signal(Thinker, lambda node: None, None, 4)
    assert not rclpy.ok()
