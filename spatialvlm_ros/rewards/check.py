"""Is a reward what potential-based shaping has to be? `check_reward` plays it, or reads it, and says what is wrong.

With r_t = base_t + F_t the discounted sum of all F over an episode must be gamma^T Phi_T - Phi_0, whatever the robot
did and whatever was not seen; only then are the best policies with the reward those without it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from spatialvlm_ros.errors import ConfigError, DatasetError
from spatialvlm_ros.rewards.check_sources.playing import played
from spatialvlm_ros.rewards.check_sources.steps import Episode, Played, Playing, RewardStep
from spatialvlm_ros.rewards.reward import ABSOLUTE, MODES, POTENTIAL
from spatialvlm_ros.rewards.shaping import KEPT, Discount

_MOST_FINDINGS = 100


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        check: which one: finite, bounds, terminal, step, unseen, sum, gamma, repeat, or missing: nothing can be proved.
        episode, frame: where, from 0; -1 for all of them.
        message: one sentence for people.
        value, expected: numbers where there are such, else NaN.
    """

    check: str
    episode: int
    frame: int
    message: str
    value: float = math.nan
    expected: float = math.nan


@dataclass(frozen=True)
class RewardReport:
    """What was checked and what is wrong.

    Attributes:
        findings: about 100 at most; none if all is well.
        episodes, frames, unseen: how many of them were checked; unseen frames have no potential.
        worst: largest difference between a sum of shaping rewards and what it must be.
        gamma: the discount that was checked.
    """

    findings: tuple[Finding, ...]
    episodes: int
    frames: int
    unseen: int
    worst: float
    gamma: float

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    def raise_if_wrong(self) -> None:
        """Raises `ConfigError` with the first finding."""
        if self.findings:
            first = self.findings[0]
            where = f"{len(self.findings)} findings, the first: {first.check}, episode {first.episode}"
            raise ConfigError(f"this reward is wrong ({where}, frame {first.frame})", first.value, first.message)

    def __str__(self) -> str:
        head = (
            f"{self.frames} frames of {self.episodes} episodes, {self.unseen} unseen, gamma {self.gamma:g}: "
            f"{'all is well' if self.ok else f'{len(self.findings)} findings'}; "
            f"sums differ by at most {self.worst:.2g}"
        )
        counts = Counter(f.check for f in self.findings)
        firsts = {f.check: f for f in reversed(self.findings)}
        lines = [
            f"  {check}, {counts[check]} times, first in episode {f.episode}, frame {f.frame}: {f.message}"
            + ("" if math.isnan(f.value) else f" Here {f.value:.6g} instead of {f.expected:.6g}.")
            for check, f in firsts.items()
        ]
        return "\n".join([head, *lines])


@dataclass
class _Audit:
    """What has been found so far."""

    gamma: float
    mode: str
    unseen: str
    bounds: tuple[float, float]
    tolerance: float
    rounding: float = 0.0
    findings: list[Finding] = field(default_factory=list)
    worst: float = 0.0

    def note(self, check: str, episode: int, frame: int, message: str, *numbers: float) -> None:
        if len(self.findings) < _MOST_FINDINGS:
            self.findings.append(Finding(check, episode, frame, message, *numbers))


