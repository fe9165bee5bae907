"""Rewards for a recording, asked of the node while it goes on: the first seconds of the demo, in the background."""

from __future__ import annotations

import shutil
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node

from spatialvlm_ros.ros.action_clients import PatientActionClient
from spatialvlm_ros.ros.demo.opening import Opening
from spatialvlm_ros.ros.demo.state import Annotation
from spatialvlm_ros.ros.demo.topics import SERVER
from spatialvlm_ros.ros.interfaces import interfaces

_REWARDS = "rewards"


class Annotating:
    """One goal of the action ``annotate_bag``: sent when all is there, and then followed.

    Args:
        node: that spins in another thread; the client of the action stays with it.
        folder: of the recording and its rewards; those of an earlier demo are removed, nothing else is.
    """

    def __init__(self, node: Node, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name in (_REWARDS, f"{_REWARDS}_report"):
            shutil.rmtree(folder / name, ignore_errors=True)
        self.opening = Opening(folder.absolute() / "first_seconds.mcap")
        self._out = folder.absolute() / _REWARDS
        self._goal = interfaces().action.AnnotateBag.Goal
        kind, group = interfaces().action.AnnotateBag, ReentrantCallbackGroup()
        self._client = PatientActionClient(node, kind, f"{SERVER}/annotate_bag", callback_group=group)
        self._lock = threading.Lock()
        self._state: Annotation | None = None

    @property
    def state(self) -> Annotation | None:
        """How far it is; None before it was asked for."""
        with self._lock:
            return self._state

    @property
    def rewards(self) -> Path | None:
        """What was written; None where it is not done."""
        state = self.state
        return self._out if state is not None and state.succeeded else None

    def begin(self, task: str) -> None:
        """Asks for the rewards of a task, once, when the recording is whole and the node offers the action.

        Args:
            task: in words; "" as long as there is none.
        """
        if self.state is not None or not task or not self.opening.whole or not self._client.server_is_ready():
            return
        with self._lock:
            self._state = Annotation(task)
        goal = self._goal(bag=str(self.opening.path), out=str(self._out), task=task)
        sent = self._client.send_goal_async(goal, feedback_callback=lambda message: self._told(message.feedback))
        sent.add_done_callback(lambda future: self._accepted(future.result()))

    # ---- callbacks ----

    def _told(self, feedback: Any) -> None:
        self._change(done=int(feedback.frames_done), total=int(feedback.frames_total))

    def _accepted(self, handle: Any) -> None:
        if not handle.accepted:
            self._change(message="the node does not accept the goal")
            return
        handle.get_result_async().add_done_callback(lambda future: self._ended(future.result().result))

    def _ended(self, result: Any) -> None:
        valid, frames = int(result.valid_frames), int(result.frames)
        said = f"{valid} of {frames} are valid" if result.success else str(result.message)
        self._change(succeeded=bool(result.success), message=said)

    def _change(self, **values: Any) -> None:
        with self._lock:
            assert self._state is not None
            self._state = replace(self._state, **values)
