"""The reward task of one camera: which, for which learner, and its state over the pictures. No rclpy in here."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.geometry.transforms import Transform
from spatialvlm_ros.models.estimate import Estimate
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.models.view import View
from spatialvlm_ros.rewards.control_steps import ControlSteps
from spatialvlm_ros.rewards.following.follower import Follower
from spatialvlm_ros.rewards.frames import RewardFrame
from spatialvlm_ros.rewards.reward import RewardEngine
from spatialvlm_ros.rewards.shaping import DROPPED
from spatialvlm_ros.rewards.task import RewardTask
from spatialvlm_ros.rewards.templates import task_of
from spatialvlm_ros.ros.parameters import Settings
from spatialvlm_ros.tracking.settings import FilterSettings


@dataclass(frozen=True, eq=False)
class RewardRequest:
    """What rewards are wanted. Each request is an episode of its own, also when it repeats the one before.

    Attributes:
        task: what is to be done.
        gamma: discount of the learner per control step.
        mode: "potential" or "absolute".
        step_s: seconds of a control step, each with the reward of one picture; 0: each picture is one.
        filtered: whether estimates are filtered over time.
        follow: whether objects are followed from picture to picture.
        ends_on_success: whether a success terminates the episode.
    """

    task: RewardTask
    gamma: float
    mode: str
    step_s: float
    filtered: bool
    follow: bool = False
    ends_on_success: bool = False

    @staticmethod
    def of(task: str, settings: Settings) -> RewardRequest:
        """A task by name, sentence, file or YAML, for the learner that the parameters describe.

        Raises:
            ConfigError: no such task, or no discount.
        """
        return RewardRequest.for_learner(task_of(task), settings)

    @staticmethod
    def for_learner(task: RewardTask, settings: Settings) -> RewardRequest:
        """A task for the learner that the parameters describe.

        Raises:
            ConfigError: no discount.
        """
        if settings.reward_gamma <= 0:
            raise ConfigError(
                "a reward needs the discount of its learner", settings.reward_gamma, "Set the parameter reward_gamma."
            )
        return RewardRequest(
            task,
            settings.reward_gamma,
            settings.reward_mode,
            settings.reward_step_s,
            settings.filter,
            settings.reward_follow,
            settings.reward_ends_on_success,
        )


@dataclass(frozen=True)
class Sight:
    """A picture that was looked at.

    Attributes:
        view: of the model.
        gripper: (3,) tool centre point in the optical frame, metres, or None.
        fixed_frame, camera_pose: name of a frame that stands still, and what takes the optical frame into it; "" and
            None where none is known.
    """

    view: View
    gripper: NDArray[np.float64] | None = None
    fixed_frame: str = ""
    camera_pose: Transform | None = None


class End(str, Enum):
    """How an episode ends."""

    TERMINATED = "terminated"
    TRUNCATED = "truncated"


class RewardWork:
    """The state of one request, fed with each picture in the model's thread. Others may end its episode."""

    def __init__(self, request: RewardRequest) -> None:
        self.request = request
        # Invalid frames are NaN on the topic, so a learner leaves them out.
        filtered = FilterSettings() if request.filtered else None
        self._engine = RewardEngine(
            request.task,
            gamma=request.gamma,
            mode=request.mode,
            unseen=DROPPED,
            ends_on_success=request.ends_on_success,
            filtered=filtered,
        )
        self._follower = Follower() if request.follow else None
        self._fixed_frame = ""  # in which the follower remembers places
        self._steps = ControlSteps(request.step_s)
        self._lock = threading.RLock()
        self._running = False
        self._end: End | None = None

    def end(self, truncated: bool) -> bool:
        """The next reward is the last of the episode. From any thread.

        Args:
            truncated: the episode is cut, and keeps its potential; else it is terminated, with the next picture.

        Returns:
            False where no picture has begun an episode yet.
        """
        with self._lock:
            if self._running:
                self._end = End.TRUNCATED if truncated else End.TERMINATED
            return self._running

    def queries(self) -> tuple[Query, ...]:
        """What has to be known of each picture."""
        return self._engine.queries()

    def measured(self, sight: Sight, answers: Mapping[Query, Estimate]) -> list[Estimate]:
        """The estimates of all `queries`, in the model's thread.

        Args:
            sight: of the picture.
            answers: to standing queries; those of the reward are among them where nothing is followed.
        """
        if self._follower is None:
            return [answers[query] for query in self.queries()]
        if self._fixed_frame and not sight.fixed_frame:  # the camera has moved nobody knows where
            return sight.view.measure_many(self.queries())
        if sight.fixed_frame != self._fixed_frame:
            self._fixed_frame = sight.fixed_frame
            self._follower.reset()  # it remembers places of another frame
        return self._follower.measure(sight.view, self.queries(), sight.gripper, sight.camera_pose)

    def step(self, stamp_ns: int, estimates: Sequence[Estimate]) -> RewardFrame | None:
        """The reward of a picture; None for one that comes before the next control step is over.

        Args:
            stamp_ns: of the picture.
            estimates: of all `queries`, valid or not, in order.
        """
        with self._lock:
            over, cut = self._end is End.TERMINATED, self._end is End.TRUNCATED
            steps = self._steps.until(stamp_ns, over)
            if not steps:
                return None
            self._running = True
            frame = self._engine.step(estimates, over, cut, stamp_ns=stamp_ns, steps=steps)
            if frame.terminated or frame.truncated:
                self.reset()
            return frame

    def reset(self) -> None:
        """The next picture begins an episode."""
        with self._lock:
            self._engine.reset()
            if self._follower is not None:
                self._follower.reset()
                self._fixed_frame = ""  # the next one has what frame there is then
            self._steps.reset()
            self._end, self._running = None, False