def check_reward(
    source: Any,
    gamma: float,
    *,
    mode: str | None = None,
    unseen: str | None = None,
    bounds: tuple[float, float] = (0.0, 1.0),
    episodes: int = 20,
    drop_rate: float = 0.3,
    seed: int = 0,
    tolerance: float = 1e-6,
    transitions: bool = False,
) -> RewardReport:
    """Check a reward.

    Args:
        source: one of

            - a `RewardEngine` or `BatchRewardEngine`: played with random estimates and random drop-outs; it is reset
              before and after.
            - a Gymnasium environment or vector environment: played with random actions. ``info`` of `reset` and `step`
              must hold "potential" (NaN where unknown), that of `step` also "base" (default 0); a `RewardFrame` as
              "reward_frame" does too. "shaping" is what it says beside a reward that it leaves as it was: reward and
              shaping together are checked.
            - a data set that `spatialvlm reward annotate` wrote (LeRobot, robomimic, ROS; a copy or a file beside): its
              path, or the opened recording. Rewards that it leaves out (of episodes that could not be read) are not
              checked, nor is the last one of a truncated robomimic episode with ``next_obs``: the potential that it
              rests on is not in the file.
            - a recorded episode, or several one after another: `RewardFrame`s, mappings with "reward" and "potential"
              (and "base", "valid", "steps", "terminated", "truncated"), or one mapping of such columns. The frame
              after a terminated or truncated one is the first of the next episode, and its reward does not count. Rows
              with the columns of an annotated LeRobot set are understood as such.
        gamma: the learner's discount per control step.
        mode: "potential", or "absolute" for rewards that are base + potential. None: what a data set says of itself,
            else "potential".
        unseen: what the learner does with frames without a potential (see `Discount`). None: what a data set says of
            itself, else "kept".
        bounds: of the potential.
        episodes: how many are played.
        drop_rate: share 0..1 of frames that an engine does not see.
        seed: of what is played.
        tolerance: largest difference that is no finding, for potentials around 1.
        transitions: in mappings, the entries of row t belong to its action and are judged in the picture of row t + 1,
            as in most data sets; "potential" is that of the row's own picture.

    Raises:
        ConfigError: a value out of its range, or a source of another kind.
        DatasetError: an empty or malformed recording, or a data set without rewards.
        SourceError: a data set that cannot be read.
    """
    if not 0 <= drop_rate < 1 or episodes < 1:
        raise ConfigError("drop_rate is 0..1 and episodes at least 1", (drop_rate, episodes), "Change them.")
    _check_settings(gamma, mode or POTENTIAL, unseen or KEPT)
    found = played(source, Playing(episodes, drop_rate, seed, transitions))
    mode = mode or str(found.made_with.get("mode", POTENTIAL))
    unseen = unseen or str(found.made_with.get("unseen", KEPT))
    _check_settings(gamma, mode, unseen)
    audit = _Audit(float(gamma), mode, unseen, bounds, tolerance, found.rounding)
    for fault in found.faults:
        audit.note(fault.check, fault.episode, fault.frame, fault.message)
    told = found.made_with.get("gamma", getattr(source, "gamma", None))
    if isinstance(told, (int, float)) and not math.isclose(told, gamma):
        audit.note("gamma", -1, -1, f"The reward is made for gamma = {told:g}, the learner has {gamma:g}.", told, gamma)
    if not found.episodes:
        raise DatasetError("there is no frame to check", len(found.episodes), "Pass an episode with frames.")
    _provable(audit, found)
    for number, episode in enumerate(found.episodes):
        for check in _CHECKS[mode]:
            check(audit, number, episode)
    if mode == POTENTIAL and any(f.check == "step" for f in audit.findings):
        _suspect_gamma(audit, found.episodes)
    frames = [step for episode in found.episodes for step in episode]
    return RewardReport(
        tuple(audit.findings),
        len(found.episodes),
        len(frames),
        sum(not step.valid for step in frames),
        audit.worst,
        float(gamma),
    )


def _check_settings(gamma: float, mode: str, unseen: str) -> None:
    Discount(gamma, unseen=unseen)
    if mode not in MODES:
        raise ConfigError("unknown mode of a reward", mode, f"Pass one of {', '.join(MODES)}.")


def _provable(audit: _Audit, found: Played) -> None:
    """Whether there is a reward that rests on a potential: else every check passes whatever was paid."""
    if any(fault.check == "missing" for fault in found.faults):
        return
    if not any(_rests_on_potential(episode, audit.mode) for episode in found.episodes):
        message = "No reward rests on a known potential, so that nothing can be proved."
        audit.note("missing", -1, -1, message)


def _rests_on_potential(episode: Episode, mode: str) -> bool:
    judged = episode if mode == POTENTIAL else episode[1:]
    return len(episode) > 1 and any(step.valid and (mode == ABSOLUTE or not step.terminated) for step in judged)


# ---- checks of one episode ----


def _finite(audit: _Audit, number: int, episode: Episode) -> None:
    for frame, step in enumerate(episode):
        if not (math.isfinite(step.reward) and math.isfinite(step.base)):
            audit.note("finite", number, frame, "The reward is not a finite number.", step.reward)
        if step.valid and not math.isfinite(step.potential):
            audit.note("finite", number, frame, "A valid frame has no finite potential.", step.potential)


def _bounded(audit: _Audit, number: int, episode: Episode) -> None:
    low, high = audit.bounds
    for frame, step in enumerate(episode):
        if step.valid and not low - audit.tolerance <= step.potential <= high + audit.tolerance:
            limit = low if step.potential < low else high
            audit.note("bounds", number, frame, f"The potential leaves {low:g} to {high:g}.", step.potential, limit)


def _ended(audit: _Audit, number: int, episode: Episode) -> None:
    for frame, step in enumerate(episode):
        if frame > 0 and step.terminated and step.valid and abs(step.potential) > audit.tolerance:
            message = "The potential of a terminated frame must be 0: else the end itself is rewarded."
            audit.note("terminal", number, frame, message, step.potential, 0.0)


