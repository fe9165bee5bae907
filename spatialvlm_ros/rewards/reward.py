"""From the estimates of each frame to rewards that a learner can be given.

engine = RewardEngine(task_of("put the apple into the bowl"), gamma=0.99)
engine.reset()
start = engine.step(model.look(first_picture).measure_many(engine.queries()))   # the first frame pays nothing
for picture, over in episode:
    frame = engine.step(model.look(picture).measure_many(engine.queries()), terminated=over)
    learner.give(frame.reward)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialvlm_ros.errors import ConfigError, QueryError
from spatialvlm_ros.models.estimate import Estimate
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.rewards.errors_over_time import LastError
from spatialvlm_ros.rewards.frames import RewardFrame, RewardFrames
from spatialvlm_ros.rewards.layout import Layout
from spatialvlm_ros.rewards.measured import Measured, lined_up
from spatialvlm_ros.rewards.potential import potentials
from spatialvlm_ros.rewards.progress import Progress
from spatialvlm_ros.rewards.shaping import KEPT, MOST_GROWTH, Discount, Shaping
from spatialvlm_ros.rewards.task import RewardTask
from spatialvlm_ros.rewards.templates import task_of
from spatialvlm_ros.scenes.relations import RELATIONS
from spatialvlm_ros.tracking.quantity_filter import FilterBank
from spatialvlm_ros.tracking.settings import FilterSettings

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

POTENTIAL, ABSOLUTE = "potential", "absolute"
MODES = (POTENTIAL, ABSOLUTE)


@dataclass(frozen=True)
class EngineSettings:
    """How rewards are made of a task; see `BatchRewardEngine`."""

    discount: Discount
    mode: str = POTENTIAL
    ends_on_success: bool = False
    filtered: FilterSettings | None = None

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ConfigError("unknown mode of a reward", self.mode, f"Pass one of {', '.join(MODES)}.")


class BatchRewardEngine:
    """The rewards of B environments side by side.

    Args:
        task: a `RewardTask`, or anything that `task_of` takes.
        n: B.
        gamma: the learner's discount per control step, over 0 and up to 1.
        mode: "potential": base + gamma^k Phi - Phi before, which changes no optimal policy; "absolute": base + Phi.
        every: control steps from one frame to the next.
        unseen: what the learner does with frames that are not valid: "kept" or "dropped" (see `Discount`).
        ends_on_success: a success ends the episode, as if ``terminated`` were given.
        filtered: filter the lengths over time with these settings; then each step needs stamps.
        most_growth: see `Discount`.

    Raises:
        ConfigError: a value out of its range, or no such task.

    Attributes:
        settings: as given.
    """

    def __init__(
        self,
        task: RewardTask | Mapping[str, Any] | str,
        n: int,
        *,
        gamma: float,
        mode: str = POTENTIAL,
        every: int = 1,
        unseen: str = KEPT,
        ends_on_success: bool = False,
        filtered: FilterSettings | None = None,
        most_growth: float = MOST_GROWTH,
    ) -> None:
        if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
            raise ConfigError("a batch has at least one environment", n, "Pass their number.")
        discount = Discount(gamma, every, unseen, most_growth)
        self.settings = EngineSettings(discount, mode, ends_on_success, filtered)
        self._n = int(n)
        self.set_task(task)

    def __len__(self) -> int:
        return self._n

    @property
    def task(self) -> RewardTask:
        """The task whose rewards these are."""
        return self._layout.task

    @property
    def gamma(self) -> float:
        """The learner's discount per control step."""
        return float(self.settings.discount.gamma)

    def queries(self) -> tuple[Query, ...]:
        """What has to be measured in each frame, for `View.measure_many`."""
        return self.task.queries

    def set_task(self, task: RewardTask | Mapping[str, Any] | str) -> None:
        """Reward another task from now on: the next frame is the first of a new episode, in all environments."""
        self._layout = Layout.of(task_of(task))
        self._progress = Progress(self._layout, self._n)
        self._shaping = Shaping(self.settings.discount, self._n)
        self._last = LastError(self._n, self.settings.filtered)
        self._banks = [FilterBank(self.settings.filtered) for _ in range(self._n)]

    def reset(self, rows: ArrayLike | None = None) -> None:
        """The next frame is the first of a new episode, in all environments or those where (B,) ``rows`` is true."""
        chosen = np.ones(self._n, dtype=bool) if rows is None else np.asarray(rows, dtype=bool)
        if chosen.shape != (self._n,):
            raise QueryError("reset takes one flag per environment", chosen.shape, f"Expected ({self._n},).")
        self._progress.reset(chosen)
        self._shaping.reset(chosen)

    def step(
        self,
        rows: Sequence[Sequence[Estimate]],
        terminated: ArrayLike = False,
        truncated: ArrayLike = False,
        *,
        stamps_ns: Sequence[int] | None = None,
        steps: ArrayLike | None = None,
    ) -> RewardFrames:
        """The rewards of one frame of each environment. The frame after an end is the first of the next episode.

        Args:
            rows: for each environment the estimates of all `queries`, in any order.
            terminated, truncated: (B,) or one for all: the episode ends with this frame.
            stamps_ns: of the frames, nanoseconds; needed where estimates are filtered, and used for ``reward_std``.
            steps: (B,) control steps since the frame before, where it is not ``every``.

        Raises:
            QueryError: a quantity was not measured, or not one row per environment.
            ConfigError: filtered, and no stamps.
        """
        if len(rows) != self._n:
            raise QueryError("estimates need one row per environment", len(rows), f"Expected {self._n}.")
        lined = [lined_up(row, self.task.queries) for row in rows]
        if self.settings.filtered is not None:
            if stamps_ns is None:
                raise ConfigError("filtering over time needs stamps", None, "Pass stamps_ns, of the pictures.")
            for index in np.flatnonzero(~self._shaping.running).tolist():
                self._banks[index].reset()
            lined = [self._filtered(*each) for each in zip(self._banks, stamps_ns, lined, strict=True)]
        frames = self.step_measured(Measured.of(lined), terminated, truncated, stamps_ns=stamps_ns, steps=steps)
        return replace(frames, rows=lined)

    def step_measured(
        self,
        measured: Measured,
        terminated: ArrayLike = False,
        truncated: ArrayLike = False,
        *,
        stamps_ns: Sequence[int] | None = None,
        steps: ArrayLike | None = None,
    ) -> RewardFrames:
        """`step` for quantities that are arrays already (columns in the order of `queries`); not filtered."""
        if measured.value.shape != (self._n, len(self.task.queries)):
            expected = f"Expected ({self._n}, {len(self.task.queries)})."
            raise QueryError("values need one row per environment", measured.value.shape, expected)
        first = ~self._shaping.running
        self._progress.reset(first)
        judged = self._progress.judge(measured)
        found = potentials(self._layout, measured, judged.phase)
        seen = found.valid & judged.phase_known
        over = self._flags(terminated) | (judged.success & self.settings.ends_on_success)
        cut = self._flags(truncated)
        taken = self._steps(steps)
        base = np.where(judged.success, self.task.success.reward, 0.0)
        absolute = self.settings.mode == ABSOLUTE
        paid = self._shaping.pay(found.value, seen, over, cut, taken)
        stds = self._last.of_rewards(found, seen, judged.phase, paid, first, over, stamps_ns)
        known = seen | (over & (not absolute))
        potential = found.value if absolute else np.where(over, 0.0, found.value)
        bonus = np.where(seen, found.value, 0.0) if absolute else paid.shaping
        return RewardFrames(
            reward=base + bonus,
            reward_std=np.where(seen, found.std, 0.0) if absolute else stds,
            base=base,
            shaping=bonus,
            potential=np.where(known, potential, np.nan),
            valid=known,
            steps=np.where(first, 0, taken).astype(np.int64),
            terminated=over,
            truncated=cut,
            settled=paid.settled & (not absolute),
            potentials=found,
            judged=judged,
            measured=measured,
            layout=self._layout,
        )

    def _filtered(self, bank: FilterBank, stamp_ns: int, estimates: Sequence[Estimate]) -> list[Estimate]:
        """Lengths, smoothed. What was not measured in this frame stays so: a prediction is no measurement.

        Predicates stay as they are: what holds them steady is the hysteresis of the phases, and averaged ones would
        come to each phase half a second late.
        """
        lengths = [e for e in estimates if not RELATIONS[e.relation].predicate]
        smooth = iter(bank.update(stamp_ns, lengths))
        made = []
        for estimate in estimates:
            filtered = estimate if RELATIONS[estimate.relation].predicate else next(smooth).estimate
            made.append(filtered if estimate.valid else estimate)
        return made

    def _flags(self, given: ArrayLike) -> Bool:
        return np.broadcast_to(np.asarray(given, dtype=bool), (self._n,)).copy()

    def _steps(self, given: ArrayLike | None) -> Float:
        steps = np.asarray(self.settings.discount.every if given is None else given, dtype=np.float64)
        if not (np.isfinite(steps) & (steps >= 1) & (steps == np.floor(steps))).all():
            raise ConfigError("steps are not whole numbers from 1", given, "Pass the control steps since the frame.")
        return np.broadcast_to(steps, (self._n,)).copy()


