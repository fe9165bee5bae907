"""What a chain of thought leaves behind: its steps, and the answer they lead to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from spatialvlm_ros.models.estimate import Answer, Estimate


class StepKind(str, Enum):
    """What was done in a step."""

    THINK = "think"
    MEASURE = "measure"
    LOCATE = "locate"
    ASK = "ask"
    CALCULATE = "calculate"
    ANSWER = "answer"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class ReasoningStep:
    """One step of a chain of thought.

    Attributes:
        index: from 0.
        kind: what was done.
        text: what was thought or said, for people.
        tool_input, tool_output: "" where no tool was used.
        estimates: measured in this step.
        seconds: it took.
    """

    index: int
    kind: StepKind
    text: str
    tool_input: str = ""
    tool_output: str = ""
    estimates: tuple[Estimate, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class Conclusion:
    """What the steps come to.

    Attributes:
        text: the answer in words.
        labels: the names, "yes"/"no" or words it decides for, in order; () where it is a number alone, or free text.
        value, std: its number in ``unit``; NaN where it has none.
        unit: "m", "m2", "m3" or "" for a ratio or a count.
        probability: that ``labels`` are right, as far as the stated errors tell, if the objects are there; NaN where
            nothing is decided.
        presence: least probability with which an object that it rests on is there; NaN where none had to be located.
        estimate: the one measurement that is the answer, where it is one.
        object: the one located object it decides for; "" for none or several, and where it is too close to tell.
    """

    text: str
    labels: tuple[str, ...] = ()
    value: float = float("nan")
    std: float = float("nan")
    unit: str = ""
    probability: float = float("nan")
    estimate: Estimate | None = None
    presence: float = float("nan")
    object: str = ""


@dataclass(frozen=True)
class Solution(Answer):
    """The answer to a question of several steps. As an `Answer` it goes wherever one goes.

    Attributes:
        steps: how it came about, the answer being the last one.
        conclusion: in numbers and labels; None when invalid.
        cancelled: whether it has no answer because the one who asked did not want it any more.
    """

    steps: tuple[ReasoningStep, ...] = ()
    conclusion: Conclusion | None = None
    cancelled: bool = False
