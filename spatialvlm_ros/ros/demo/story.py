"""What happens in the demo: which questions are asked, where the robot is sent."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from spatialvlm_ros.errors import RemoteError, SpatialVLMError
from spatialvlm_ros.models.estimate import Answer, Estimate, Reason
from spatialvlm_ros.models.question_reading import read_question
from spatialvlm_ros.reasoning.steps import ReasoningStep, StepKind
from spatialvlm_ros.ros.client import SpatialClient
from spatialvlm_ros.ros.demo.state import NAN, Asked
from spatialvlm_ros.ros.demo.truth import TrueScene

_log = logging.getLogger(__name__)

STRANGER = "unicorn"  # is not on the table: the node has to say so
_TARGET_EVERY_S = 20.0
_ASK_EVERY_S = 6.0
_ASK_S = 20.0
_RETRY_S = 0.5


def queries_for(labels: Sequence[str], target: str) -> list[str]:
    """Standing queries about a target and the other objects: lengths, a signed one, a predicate, a refusal."""
    others = [label for label in labels if label != target]
    near, far = others[0], others[-1]
    return [
        f"distance: gripper | {target}",
        f"distance: {target} | {near}",
        f"left_diff: {target} | {far}",
        f"height: {target}",
        f"left: {near} | {far}",
        f"height: {STRANGER}",
    ]


def questions_for(labels: Sequence[str], target: str) -> list[str]:
    """Questions in words, to be asked in turn."""
    near = next(label for label in labels if label != target)
    return [f"How far is the {target} from the {near}?", f"How tall is the {target}?"]


def thoughts_for(labels: Sequence[str], target: str) -> list[str]:
    """Questions that take a chain of thought, to be asked in turn."""
    others = [label for label in labels if label != target]
    named = f"the {others[0]} and the {others[-1]}" if len(others) > 1 else f"the {others[0]} and the gripper"
    return [
        f"Which of {named} is nearest to the {target}?",
        f"Which is taller, the {target} or the {others[0]}, and by how much?",
    ]


class Story(threading.Thread):
    """Waits for the simulation and the node, then sends the robot from object to object and asks meanwhile.

    Args:
        client: of the node.
        labels: of the objects, () as long as they are not known.
        scene: what is true now.
        say: gives the planner a sentence; the first one starts it.

    Attributes:
        waiting: what is awaited; "" once the standing queries are set.
        sentence, target, asked: as in `DemoState`.
        task: that is rewarded; "" before there is one.
        fault: why it cannot go on, or None.
    """

    def __init__(
        self,
        client: SpatialClient,
        labels: Callable[[], tuple[str, ...]],
        scene: Callable[[], TrueScene | None],
        say: Callable[[str], None],
    ) -> None:
        super().__init__(name="story", daemon=True)
        self._client, self._labels, self._scene, self._say = client, labels, scene, say
        self._stopping = threading.Event()
        self.waiting = "waiting for the simulated robot: its scene is drawn ..."
        self.sentence = self.target = self.task = ""
        self.asked: Asked | None = None
        self.fault: SpatialVLMError | None = None

    def stop(self) -> None:
        """No more; what is under way is left to its time-out."""
        self._stopping.set()

    def run(self) -> None:
        """Until it is stopped."""
        try:
            self._play()
        except SpatialVLMError as error:
            if not self._stopping.is_set():
                self.fault = error

    def _play(self) -> None:
        labels = self._awaited(self._labels)
        self.waiting = "waiting for the node: it loads the model's weights ..."
        turn, asked = 0, 0
        next_target = next_question = 0.0
        while not self._stopping.wait(_RETRY_S):
            now = time.monotonic()
            if now >= next_target and self._send_to(labels, labels[turn % len(labels)]):
                turn, next_target = turn + 1, now + _TARGET_EVERY_S
                next_question = max(next_question, now + _RETRY_S)
            if self.target and now >= next_question:
                chosen = self._ask_number(asked, labels)
                asked, next_question = asked + 1, time.monotonic() + _ASK_EVERY_S
                if chosen and chosen != self.target:
                    self._send_to(labels, chosen)

    def _awaited(self, find: Callable[[], Any]) -> Any:
        while not (found := find()):
            if self._stopping.wait(_RETRY_S):
                raise RemoteError("stopped")
        return found

    def _send_to(self, labels: Sequence[str], target: str) -> bool:
        """Whether the node has taken the queries; it does not while it loads the model."""
        try:
            self._client.set_queries(queries_for(labels, target))
        except SpatialVLMError:
            return False
        self.target, self.sentence, self.waiting = target, f"go to the {target}", ""
        self._say(self.sentence)
        try:
            self._client.set_task(f"reach the {target}")
            self.task = f"reach the {target}"
        except SpatialVLMError as error:
            _log.warning("no reward for this: %s", error)
        return True

    def _ask_number(self, number: int, labels: Sequence[str]) -> str:
        """Every second question takes a chain of thought; the object that one has made the target, or ""."""
        turn, chained = divmod(number, 2)
        questions = (thoughts_for if chained else questions_for)(labels, self.target)
        return (self._think if chained else self._ask)(questions[turn % len(questions)])

    def _ask(self, question: str) -> str:
        self.asked = Asked(question, truth=self._truth(question))
        began = time.monotonic()
        answer = self._client.ask(question, timeout_s=_ASK_S)
        if not self._stopping.is_set():
            self.asked = Asked(question, _said(answer), time.monotonic() - began, self.asked.truth)
        return ""

    def _think(self, question: str) -> str:
        began, steps = time.monotonic(), list[str]()
        self.asked = Asked(question, steps=())

        def done(step: ReasoningStep) -> None:
            if step.kind is not StepKind.ANSWER:
                steps.append(step_line(step))
                self.asked = Asked(question, steps=tuple(steps))

        answer = self._client.reason(question, done, timeout_s=_ASK_S, set_target=True)
        target = "" if answer.conclusion is None else answer.conclusion.object
        if not self._stopping.is_set():
            seconds = time.monotonic() - began
            self.asked = Asked(question, _said(answer), seconds, steps=tuple(steps), target=target)
        return target

    def _truth(self, question: str) -> float:
        query, scene = read_question(question), self._scene()
        if query is None or scene is None or query.unit != "m":
            return NAN
        reference = "" if query.reference is None else str(query.reference)
        return scene.value(Estimate.invalid(query.kind, str(query.subject), reference, Reason.OK))


def _said(answer: Answer) -> str:
    return answer.text if answer.valid else f"({answer.reason.value.replace('_', ' ')}) {answer.detail}"


def step_line(step: ReasoningStep) -> str:
    """A step of a chain of thought in one line."""
    return f"{step.kind}: {step.tool_output or step.text}"
