"""One camera: from messages to answers. What arrives is worked on in the model's thread; nothing here knows rclpy."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from spatialvlm_ros.errors import TransformError
from spatialvlm_ros.geometry.frames import CanonicalFrame
from spatialvlm_ros.geometry.transforms import Transform
from spatialvlm_ros.models.estimate import Estimate, Reason
from spatialvlm_ros.models.gaps import with_gaps
from spatialvlm_ros.models.query import ObjectRef, Query
from spatialvlm_ros.models.spatial_vlm import SpatialVLM
from spatialvlm_ros.models.view import View
from spatialvlm_ros.reasoning.calls import awaited
from spatialvlm_ros.rewards.frames import RewardFrame
from spatialvlm_ros.ros.camera_tracks import CameraTracks
from spatialvlm_ros.ros.observations import CameraMessages, FrameRefusedError, ObservationBuilder, Seen, in_frame
from spatialvlm_ros.ros.parameters import Settings
from spatialvlm_ros.ros.refusals import NoPictureError, not_active, of_frame, refusal_of
from spatialvlm_ros.ros.reward_work import RewardRequest, RewardWork, Sight
from spatialvlm_ros.ros.standing import Standing
from spatialvlm_ros.ros.statistics import FrameTimes, Statistics
from spatialvlm_ros.ros.transform_store import TransformStore
from spatialvlm_ros.ros.worker import DeadlineError, ModelWorker
from spatialvlm_ros.tracking.object_tracks import TrackedObject
from spatialvlm_ros.tracking.quantity_filter import FilterBank, FilteredEstimate

_log = logging.getLogger(__name__)

T = TypeVar("T")

# The parameter that a part of `Standing` comes from, and those that describe the learner of a reward.
_OF_PARAMETER = {"queries": "queries", "target": "target", "known_sizes": "known_sizes", "reward": "reward_task"}
_OF_LEARNER = (
    *("reward_gamma", "reward_mode", "reward_step_s", "reward_ends_on_success", "reward_follow"),
    "filter",
)
_CHECK_S = 0.02  # between two looks whether a picture is still wanted
_INFO_GRACE_S = 1.0  # of a picture without CameraInfo: who asks waits so long for a better one
_FUTURE_NS = 500_000_000  # a stamp that is further ahead of the clock is no jitter


@dataclass(frozen=True)
class FrameResult:
    """Everything that is said of one picture.

    Attributes:
        messages: the picture.
        frame_id: of the optical frame.
        seen: None where the picture was refused.
        estimates: of the standing queries; filtered: the same over time, () when not filtered.
        objects: the located objects, tracked.
        target: the one of them that planners want.
        frame: the canonical frame of the view.
        to_target: takes points of the optical frame into the frame that numbers are published in; None where the two
            are not linked, and ``unplaced`` says why.
        has_task: whether there is a reward task.
        reward: of the task; None without one, and in a picture within a control step.
    """

    messages: CameraMessages
    frame_id: str
    seen: Seen | None
    estimates: tuple[Estimate, ...] = ()
    filtered: tuple[FilteredEstimate, ...] = ()
    objects: tuple[TrackedObject, ...] = ()
    target: TrackedObject | None = None
    frame: CanonicalFrame | None = None
    to_target: Transform | None = None
    unplaced: str = ""
    has_task: bool = False
    reward: RewardFrame | None = None


@dataclass(frozen=True)
class Looked:
    """A picture, and the model's view of it."""

    messages: CameraMessages
    seen: Seen
    view: View


