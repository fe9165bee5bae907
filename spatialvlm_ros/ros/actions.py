"""The action servers of one camera. Goals are accepted and answered `not_configured` until a chain of thought and
rewards are set up for the node."""

from __future__ import annotations

from typing import Any

from rclpy.action import ActionServer
from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from std_msgs.msg import Header

from spatialvlm_ros.models.estimate import Answer, Reason
from spatialvlm_ros.ros.interfaces import interfaces
from spatialvlm_ros.ros.to_messages import answer_message
from spatialvlm_ros.ros.topics import INTERFACES


class CameraActions:
    """Servers: reason, annotate_bag. They live as long as the node: an action server that is destroyed while the
    executor waits for it brings the executor down.

    Args:
        node: their owner.
        camera: prefix of the names.
        group: reentrant callback group.
    """

    def __init__(self, node: Node, camera: str, group: CallbackGroup) -> None:
        action = interfaces().action
        self._servers = [
            ActionServer(node, kind, INTERFACES[name].topic(camera), run, callback_group=group)
            for name, kind, run in (
                ("reason", action.Reason, self._reason),
                ("annotate_bag", action.AnnotateBag, self._annotate),
            )
        ]

    def _reason(self, goal: Any) -> Any:
        result = interfaces().action.Reason.Result()
        detail = "This node has no chain of thought."
        answer = Answer(goal.request.question, reason=Reason.NOT_CONFIGURED, detail=detail)
        result.answer = answer_message(answer, Header())
        goal.abort()
        return result

    def _annotate(self, goal: Any) -> Any:
        result = interfaces().action.AnnotateBag.Result()
        result.success, result.message = False, f"{Reason.NOT_CONFIGURED}: this node computes no rewards."
        goal.abort()
        return result