class RewardEngine:
    """The rewards of one environment, robot or recording; the arguments are those of `BatchRewardEngine`."""

    def __init__(
        self, task: RewardTask | Mapping[str, Any] | str, *, gamma: float, mode: str = POTENTIAL, **options: Any
    ) -> None:
        self._one = BatchRewardEngine(task, 1, gamma=gamma, mode=mode, **options)

    @property
    def task(self) -> RewardTask:
        """The task whose rewards these are."""
        return self._one.task

    @property
    def gamma(self) -> float:
        """The learner's discount per control step."""
        return self._one.gamma

    @property
    def settings(self) -> EngineSettings:
        """As given."""
        return self._one.settings

    def queries(self) -> tuple[Query, ...]:
        """What has to be measured in each frame, for `View.measure_many`."""
        return self._one.queries()

    def set_task(self, task: RewardTask | Mapping[str, Any] | str) -> None:
        """Reward another task from now on; the next frame is the first of a new episode."""
        self._one.set_task(task)

    def reset(self) -> None:
        """The next frame is the first of a new episode."""
        self._one.reset()

    def step(
        self,
        estimates: Sequence[Estimate],
        terminated: bool = False,
        truncated: bool = False,
        *,
        stamp_ns: int | None = None,
        steps: int | None = None,
    ) -> RewardFrame:
        """The reward of one frame; see `BatchRewardEngine.step`."""
        stamps = None if stamp_ns is None else [stamp_ns]
        return self._one.step([estimates], terminated, truncated, stamps_ns=stamps, steps=steps).frame(0)
