"""What the demo shows at one moment. Values only: the view is a function of this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from spatialvlm_ros.models.estimate import Estimate

NAN = float("nan")
_MEASURED = ("rate_hz", "latency_ms", "latency_p95_ms", "model_ms")


@dataclass(frozen=True)
class Row:
    """One standing query.

    Attributes:
        estimate: filtered.
        rate: of its value, in its unit per second; NaN where unknown.
        truth: what the simulation knows, in the same unit; NaN where it does not. Of a predicate 0 or 1.
    """

    estimate: Estimate
    rate: float = NAN
    truth: float = NAN

    @property
    def error(self) -> float:
        """Measured less true; NaN where either is unknown."""
        return self.estimate.value - self.truth if self.estimate.valid else NAN


@dataclass(frozen=True)
class Asked:
    """A question in words and what came back.

    Attributes:
        question, answer: in words; an empty answer is one that is still awaited.
        seconds: it took.
        truth: of the quantity behind the words, metres; NaN where there is none.
        steps: of a chain of thought so far, a line each; None where the question takes no chain.
        target: what the answer made the planner's target; "" for nothing.
    """

    question: str
    answer: str = ""
    seconds: float = NAN
    truth: float = NAN
    steps: tuple[str, ...] | None = None
    target: str = ""


@dataclass(frozen=True)
class Rewarded:
    """The reward of the newest picture.

    Attributes:
        task: that is rewarded.
        phase: the task is in.
        reward, potential: NaN where they are not valid.
        reason: "" where they are.
    """

    task: str
    phase: str = ""
    reward: float = NAN
    potential: float = NAN
    reason: str = ""


@dataclass(frozen=True)
class Annotation:
    """Rewards for the recording of the first seconds.

    Attributes:
        task: that is rewarded.
        done, total: pictures; 0 of 0 before it is known.
        succeeded: whether they are written.
        message: how it ended; "" while it goes on.
    """

    task: str
    done: int = 0
    total: int = 0
    succeeded: bool = False
    message: str = ""


@dataclass(frozen=True)
class Speed:
    """What the node says of itself in /diagnostics.

    Attributes:
        model: the state of the model, in words.
        rate_hz: pictures answered in a second.
        latency_ms, latency_p95_ms: from the picture's stamp to the answer.
        model_ms: of that, in the model.
        warning: what is wrong now; "" for nothing.
    """

    model: str = ""
    rate_hz: float = NAN
    latency_ms: float = NAN
    latency_p95_ms: float = NAN
    model_ms: float = NAN
    warning: str = ""

    def after(self, values: Mapping[str, str], warning: str) -> Speed:
        """With the values that the status of a camera holds."""
        rate, latency, p95, model = (_number(values.get(name, "")) for name in _MEASURED)
        return Speed(self.model, rate, latency, p95, model, warning)


@dataclass(frozen=True)
class DemoState:
    """Everything.

    Attributes:
        elapsed_s: since the first answer; NaN before it.
        total_s: after which the demo ends; 0 for never.
        waiting: what is awaited before the first answer; "" after it.
        hint: what the user should know; "" for nothing.
        domain: ROS_DOMAIN_ID.
        processes: name -> "running", "ended", ...
        recorded: messages so far.
        speed: of the node.
        sentence: that the planner was given; target: the object in it.
        rows: the standing queries.
        asked: the last question in words.
        rewarded: the reward of the newest picture, None before the first.
        annotation: rewards for the recording of the first seconds, None before they are asked for.
    """

    elapsed_s: float = NAN
    total_s: float = 0.0
    waiting: str = ""
    hint: str = ""
    domain: int = 0
    processes: dict[str, str] = field(default_factory=dict)
    recorded: int = 0
    speed: Speed = field(default_factory=Speed)
    sentence: str = ""
    target: str = ""
    rows: tuple[Row, ...] = ()
    asked: Asked | None = None
    rewarded: Rewarded | None = None
    annotation: Annotation | None = None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return NAN
