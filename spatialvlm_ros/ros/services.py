"""The services of one camera.

Each call waits for the model in a thread of the executor; at most `MOST_WAITING` wait at a time, so that parameters and
pictures always find a free thread.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Generator, Sequence
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from std_msgs.msg import Header

from spatialvlm_ros.errors import SpatialVLMError
from spatialvlm_ros.models.estimate import Answer, Estimate, LocatedObject, Reason
from spatialvlm_ros.models.query import Query, checked_object
from spatialvlm_ros.models.question_reading import read_question
from spatialvlm_ros.rewards.task_file import to_yaml
from spatialvlm_ros.ros.camera_unit import CameraUnit, Looked
from spatialvlm_ros.ros.interfaces import interfaces
from spatialvlm_ros.ros.observations import CameraMessages
from spatialvlm_ros.ros.parameters import PARAMETERS
from spatialvlm_ros.ros.query_text import make_query, read_object
from spatialvlm_ros.ros.refusals import NoPictureError, refusal_of
from spatialvlm_ros.ros.reward_work import RewardRequest
from spatialvlm_ros.ros.standing import target_named
from spatialvlm_ros.ros.to_messages import answer_message, estimate_message, located_message
from spatialvlm_ros.ros.topics import INTERFACES
from spatialvlm_ros.ros.worker import DeadlineError, WorkerClosedError

_log = logging.getLogger(__name__)

MOST_WAITING = 4


class Turnstile:
    """Lets so many calls wait for the model; shared by all services and actions of a node."""

    def __init__(self, most: int = MOST_WAITING) -> None:
        self._free = threading.BoundedSemaphore(most)
        self._most = most

    def __enter__(self) -> None:
        if not self._free.acquire(blocking=False):
            raise DeadlineError(f"{self._most} requests wait for the model already", remedy="Ask again a little later.")

    def __exit__(self, *_: object) -> None:
        self._free.release()


class CameraServices:
    """Servers of a camera: measure, locate, ask, set_queries, set_target, set_task, end_episode.

    They live as long as the node: of one that is destroyed those who wait would never get an answer.

    Args:
        node: their owner.
        camera: prefix of the names.
        unit: gives the camera's unit while the node is active, else None.
        deadline_s: the node's default.
        turnstile: shared.
        group: reentrant callback group.
    """

    def __init__(
        self,
        node: Node,
        camera: str,
        unit: Callable[[], CameraUnit | None],
        deadline_s: Callable[[], float],
        turnstile: Turnstile,
        group: CallbackGroup,
    ) -> None:
        self._unit, self._deadline_s, self._turnstile = unit, deadline_s, turnstile
        srv = interfaces().srv
        served = {
            "measure": (srv.Measure, self._measure),
            "locate": (srv.Locate, self._locate),
            "ask": (srv.Ask, self._ask),
            "set_queries": (srv.SetQueries, self._set_queries),
            "set_target": (srv.SetTarget, self._set_target),
            "set_task": (srv.SetTask, self._set_task),
            "end_episode": (srv.EndEpisode, self._end_episode),
        }
        for name, (kind, call) in served.items():
            node.create_service(kind, INTERFACES[name].topic(camera), _safely(call), callback_group=group)

    # ---- questions to the model ----

    def _measure(self, request: Any, response: Any) -> None:
        queries = [make_query(q.subject, q.reference, q.relation) for q in request.queries]

        def measured(looked: Looked) -> tuple[Looked, list[Estimate]]:
            return looked, looked.view.measure_many(queries)

        try:
            with self._turnstile:
                looked, estimates = self._active().with_view(measured, self._wait(request))
            header = looked.messages.image.header
        except SpatialVLMError as error:
            header, reason = Header(), reason_of(error)
            estimates = [refusal_of(q, reason, str(error)) for q in queries]
        response.estimates = [estimate_message(e, header) for e in estimates]

    def _locate(self, request: Any, response: Any) -> None:
        names = [checked_object(read_object(name)) for name in request.names]

        def located(looked: Looked) -> tuple[Looked, list[LocatedObject]]:
            return looked, looked.view.locate_many(names)

        try:
            with self._turnstile:
                looked, objects = self._active().with_view(located, self._wait(request))
            header = looked.messages.image.header
        except SpatialVLMError as error:
            header, reason = Header(), reason_of(error)
            objects = [LocatedObject(str(name), reason=reason, detail=str(error)) for name in names]
        response.objects = [located_message(thing, header) for thing in objects]

    def _ask(self, request: Any, response: Any) -> None:
        try:
            with self._turnstile:
                looked, answer = self._answered(request)
            header = looked.messages.image.header
        except SpatialVLMError as error:
            header = Header()
            answer = Answer(request.question, reason=reason_of(error), detail=str(error))
        response.answer = answer_message(answer, header)

    def _answered(self, request: Any) -> tuple[Looked, Answer]:
        def asked(looked: Looked) -> Generator[None, None, tuple[Looked, Answer]]:
            answer = yield from looked.view.ask_steps(request.question)
            return looked, answer

        unit, wait = self._active(), self._wait(request)
        if not request.image.data:
            return unit.steps_with_view(asked, wait)
        return unit.steps_with(CameraMessages(request.image, _info_sent(request)), asked, wait)

    # ---- what is asked of every picture ----

    def _set_queries(self, request: Any, response: Any) -> None:
        queries: Sequence[Query] = [make_query(q.subject, q.reference, q.relation) for q in request.queries]
        unit = self._active()
        asked = unit.ask(lambda standing: standing.with_queries(queries, request.append))
        response.message = f"{len(asked.queries)} standing queries"

    def _set_target(self, request: Any, response: Any) -> None:
        name = target_named(request.target)
        unit = self._active()
        unit.ask(lambda standing: standing.with_target(name))
        response.name = name
        response.message = f"The target is {name!r}." if name else "There is no target."

    def _set_task(self, request: Any, response: Any) -> None:
        unit = self._active()
        reward = RewardRequest.of(request.task, unit.settings) if request.task.strip() else None
        unit.ask(lambda standing: standing.with_reward(reward))
        response.task = "" if reward is None else to_yaml(reward.task)
        response.message = "There is no task." if reward is None else f"The task is {reward.task.name}."

    def _end_episode(self, request: Any, response: Any) -> None:
        self._active().end_episode(bool(request.truncated))
        response.message = f"The next reward is {'cut' if request.truncated else 'terminated'}."

    # ---- parts ----

    def _active(self) -> CameraUnit:
        unit = self._unit()
        if unit is None:
            raise NoPictureError(Reason.NOT_CONFIGURED, "the node is not active", "Configure and activate it.")
        return unit

    def _wait(self, request: Any) -> float:
        return seconds_allowed(request.deadline_s, "deadline_s", self._deadline_s())


def seconds_allowed(asked: float, parameter: str, usual: float) -> float:
    """How long an answer may take: as long as is asked for, at most as long as the parameter may be; ``usual`` where
    nothing is asked for (0), or nothing that is a time."""
    most = PARAMETERS[parameter].high or math.inf
    return min(float(asked), most) if asked > 0 else usual


def _info_sent(request: Any) -> Any:
    """The camera of a picture that was sent along.

    Raises:
        NoPictureError: there is none, and the question is about metres.
    """
    if any(request.camera_info.k):
        return request.camera_info
    if read_question(request.question) is not None:
        raise NoPictureError(
            Reason.NO_CAMERA_INFO, "metres need the camera of the picture", "Send camera_info with the image."
        )
    return _guessed_info(request)


def _guessed_info(request: Any) -> Any:
    """60 degrees wide: questions without metres hardly depend on it."""
    info, image = type(request.camera_info)(), request.image
    focal = image.width / (2 * 0.57735)
    info.width, info.height = image.width, image.height
    info.k = [focal, 0.0, (image.width - 1) / 2, 0.0, focal, (image.height - 1) / 2, 0.0, 0.0, 1.0]
    return info


def reason_of(error: SpatialVLMError) -> Reason:
    """What an answer says when this was raised."""
    if isinstance(error, NoPictureError):
        return error.reason
    if isinstance(error, DeadlineError):
        return Reason.TIMEOUT
    return Reason.NOT_CONFIGURED if isinstance(error, WorkerClosedError) else Reason.MODEL_ERROR


def _safely(call: Callable[[Any, Any], None]) -> Callable[[Any, Any], Any]:
    """A bad request gets success = false and the reason; the node stays alive whatever happens."""

    def answered(request: Any, response: Any) -> Any:
        try:
            call(request, response)
            success, message = True, ""
        except SpatialVLMError as error:
            success, message = False, str(error)
        except Exception as error:  # noqa: BLE001
            _log.exception("a service failed")
            success, message = False, f"{type(error).__name__}: {error}"
        if hasattr(response, "success"):
            response.success = success
            response.message = message or response.message
        elif not success:  # Ask
            answer = Answer(request.question, reason=Reason.MODEL_ERROR, detail=message)
            response.answer = answer_message(answer, Header())
        return response

    return answered
