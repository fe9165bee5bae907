"""The node from your own Python: plain calls, no messages.

    from spatialvlm_ros.ros.client import SpatialClient

    with SpatialClient() as vlm:  # a node and a thread of its own; or SpatialClient(node=my_spinning_node)
        gap = vlm.measure("red mug", "bowl", "gap")
        if gap.valid:
            low, high = gap.interval
            print(f"{gap.value:.2f} m, with 90% between {low:.2f} and {high:.2f}")
        else:
            print(gap.reason, gap.detail)  # never an exception because something is not seen

        print(vlm.locate("red mug").position)  # (3,) metres, optical frame
        print(vlm.ask("Which is taller, the red mug or the bowl?").text)

        vlm.set_queries(["distance: gripper | red mug", "height: red mug"])
        for picture in vlm.estimates():  # as the camera runs
            print([f"{e.value:.3f}" if e.valid else str(e.reason) for e in picture.estimates])

Whatever is asked returns within ``timeout_s``: measurements, objects and answers then say `Reason.TIMEOUT`. Calls may
come from several threads, but not from a callback of a given node's single executor thread, which they wait for.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import RemoteError
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.models.estimate import Answer, Estimate, LocatedObject, Reason
from spatialvlm_ros.models.query import ObjectRef, Query
from spatialvlm_ros.reasoning.steps import ReasoningStep, Solution
from spatialvlm_ros.ros.client_goals import ReasoningGoal, client_closed, solution_of
from spatialvlm_ros.ros.client_node import ClientNode
from spatialvlm_ros.ros.from_messages import (
    PictureEstimates,
    answer_from,
    estimate_from,
    estimates_from,
    located_from,
)
from spatialvlm_ros.ros.interfaces import interfaces
from spatialvlm_ros.ros.latest import Latest
from spatialvlm_ros.ros.request_messages import (
    as_queries,
    camera_message,
    object_text,
    picture_message,
    query_message,
)
from spatialvlm_ros.ros.topics import INTERFACES
from spatialvlm_ros.ros.worker import DeadlineError
from spatialvlm_ros.scenes.relations import Relation

TIMEOUT_S = 5.0
REASONING_S = 60.0
_POLL_S = 0.02
_ON_THE_WAY_S = 0.1  # the node has so much less time than the caller waits


class SpatialClient:
    """Calls the node's services and actions and listens to its estimates.

    Args:
        node: an rclpy node that spins in another thread; None makes one that is ended by `close`.
        server: name of the node.
        camera: of the node's parameter ``cameras``; "" where it has but one.
        timeout_s: most seconds for a call, unless the call says otherwise.

    Raises:
        MissingDependencyError: the interfaces of this package were not built.
    """

    def __init__(
        self, node: Any = None, server: str = "/spatialvlm", camera: str = "", timeout_s: float = TIMEOUT_S
    ) -> None:
        from rclpy.callback_groups import ReentrantCallbackGroup

        interfaces()
        self._server, self._camera, self.timeout_s = server.rstrip("/"), camera, float(timeout_s)
        self._own = ClientNode() if node is None else None
        self._node = node if self._own is None else self._own.node
        # The default group lets one callback run at a time: a caller in a callback would wait for itself.
        self._group = ReentrantCallbackGroup()
        self._lock = threading.Lock()
        self._clients: dict[str, Any] = {}
        self._actions: dict[str, Any] = {}
        self._streams: dict[str, tuple[Any, Latest[Any]]] = {}
        self._waiting: set[threading.Event] = set()  # of calls that have no answer yet
        self._goals: weakref.WeakSet[ReasoningGoal] = weakref.WeakSet()
        self._closed = False
        # Also when nobody closes it: a thread in the middleware at the end of Python aborts the process.
        self._at_exit = None if self._own is None else weakref.finalize(self, self._own.close)

    def __enter__(self) -> SpatialClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends everything that this client made; whoever waits for estimates gets no more, for an answer an error."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            for waiting in self._waiting:
                waiting.set()
            for goal in self._goals:
                goal.close()
        for _, latest in self._streams.values():
            latest.close()
        if self._at_exit is not None:
            self._at_exit()
            return
        for client in self._clients.values():
            self._node.destroy_client(client)
        for subscription, _ in self._streams.values():
            self._node.destroy_subscription(subscription)
        # Action clients stay with the node: an executor that waits for one that is destroyed comes down.

    # ---- questions ----

    def measure(
        self,
        subject: ObjectRef,
        reference: ObjectRef | None = None,
        relation: Relation | str = Relation.DISTANCE,
        timeout_s: float | None = None,
    ) -> Estimate:
        """One quantity in the newest picture.

        Args:
            subject: name, "camera", "gripper", or a `Region` of pixels.
            reference: the other object; None for quantities of one object.
            relation: a `Relation` or its name.
            timeout_s: most seconds; None takes the client's.

        Raises:
            QueryError, RelationError: it cannot be asked for.
            RemoteError: the node refuses it, or this client is closed.
        """
        return self.measure_many([Query(subject, reference, relation)], timeout_s)[0]

    def measure_many(self, queries: Sequence[Query | str], timeout_s: float | None = None) -> list[Estimate]:
        """Many quantities of the same picture, one `Estimate` per query.

        Args:
            queries: a string is a line ``relation: subject | reference``.
            timeout_s: most seconds; None takes the client's.

        Raises:
            ConfigError: a line is no query.
            RemoteError: the node refuses them, or this client is closed.
        """
        asked = as_queries(queries)
        if not asked:
            return []
        try:
            response = self._call("measure", timeout_s, queries=[query_message(q) for q in asked])
        except DeadlineError as error:
            return [_refused(query, str(error)) for query in asked]
        _require(response)
        return [estimate_from(message) for message in response.estimates]

    def locate(self, name: ObjectRef, timeout_s: float | None = None) -> LocatedObject:
        """Where an object is in the newest picture: box in pixels, position in metres in the optical frame.

        Raises:
            RemoteError: the node refuses it, or this client is closed.
        """
        return self.locate_many([name], timeout_s)[0]

    def locate_many(self, names: Sequence[ObjectRef], timeout_s: float | None = None) -> list[LocatedObject]:
        """Several objects in the same picture, one `LocatedObject` per name; raises as `locate`."""
        try:
            response = self._call("locate", timeout_s, names=[object_text(name) for name in names])
        except DeadlineError as error:
            return [LocatedObject(str(name), reason=Reason.TIMEOUT, detail=str(error)) for name in names]
        _require(response)
        return [located_from(message) for message in response.objects]

    def ask(
        self,
        question: str,
        image: NDArray[np.uint8] | None = None,
        camera: Camera | None = None,
        timeout_s: float | None = None,
    ) -> Answer:
        """A question in words.

        Args:
            question: about the picture.
            image: (H, W, 3) uint8 to ask about; None takes the newest picture of the camera.
            camera: of ``image``; without it metres are refused.
            timeout_s: most seconds; None takes the client's.

        Raises:
            ObservationError: no such picture.
            RemoteError: this client is closed.
        """
        sent: dict[str, Any] = {} if image is None else {"image": picture_message(image)}
        if camera is not None:
            sent["camera_info"] = camera_message(camera)
        try:
            return answer_from(self._call("ask", timeout_s, question=question, **sent).answer)
        except DeadlineError as error:
            return Answer(question, reason=Reason.TIMEOUT, detail=str(error))

    def reason(
        self,
        question: str,
        on_step: Callable[[ReasoningStep], None] | None = None,
        timeout_s: float = REASONING_S,
        max_steps: int = 0,
        set_target: bool = False,
    ) -> Solution:
        """A question that takes several steps: an answer that holds them.

        Ctrl-C, and whatever ``on_step`` raises, cancel it in the node.

        Args:
            question: in words.
            on_step: called with each step as it comes, in this thread.
            timeout_s: most seconds for all of it.
            max_steps: 0 takes the node's default.
            set_target: where it concludes with one located object, make that the node's target, as `set_target` does;
                the name is ``solution.conclusion.object``, "" where the target stays what it was.

        Raises:
            RemoteError: this client is closed, or was while it waited.
        """
        try:
            goal = self.start_reason(question, timeout_s, max_steps, set_target)
        except DeadlineError as error:
            return solution_of(Answer(question, reason=Reason.TIMEOUT, detail=str(error)))
        try:
            for step in goal.steps():
                if on_step is not None:
                    on_step(step)
        except BaseException:
            if not self._closed:  # closing has cancelled it
                goal.cancel()
                goal.result()
            raise
        return goal.result()

    def start_reason(
        self, question: str, timeout_s: float = REASONING_S, max_steps: int = 0, set_target: bool = False
    ) -> ReasoningGoal:
        """The same without waiting: the goal gives its steps and can be cancelled.

        Raises:
            DeadlineError: there is no such action.
            RemoteError: this client is closed.
        """
        end = time.monotonic() + timeout_s
        client = self._action("reason")
        self._wait_ready(client.server_is_ready, self._name("reason"), end)
        left = end - time.monotonic()
        goal = interfaces().action.Reason.Goal(
            question=question, max_steps=max_steps, deadline_s=_given(left), set_target=set_target
        )
        with self._lock:
            self._check_open()
            sent = ReasoningGoal(question, lambda told: client.send_goal_async(goal, feedback_callback=told), left)
            self._goals.add(sent)
        return sent

    # ---- what the node does with every picture ----

    def set_queries(self, queries: Sequence[Query | str], append: bool = False) -> str:
        """Change the standing queries; the node's message.

        Args:
            queries: a string is a line ``relation: subject | reference``.
            append: keep those that are there.

        Raises:
            ConfigError: a line is no query.
            DeadlineError: the node does not answer.
            RemoteError: the node refuses them, or this client is closed.
        """
        asked = [query_message(q) for q in as_queries(queries)]
        return str(_require(self._call("set_queries", None, queries=asked, append=append)).message)

    def set_target(self, target: str) -> str:
        """Choose the object whose pose is published, by name or sentence; the name that was understood.

        Raises:
            DeadlineError, RemoteError: as `set_queries`.
        """
        return str(_require(self._call("set_target", None, target=target)).name)

    def end_episode(self, truncated: bool = False) -> None:
        """End the episode of the reward: the next reward is its last.

        Args:
            truncated: it is cut and keeps its potential; else it is terminated, and its potential is 0 by definition.

        Raises:
            DeadlineError, RemoteError: as `set_queries`.
        """
        _require(self._call("end_episode", None, truncated=truncated))

    def set_task(self, task: str) -> str:
        """Choose the reward task, by name, sentence or YAML; the specification that is now used, as YAML.

        Raises:
            DeadlineError, RemoteError: as `set_queries`.
        """
        return str(_require(self._call("set_task", None, task=task)).task)

    def estimates(self, filtered: bool = False, timeout_s: float | None = None) -> Iterator[PictureEstimates]:
        """The standing queries of each picture, the newest ones only; it ends when the client is closed.

        It begins with the first picture that comes after this call. Where nothing comes for ``timeout_s``, the same
        queries are given without answers (`Reason.TIMEOUT`).

        Args:
            filtered: over time, with rates of change (``distances_filtered``).
            timeout_s: None takes the client's.

        Raises:
            RemoteError: this client is closed, or a message is of another version.
        """
        latest = self._stream(_topic(filtered))
        return self._newer(latest, latest.get()[0], self.timeout_s if timeout_s is None else timeout_s)

    def latest_estimates(self, filtered: bool = False) -> PictureEstimates | None:
        """What came last since the first call of this or `estimates`, at once; None where nothing came."""
        message = self._stream(_topic(filtered)).get()[1]
        return None if message is None else estimates_from(message)

    # ---- parts ----

    @staticmethod
    def _newer(latest: Latest[Any], seen: int, timeout_s: float) -> Iterator[PictureEstimates]:
        """What comes after the first ``seen`` messages."""
        while True:
            number, message = latest.newer(seen, timeout_s)
            if latest.closed:
                return
            picture = PictureEstimates() if message is None else estimates_from(message)
            yield picture if number > seen else picture.late(f"no picture for {timeout_s:g} s")
            seen = number

    def _name(self, interface: str) -> str:
        return INTERFACES[interface].topic(self._camera).replace("~", self._server, 1)

    def _call(self, service: str, timeout_s: float | None, **fields: Any) -> Any:
        """The response.

        Raises:
            DeadlineError: the service is not there, or did not answer in time.
            RemoteError: this client is closed, or was while it waited.
        """
        allowed = self.timeout_s if timeout_s is None else timeout_s
        end = time.monotonic() + allowed
        client = self._client(service)
        self._wait_ready(client.service_is_ready, self._name(service), end)
        request = client.srv_type.Request(**fields)
        if hasattr(request, "deadline_s"):
            request.deadline_s = _given(end - time.monotonic())
        answered = threading.Event()
        with self._lock:
            self._check_open()
            self._waiting.add(answered)
            future = client.call_async(request)
        future.add_done_callback(lambda _: answered.set())
        in_time = answered.wait(max(end - time.monotonic(), 0.0))
        with self._lock:
            self._waiting.discard(answered)
            if not future.done():
                self._check_open()
        if not in_time:
            client.remove_pending_request(future)
            spins = "" if self._own is not None else " Does the node that was given spin in another thread?"
            raise DeadlineError(f"{self._name(service)} did not answer within {allowed:g} s", remedy=spins.strip())
        return future.result()

    def _wait_ready(self, is_ready: Callable[[], bool], name: str, end: float) -> None:
        while True:
            with self._lock:  # what is asked is destroyed when the client is closed
                self._check_open()
                if is_ready():
                    return
            if time.monotonic() > end:
                raise DeadlineError(f"there is no {name}", remedy="Does the node run, with this ROS_DOMAIN_ID?")
            time.sleep(_POLL_S)

    def _check_open(self) -> None:
        if self._closed:
            raise client_closed()

    def _client(self, service: str) -> Any:
        def make() -> Any:
            kind = getattr(interfaces().srv, INTERFACES[service].type.rsplit("/", 1)[-1])
            return self._node.create_client(kind, self._name(service), callback_group=self._group)

        return self._made(self._clients, service, make)

    def _action(self, action: str) -> Any:
        def make() -> Any:
            from spatialvlm_ros.ros.action_clients import PatientActionClient

            kind = getattr(interfaces().action, INTERFACES[action].type.rsplit("/", 1)[-1])
            return PatientActionClient(self._node, kind, self._name(action), callback_group=self._group)

        return self._made(self._actions, action, make)

    def _stream(self, topic: str) -> Latest[Any]:
        def make() -> tuple[Any, Latest[Any]]:
            from spatialvlm_ros.ros.qos_events import QUIET_SUBSCRIPTION

            latest: Latest[Any] = Latest()
            kind, name = interfaces().msg.EstimateArray, self._name(topic)
            subscription = self._node.create_subscription(
                kind, name, latest.put, 1, callback_group=self._group, **QUIET_SUBSCRIPTION
            )
            return subscription, latest

        return self._made(self._streams, topic, make)[1]

    def _made(self, made: dict[str, Any], name: str, make: Callable[[], Any]) -> Any:
        with self._lock:
            self._check_open()
            if name not in made:
                made[name] = make()
            return made[name]


def _topic(filtered: bool) -> str:
    return "distances_filtered" if filtered else "distances"


def _given(seconds: float) -> float:
    """How long the node may take where the caller waits so long."""
    return max(seconds - _ON_THE_WAY_S, seconds / 2, 0.01)


def _refused(query: Query, detail: str) -> Estimate:
    reference = "" if query.reference is None else str(query.reference)
    return Estimate.invalid(query.kind, str(query.subject), reference, Reason.TIMEOUT, query.unit, detail)


def _require(response: Any) -> Any:
    """A response that says success.

    Raises:
        RemoteError: it does not.
    """
    if not response.success:
        raise RemoteError(f"the node refuses: {str(response.message).removesuffix('.')}")
    return response
