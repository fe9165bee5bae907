"""The reward task of one camera: which, for which learner, and its state over the pictures. No rclpy in here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.models.estimate import Estimate
from spatialvlm_ros.models.query import Query
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
        step_s: seconds of a control step; 0: each picture is one.
        filtered: whether estimates are filtered over time.
    """

    task: RewardTask
    gamma: float
    mode: str
    step_s: float
    filtered: bool

    @staticmethod
    def of(task: str, settings: Settings) -> RewardRequest:
        """A task by name, sentence, file or YAML, for the learner that the parameters describe.

        Raises:
            ConfigError: no such task, or no discount.
        """
        found = task_of(task)
        if settings.reward_gamma <= 0:
            raise ConfigError(
                "a reward needs the discount of its learner", settings.reward_gamma, "Set the parameter reward_gamma."
            )
        return RewardRequest(
            found, settings.reward_gamma, settings.reward_mode, settings.reward_step_s, settings.filter
        )


class RewardWork:
    """The state of one request, fed with the estimates of each picture."""

    def __init__(self, request: RewardRequest) -> None:
        self.request = request
        # Invalid frames are NaN on the topic, so a learner leaves them out.
        filtered = FilterSettings() if request.filtered else None
        self._engine = RewardEngine(
            request.task, gamma=request.gamma, mode=request.mode, unseen=DROPPED, filtered=filtered
        )
        self._last_ns: int | None = None

    def queries(self) -> tuple[Query, ...]:
        """What has to be measured in each picture."""
        return self._engine.queries()

    def step(self, stamp_ns: int, answers: Mapping[Query, Estimate]) -> RewardFrame:
        """The reward of a picture.

        Args:
            stamp_ns: of the picture.
            answers: to all `queries`, valid or not.
        """
        estimates = [answers[query] for query in self.queries()]
        steps = self._steps_until(stamp_ns)
        self._last_ns = stamp_ns
        return self._engine.step(estimates, stamp_ns=stamp_ns, steps=steps)

    def reset(self) -> None:
        """A new episode: time has jumped."""
        self._engine.reset()
        self._last_ns = None

    def _steps_until(self, stamp_ns: int) -> int:
        if self._last_ns is None or self.request.step_s <= 0:
            return 1
        return max(1, round((stamp_ns - self._last_ns) * 1e-9 / self.request.step_s))
