"""The action servers of one camera: chain of thought, and rewards for recordings."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from rclpy.action import ActionServer, CancelResponse
from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from std_msgs.msg import Header

from spatialvlm_ros.errors import SpatialVLMError
from spatialvlm_ros.models.estimate import Answer, Reason
from spatialvlm_ros.reasoning.faults import Stopped
from spatialvlm_ros.reasoning.limits import Limits
from spatialvlm_ros.reasoning.loading import PLANNER, load_thinker
from spatialvlm_ros.reasoning.reasoner import Reasoner
from spatialvlm_ros.reasoning.steps import Conclusion, ReasoningStep, Solution
from spatialvlm_ros.reasoning.task import Thinker
from spatialvlm_ros.reasoning.trace import Trace
from spatialvlm_ros.ros.bag_annotation import AnnotationOrder, AnnotationResult, annotate_in_a_process
from spatialvlm_ros.ros.camera_inputs import input_topics
from spatialvlm_ros.ros.camera_unit import CameraUnit, Looked
from spatialvlm_ros.ros.interfaces import interfaces
from spatialvlm_ros.ros.refusals import NoPictureError
from spatialvlm_ros.ros.services import Turnstile, reason_of, seconds_allowed
from spatialvlm_ros.ros.shared_models import ONE_LOADS
from spatialvlm_ros.ros.to_messages import answer_message, conclusion_message, step_message
from spatialvlm_ros.ros.topics import INTERFACES
from spatialvlm_ros.ros.worker_calls import WorkerCalls

_log = logging.getLogger(__name__)


class CameraActions:
    """Servers: reason, annotate_bag. They live as long as the node: an action server that is destroyed while the
    executor waits for it brings the executor down.

    Args:
        node: their owner.
        camera: prefix of the names.
        unit: gives the camera's unit while the node is active, else None.
        turnstile: shared with the services.
        group: reentrant callback group.
    """

    def __init__(
        self,
        node: Node,
        camera: str,
        unit: Callable[[], CameraUnit | None],
        turnstile: Turnstile,
        group: CallbackGroup,
    ) -> None:
        self._unit, self._turnstile = unit, turnstile
        self._node, self._camera = node, camera
        self._thinkers: dict[tuple[str, bool], Thinker] = {}
        self._loading = threading.Lock()
        self._annotating = Turnstile(1)  # a recording keeps a process busy for long
        self._ending = threading.Event()
        action = interfaces().action
        self._servers = [
            ActionServer(
                node,
                kind,
                INTERFACES[name].topic(camera),
                run,
                callback_group=group,
                cancel_callback=lambda _: CancelResponse.ACCEPT,
            )
            for name, kind, run in (
                ("reason", action.Reason, self._reason),
                ("annotate_bag", action.AnnotateBag, self._annotate),
            )
        ]

    def stop(self) -> None:
        """The node ends: so does the process that annotates a recording."""
        self._ending.set()

    # ---- chain of thought ----

    def _reason(self, goal: Any) -> Any:
        header, steps = Header(), []

        def told(step: ReasoningStep, of: Any) -> None:
            steps.append(step_message(step, of))
            goal.publish_feedback(interfaces().action.Reason.Feedback(step=steps[-1]))

        solution: Answer
        try:
            with self._turnstile:
                header, solution = self._solved(goal, told)
        except Stopped as stopped:  # before there was a picture to think about
            reason, detail = stopped.reason, str(stopped)
            solution = Solution(goal.request.question, reason=reason, detail=detail, cancelled=stopped.cancelled)
        except SpatialVLMError as error:
            solution = Answer(goal.request.question, reason=reason_of(error), detail=str(error))
        except Exception as error:  # noqa: BLE001
            _log.exception("a chain of thought failed")
            detail = f"{type(error).__name__}: {error}"
            solution = Answer(goal.request.question, reason=Reason.MODEL_ERROR, detail=detail)
        end = solution.conclusion if isinstance(solution, Solution) else None
        answer, conclusion = answer_message(solution, header), conclusion_message(end, header)
        target = self._set_target(goal, end)
        result = interfaces().action.Reason.Result(answer=answer, steps=steps, conclusion=conclusion, target=target)
        _finish(goal, solution)
        return result

    def _set_target(self, goal: Any, conclusion: Conclusion | None) -> str:
        """The object that the conclusion decides for is the target from now on, where the goal wants that; its name."""
        unit, name = self._unit(), "" if conclusion is None else conclusion.object
        if not goal.request.set_target or not name or unit is None or goal.is_cancel_requested:
            return ""
        unit.ask(lambda standing: standing.with_target(name))
        return name

    def _solved(self, goal: Any, told: Callable[[ReasoningStep, Any], None]) -> tuple[Any, Solution]:
        """Thinks in this thread; what it asks of the picture is answered in the model's thread, between pictures."""
        unit = self._unit()
        if unit is None:
            raise NoPictureError(Reason.NOT_CONFIGURED, "the node is not active", "Configure and activate it.")
        thinker = self._thinker(unit.settings.llm or PLANNER, unit.settings.llm_calls_tools)
        request = goal.request
        seconds = seconds_allowed(request.deadline_s, "reason_deadline_s", unit.settings.reason_deadline_s)
        end = time.monotonic() + seconds

        def cancelled() -> bool:
            return bool(goal.is_cancel_requested)

        looked: Looked = unit.look(end, Trace(Limits(seconds=seconds), cancelled).check)
        header, left = looked.messages.image.header, max(end - time.monotonic(), 0.0)
        limits = Limits(seconds=left) if not request.max_steps else Limits(request.max_steps, seconds=left)
        reasoner = Reasoner(thinker, WorkerCalls(unit, looked, end), limits)
        solution = reasoner.solve(request.question, on_step=lambda step: told(step, header), cancelled=cancelled)
        return header, solution

    def _thinker(self, spec: str, calls_tools: bool) -> Thinker:
        wanted = spec, calls_tools
        with self._loading:
            if wanted not in self._thinkers:
                with ONE_LOADS:  # and one is kept: language models are large
                    self._thinkers = {wanted: load_thinker(spec, calls_tools)}
            return self._thinkers[wanted]

    # ---- recordings ----

    def _annotate(self, goal: Any) -> Any:
        result = interfaces().action.AnnotateBag.Result()
        try:
            with self._annotating:
                found = self._annotated(goal)
        except SpatialVLMError as error:
            result.message = str(error)
            goal.abort()
            return result
        if found is None:
            return self._stopped(goal, result)
        result.success, result.out = found.valid > 0, found.out
        result.message = f"Rewards in {found.out}. {found.problems}".strip()
        result.frames, result.valid_frames = found.frames, found.valid
        if result.success:
            goal.succeed()
        else:  # it is written, and of no use
            goal.abort()
        return result

    @staticmethod
    def _stopped(goal: Any, result: Any) -> Any:
        if goal.is_cancel_requested:
            result.message = "Cancelled; the same goal goes on where it was stopped."
            goal.canceled()
        else:
            result.message = "The node ends; the same goal goes on where it was stopped."
            goal.abort()
        return result

    def _annotated(self, goal: Any) -> AnnotationResult | None:
        unit, request = self._unit(), goal.request
        if unit is None:
            raise NoPictureError(Reason.NOT_CONFIGURED, "the node is not active", "Configure and activate it.")
        topics = input_topics(self._node, unit.settings, self._camera)
        order = AnnotationOrder.of(request.bag, request.out, request.task, unit.settings, topics)

        def told(done: int, total: int) -> None:
            feedback = interfaces().action.AnnotateBag.Feedback()
            feedback.frames_done, feedback.frames_total = done, total
            feedback.progress = done / total if total else 0.0
            goal.publish_feedback(feedback)

        def unwanted() -> bool:
            return bool(goal.is_cancel_requested) or self._ending.is_set()

        return annotate_in_a_process(order, told, unwanted)


def _finish(goal: Any, solution: Answer) -> None:
    """An answer that says why there is none is a result too; only a goal that was cancelled or failed is none."""
    if getattr(solution, "cancelled", False) or goal.is_cancel_requested:
        goal.canceled()
    elif solution.valid:
        goal.succeed()
    else:
        goal.abort()
