"""Telling a model that has gone from one that has no answer: a server that stopped is not judged by its silence."""

from __future__ import annotations

from collections.abc import Iterable

from spatialvlm_ros.errors import EvaluationError
from spatialvlm_ros.models.abstention import NO_READING
from spatialvlm_ros.models.estimate import Answer, Estimate, Reason
from spatialvlm_ros.models.view import NO_WORDS

MOST_IN_A_ROW = 5
_NO_ANSWERS = ("", NO_READING, NO_WORDS)


def fault_of(answers: Iterable[Estimate | Answer]) -> str:
    """Why a model failed on all that it was asked; "" where it answered something, or had nothing to say."""
    faults = []
    for answer in answers:
        if answer.valid:
            return ""
        broken = answer.reason is Reason.MODEL_ERROR and answer.detail not in _NO_ANSWERS
        if broken or answer.reason is Reason.TIMEOUT:
            faults.append(answer.detail or str(answer.reason))
    return faults[0] if faults else ""


class Waiting:
    """Lines for the file of a run, held back while the model fails: what it failed on is asked again by the next run.

    Args:
        what: that the lines are about, for people.
        answered: whether it has answered something in an earlier run.
    """

    def __init__(self, what: str, answered: bool = False) -> None:
        self._what = what
        self._lines: list[str] = []
        self._fault = ""
        self._answered = answered

    def add(self, line: str, fault: str) -> str:
        """What is to be written now: nothing while the model fails, else all lines.

        Raises:
            EvaluationError: it failed too often in a row.
        """
        self._lines.append(line)
        self._fault, self._answered = fault, self._answered or not fault
        if not fault:
            return self.rest()
        if len(self._lines) >= MOST_IN_A_ROW:
            raise self._gone()
        return ""

    def rest(self) -> str:
        """All lines that are held back.

        Raises:
            EvaluationError: the model has never answered anything.
        """
        if self._lines and not self._answered:
            raise self._gone()
        lines, self._lines = self._lines, []
        return "".join(lines)

    def _gone(self) -> EvaluationError:
        return EvaluationError(
            f"the model failed on {len(self._lines)} {self._what} in a row: {self._fault}",
            remedy="Mend that and run again: its answers are kept.",
        )