class CameraUnit:
    """The work of one camera.

    Args:
        name: prefix of its topics, "" for the only camera.
        settings: of the node.
        worker: owner of the model.
        transforms: what is known of the frames.
        now_ns: the node's clock, nanoseconds; 0 while simulated time is not known.
        publish: is given each result, in the worker's thread; returns when all is published.
        wants_objects: whether somebody listens to located objects.
        image_topic, depth_topic: resolved names.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        worker: ModelWorker,
        transforms: TransformStore,
        now_ns: Callable[[], int],
        publish: Callable[[FrameResult], None],
        wants_objects: Callable[[], bool],
        image_topic: str = "image",
        depth_topic: str = "depth",
    ) -> None:
        self.name, self.statistics = name, Statistics()
        self.standing, self._changing = Standing.of(settings), threading.Lock()
        self._settings, self._worker, self._transforms, self._now_ns = settings, worker, transforms, now_ns
        self._publish, self._wants_objects = publish, wants_objects
        self.builder = ObservationBuilder(settings, transforms, image_topic, depth_topic)
        self._bank, self._tracks = FilterBank(), CameraTracks(settings.track_gap_s)
        self._reward: RewardWork | None = None
        self._newest: CameraMessages | None = None
        self._arrived = threading.Condition()
        self._looked: Looked | None = None
        self._last_offer = 0.0
        self._reset = self._closed = False
        self._stream = worker.open_stream(self._handle)

    @property
    def settings(self) -> Settings:
        """Of the node, as they are now."""
        return self._settings

    # ---- called by callbacks ----

    def offer(self, messages: CameraMessages) -> None:
        """The newest picture. Older than ``max_age_s`` or sooner than ``max_rate_hz`` allows: counted and left."""
        self.statistics.count("received")
        age = self._age_ns(messages)
        if age > self._settings.max_age_s * 1e9:
            text = f"a picture is {age * 1e-9:.1f} s old; a recording needs use_sim_time and ros2 bag play --clock"
            self.statistics.count("stale", text)
            return
        if age < -_FUTURE_NS:
            self.statistics.count("future", f"a picture is stamped {-age * 1e-9:.1f} s in the future")
        with self._arrived:
            self._newest = messages
            self._arrived.notify_all()
        rate = self._settings.max_rate_hz
        if rate and messages.received - self._last_offer < 1 / rate:
            self.statistics.count("throttled")
            return
        self._last_offer = messages.received
        self._worker.offer(self._stream, messages)

    def apply(self, settings: Settings) -> None:
        """Live parameters have changed; raises as `standing_under`, and nothing has changed then."""
        with self._changing:
            standing = self.standing_under(settings)
            before, self._settings, self.standing = self._settings, settings, standing
        if before.track_gap_s != settings.track_gap_s:
            self._tracks.change(settings.track_gap_s)

    def ask(self, change: Callable[[Standing], Standing]) -> Standing:
        """Something else is asked of every picture from now on; of two who change it at a time neither is lost.

        Args:
            change: what is asked now -> what is asked then; what it raises goes through, and nothing has changed.

        Returns:
            What is asked then.
        """
        with self._changing:
            self.standing = change(self.standing)
            return self.standing

    def standing_under(self, settings: Settings) -> Standing:
        """What is asked of every picture under other parameters. What a service set stays, unless its own parameter
        changed; its reward task goes on for the learner that they describe.

        Raises:
            ConfigError: as `Standing.of`, or a task that a service set has no discount any more.
        """
        before, fresh = self._settings, Standing.of(settings)

        def differs(name: str) -> bool:
            return bool(getattr(before, name) != getattr(settings, name))

        changed = {part: getattr(fresh, part) for part, name in _OF_PARAMETER.items() if differs(name)}
        current = self.standing.reward
        if "reward" not in changed and current is not None and any(map(differs, _OF_LEARNER)):
            changed["reward"] = RewardRequest.for_learner(current.task, settings)
        return replace(self.standing, **changed)

    def reset(self) -> None:
        """Forget tracks and filters before the next picture: time has jumped back."""
        self.statistics.count("resets", "time has jumped back: filters, tracks and the reward's episode begin anew")
        self._worker.withdraw(self._stream)  # of the time before: an episode that began with it would last until then
        self._reset = True
        with self._arrived:
            self._newest = None

    def end_episode(self, truncated: bool) -> None:
        """The next reward is the last of its episode; the picture after that begins another one.

        Raises:
            NoPictureError: there is no reward task, or no picture has begun an episode yet.
        """
        work = None if self._reset else self._reward  # after a reset the next picture begins another episode
        if self.standing.reward is None:
            raise NoPictureError(Reason.NOT_CONFIGURED, "no reward task is set", "Set one: set_task, or reward_task.")
        if work is None or work.request is not self.standing.reward or not work.end(truncated):
            raise NoPictureError(Reason.TIMEOUT, "no picture has begun an episode of this task", "Ask again later.")

    def replaced(self) -> int:
        """Pictures that were replaced by a newer one before the model had time."""
        return self._worker.replaced(self._stream)

    def close(self) -> None:
        """No more pictures; whoever waits for one is refused."""
        self._worker.close_stream(self._stream)
        with self._arrived:
            self._newest, self._closed = None, True
            self._arrived.notify_all()

    # ---- called by services, in their own threads ----

    def with_view(self, work: Callable[[Looked], T], deadline_s: float) -> T:
        """Does ``work`` on the view of the newest picture, in the model's thread, and waits for it.

        Raises:
            NoPictureError: no picture young enough, or its camera is not known.
            DeadlineError: not in time.
            SpatialVLMError: what the work raised.
        """
        end = time.monotonic() + deadline_s
        self.wait_for_picture(end)
        return self._waited(self._worker.call(lambda model: work(self._current(model)), end - time.monotonic()), end)

    def steps_with_view(self, work: Callable[[Looked], Generator[Any, None, T]], deadline_s: float) -> T:
        """The same with work in steps, which give way to standing queries."""
        end = time.monotonic() + deadline_s
        self.wait_for_picture(end)

        def steps(model: SpatialVLM) -> Generator[Any, None, T]:
            return (yield from work(self._current(model)))

        return self._waited(self._worker.steps(steps, end - time.monotonic()), end)

    def steps_with(self, messages: CameraMessages, work: Callable[[Looked], Generator[Any, None, T]], s: float) -> T:
        """The same about a picture that was sent along."""
        end = time.monotonic() + s

        def steps(model: SpatialVLM) -> Generator[Any, None, T]:
            return (yield from work(self._look(model, messages, self._seen_of_others(messages))))

        return self._waited(self._worker.steps(steps, s), end)

    def look(self, end: float, check: Callable[[], None]) -> Looked:
        """The newest picture, as `with_view` gives it; what ``check`` raises ends the waiting."""
        self.wait_for_picture(end, check)
        return awaited(self._worker.call(self._current, end - time.monotonic()), check)

    def call_on(self, looked: Looked, work: Callable[[Looked], T], end: float) -> Future[T]:
        """Does ``work`` on a picture that was looked at before; begins it until ``end`` (monotonic seconds)."""
        return self._worker.call(lambda _: work(looked), end - time.monotonic())

    def steps_on(self, looked: Looked, work: Callable[[Looked], Generator[Any, None, T]], end: float) -> Future[T]:
        """The same in steps, which give way to standing queries."""
        return self._worker.steps(lambda _: work(looked), end - time.monotonic())

    def wait_for_picture(self, end: float, check: Callable[[], None] | None = None) -> None:
        """Until there is one that is young enough.

        Args:
            end: monotonic seconds.
            check: asked again and again; what it raises ends the waiting.

        Raises:
            NoPictureError: there is none at ``end``, or the unit was closed.
        """
        with self._arrived:
            # The very first picture may come before the first CameraInfo.
            if not self._wait_for(self._is_whole, min(end, time.monotonic() + _INFO_GRACE_S), check):
                self._wait_for(self._is_fresh, end, check)
            if self._closed:
                raise not_active()
            if self._is_fresh():
                return
            old = self._newest is not None
        raise NoPictureError(
            Reason.STALE if old else Reason.TIMEOUT,
            "the newest picture is too old" if old else "no picture has come",
            "Does the camera publish, and is the topic remapped?",
        )

    def _wait_for(self, enough: Callable[[], bool], end: float, check: Callable[[], None] | None) -> bool:
        """With the lock; a unit that is closed ends it too."""
        most = _CHECK_S if check is not None else math.inf
        while (left := end - time.monotonic()) > 0:
            if self._arrived.wait_for(lambda: self._closed or enough(), min(left, most)):
                return True
            if check is not None and time.monotonic() < end:
                check()
        return self._closed or enough()

    @staticmethod
    def _waited(future: Future[T], end: float) -> T:
        try:
            return future.result(max(0.0, end - time.monotonic()) + 0.05)
        except FutureTimeoutError:
            future.cancel()
            raise DeadlineError("there was no answer before the deadline", remedy="Allow more time.") from None

    def _is_whole(self) -> bool:
        return self._is_fresh() and self._newest is not None and self._newest.info is not None

    def _is_fresh(self) -> bool:
        return self._newest is not None and self._age_ns(self._newest) <= self._settings.max_age_s * 1e9

    def _age_ns(self, messages: CameraMessages) -> int:
        """Of a picture; 0 where the stamp or the clock says nothing."""
        now, stamp = self._now_ns(), messages.stamp_ns
        return now - stamp if now > 0 and stamp > 0 else 0

    # ---- in the model's thread ----

    def _current(self, model: SpatialVLM) -> Looked:
        messages = self._newest
        if messages is None:
            raise not_active() if self._closed else NoPictureError(Reason.TIMEOUT, "no picture has come")
        if self._looked is not None and self._looked.messages is messages:
            return self._looked
        self._looked = self._look(model, messages, self._seen(messages))
        return self._looked

    def _seen(self, messages: CameraMessages) -> Seen:
        """The observation; its faults are counted."""
        try:
            seen = self.builder.build(messages)
        except FrameRefusedError as error:
            self.statistics.count(error.fault_name, str(error))
            raise of_frame(error) from error
        for name, detail in seen.faults.items():
            self.statistics.count(name, detail)
        return seen

    def _seen_of_others(self, messages: CameraMessages) -> Seen:
        """That of a picture which the camera did not take, and whose faults are not the camera's."""
        try:
            return self.builder.build(messages)
        except FrameRefusedError as error:
            raise of_frame(error) from error

    def _look(self, model: SpatialVLM, messages: CameraMessages, seen: Seen) -> Looked:
        view = model.look(seen.observation, self.standing.known_sizes, seen.gripper)
        return Looked(messages, seen, with_gaps(view, seen.faults))

    def _handle(self, model: SpatialVLM, messages: CameraMessages) -> None:
        started, waited = time.monotonic(), max(self._worker.free_since - messages.received, 0.0)
        if self._age_ns(messages) > self._settings.max_age_s * 1e9:
            self.statistics.count("stale", "a picture became too old while the model was busy")
            return
        if self._reset:
            self._reward = None  # first: who ends an episode meanwhile is refused by one of the two
            self._reset, self._looked = False, None
            self._bank.reset()
            self._tracks.reset()
        standing, locate = self.standing, self._wants_objects()
        if not standing.all_queries() and standing.reward is None and not standing.target and not locate:
            self.statistics.count("unasked")
            return
        clock = _ModelClock()
        try:
            result = self._result(model, messages, standing, standing.objects() if locate else (), clock)
        except NoPictureError as error:
            result = self._refused(messages, standing, error)
        except Exception as error:  # noqa: BLE001  whatever a model raises, those who listen hear why there is no answer
            result = self._refused(messages, standing, self._fault_of_model(error))
        try:
            self._publish(result)
        except Exception as error:
            self.statistics.count("unpublished", f"{type(error).__name__}: {error}")
            raise
        ended = time.monotonic()
        latency = max(self._age_ns(messages), 0) * 1e-9
        self.statistics.frame(FrameTimes(messages.received, started, ended, clock.seconds, latency, waited))

    def _result(
        self,
        model: SpatialVLM,
        messages: CameraMessages,
        standing: Standing,
        objects_wanted: tuple[ObjectRef, ...],
        clock: _ModelClock,
    ) -> FrameResult:
        seen = self._seen(messages)
        with clock:
            view = with_gaps(model.look(seen.observation, standing.known_sizes, seen.gripper), seen.faults)
            queries = standing.all_queries()
            answers = dict(zip(queries, view.measure_many(queries), strict=True))
            located = tuple(view.locate_many(objects_wanted)) if objects_wanted else ()
            frame = view.frame()
            work = self._reward_work(standing)
            sight = Sight(view, seen.gripper, seen.fixed_frame, seen.camera_pose)
            rewarded = [] if work is None else work.measured(sight, answers)
        self._looked = Looked(messages, seen, view)
        estimates, filtered = self._over_time(messages.stamp_ns, standing, answers)
        reward = None if work is None else work.step(messages.stamp_ns, rewarded)
        objects = self._tracks.update(messages.stamp_ns, seen, located)
        target = next((o for o in objects if o.name == standing.target), None) if standing.target else None
        to_target, unplaced = self._placing(seen, messages.stamp_ns)
        frame_id = seen.observation.frame_id
        return FrameResult(
            messages,
            frame_id,
            seen,
            estimates,
            filtered,
            objects,
            target,
            frame,
            to_target,
            unplaced,
            work is not None,
            reward,
        )

    def _placing(self, seen: Seen, stamp_ns: int) -> tuple[Transform | None, str]:
        """The way into the target frame, or why there is none; also counted where nobody listens to places."""
        try:
            return in_frame(seen, self._transforms, self._settings.target_frame, stamp_ns), ""
        except TransformError as error:
            sentence = f"{self._settings.target_frame!r} is not linked to the camera: {error}"
            self.statistics.count("target_frame", sentence)
            return None, sentence

    def _over_time(
        self, stamp_ns: int, standing: Standing, answers: Mapping[Query, Estimate]
    ) -> tuple[tuple[Estimate, ...], tuple[FilteredEstimate, ...]]:
        """The standing queries as they are and filtered."""
        estimates = tuple(answers[query] for query in standing.queries)
        return estimates, tuple(self._bank.update(stamp_ns, estimates)) if self._settings.filter else ()

    def _reward_work(self, standing: Standing) -> RewardWork | None:
        """That of the reward that is wanted now; each request begins an episode."""
        if standing.reward is None:
            self._reward = None
        elif self._reward is None or self._reward.request is not standing.reward:
            self._reward = RewardWork(standing.reward)
        return self._reward

    def _fault_of_model(self, error: Exception) -> NoPictureError:
        sentence = f"{type(error).__name__}: {error}"
        if self.statistics.count("model_error", sentence):
            _log.error("the model failed on a picture", exc_info=error)
        return NoPictureError(Reason.MODEL_ERROR, sentence)

    def _refused(self, messages: CameraMessages, standing: Standing, error: NoPictureError) -> FrameResult:
        answers = {query: refusal_of(query, error.reason, str(error)) for query in standing.queries}
        estimates, filtered = self._over_time(messages.stamp_ns, standing, answers)
        work = self._reward_work(standing)
        unseen = [refusal_of(query, error.reason, str(error)) for query in (work.queries() if work else ())]
        reward = None if work is None else work.step(messages.stamp_ns, unseen)
        frame_id = messages.image.header.frame_id
        has_task = work is not None
        return FrameResult(messages, frame_id, None, estimates, filtered, has_task=has_task, reward=reward)


class _ModelClock:
    """Adds up the seconds in the model."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> None:
        self._began = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.monotonic() - self._began