@dataclass(frozen=True)
class _Owed:
    """What the books say of one frame: where in the episode it is, and the shaping that it should pay."""

    frame: int
    step: RewardStep
    expected: float
    discount: float  # of the reward, seen from the start of the episode
    kept: float


def _owed(audit: _Audit, episode: Episode) -> Iterator[_Owed]:
    """The rules of `shaping`, written down a second time, one number after another."""
    start = episode[0]
    kept = start.potential if start.valid and not start.terminated else 0.0
    now, since = 0, 0  # control steps: of the frame before, of the frame that the next reward counts from
    for frame, step in enumerate(episode[1:], start=1):
        passed = now + step.steps
        known = step.valid or step.terminated
        discount = audit.gamma**since
        if known:
            potential = 0.0 if step.terminated else step.potential
            expected = audit.gamma ** (passed - since) * potential - kept
            kept, since = potential, passed
        elif _is_payback(audit, step, kept):
            expected, kept, since = -kept, 0.0, passed
        else:
            expected = 0.0
            if audit.unseen == KEPT:
                shrunk = audit.gamma**step.steps  # 0 after very many of them: then only 0 can be kept
                kept, since = (kept / shrunk if shrunk else math.inf) if kept else 0.0, passed
        now = passed
        yield _Owed(frame, step, expected, discount, kept * audit.gamma ** (since))


def _is_payback(audit: _Audit, step: RewardStep, kept: float) -> bool:
    shaping = step.reward - step.base
    return kept != 0 and abs(shaping) > audit.tolerance and abs(shaping + kept) <= audit.tolerance * max(1.0, kept)


def _paid(audit: _Audit, number: int, episode: Episode) -> None:
    for owed in _owed(audit, episode):
        shaping = owed.step.reward - owed.step.base
        if not abs(shaping - owed.expected) <= audit.tolerance * max(1.0, abs(owed.expected)):
            known = owed.step.valid or owed.step.terminated
            message = (
                "Reward minus base is not gamma^k times this potential minus the one kept from before."
                if known
                else "A frame without a potential must pay the base alone."
            )
            audit.note("step" if known else "unseen", number, owed.frame, message, shaping, owed.expected)


def _summed(audit: _Audit, number: int, episode: Episode) -> None:
    terms, stored, end = [], [], 0.0
    start = episode[0]
    begin = start.potential if start.valid and not start.terminated else 0.0
    end = begin
    for owed in _owed(audit, episode):
        terms.append(owed.discount * (owed.step.reward - owed.step.base))
        stored.append(owed.discount * (abs(owed.step.reward) + abs(owed.step.base)))
        end = owed.kept
    total = math.fsum(terms) if all(map(math.isfinite, terms)) else math.nan
    apart = abs(total - (end - begin))
    if not apart <= audit.tolerance + audit.rounding * sum(stored):
        message = "The discounted sum of the shaping is not gamma^T Phi_T - Phi_0."
        audit.note("sum", number, len(episode) - 1, message, total, end - begin)
    audit.worst = max(audit.worst, apart) if not math.isnan(apart) else math.inf


def _absolute(audit: _Audit, number: int, episode: Episode) -> None:
    for frame, step in enumerate(episode[1:], start=1):
        expected = step.base + (step.potential if step.valid else 0.0)
        if not abs(step.reward - expected) <= audit.tolerance:
            message = (
                "The reward is not base + potential." if step.valid else "An unseen frame must pay the base alone."
            )
            audit.note("step" if step.valid else "unseen", number, frame, message, step.reward, expected)


_Check = Callable[[_Audit, int, Episode], None]
_CHECKS: dict[str, tuple[_Check, ...]] = {
    POTENTIAL: (_finite, _bounded, _ended, _paid, _summed),
    ABSOLUTE: (_finite, _bounded, _absolute),
}


def _suspect_gamma(audit: _Audit, episodes: Sequence[Episode]) -> None:
    """Says with which discount the rewards would fit, if there is one."""
    pairs = [
        (before.potential, after.potential, after.reward - after.base)
        for episode in episodes
        for before, after in zip(episode, episode[1:], strict=False)
        if before.valid and after.valid and not after.terminated and after.steps == 1
    ]
    weight = math.fsum(new * new for _, new, _ in pairs)
    if not math.isfinite(weight) or weight <= 0:
        return
    gamma = math.fsum((shaping + old) * new for old, new, shaping in pairs) / weight
    apart = max(abs(shaping - (gamma * new - old)) for old, new, shaping in pairs)
    if apart <= 10 * audit.tolerance and not math.isclose(gamma, audit.gamma, abs_tol=1e-6):
        message = f"The rewards fit gamma = {gamma:.6g}, the learner has {audit.gamma:g}."
        audit.findings.insert(0, Finding("gamma", -1, -1, message, gamma, audit.gamma))
