"""Asks all questions, judges the answers, and sums up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spatialvlm_ros.evaluation.intervals import Measured, share
from spatialvlm_ros.models.estimate import Reason
from spatialvlm_ros.reasoning.bench.controls import majority_right
from spatialvlm_ros.reasoning.bench.judge import Verdict, judge
from spatialvlm_ros.reasoning.bench.questions import REFUSED, Question
from spatialvlm_ros.reasoning.friend import Friend
from spatialvlm_ros.reasoning.limits import Limits
from spatialvlm_ros.reasoning.reasoner import Reasoner
from spatialvlm_ros.reasoning.steps import Solution
from spatialvlm_ros.reasoning.task import Thinker


@dataclass(frozen=True)
class Judged:
    """A question with its answer and the verdict."""

    question: Question
    solution: Solution
    verdict: Verdict
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Plain values, with the trace in short."""
        q, s = self.question, self.solution
        return {
            "scene": q.scene,
            "form": q.form,
            "half": q.half,
            "question": q.text,
            "truth": {"kind": str(q.truth.kind), "labels": list(q.truth.labels), "value": _finite(q.truth.value)},
            "answer": s.text,
            "reason": s.reason.value,
            "detail": s.detail,
            "verdict": str(self.verdict),
            "steps": [[str(step.kind), step.tool_input, step.tool_output] for step in s.steps],
            "seconds": round(self.seconds, 4),
        }


def ask_all(
    asked: Sequence[Question],
    thinker: Thinker,
    friend_of: Callable[[int], Friend],
    limits: Limits | None = None,
) -> Iterator[Judged]:
    """Every question with its answer, scene by scene, so that each picture is looked at once.

    Args:
        asked: questions.
        thinker: who leads the steps.
        friend_of: scene number -> who sees it.
        limits: of each question.
    """
    friend, scene = None, -1
    for question in sorted(asked, key=lambda q: q.scene):
        if friend is None or question.scene != scene:
            friend, scene = friend_of(question.scene), question.scene
        began = time.perf_counter()
        solution = Reasoner(thinker, friend, limits).solve(question.text)
        yield Judged(question, solution, judge(solution, question.truth), time.perf_counter() - began)


@dataclass(frozen=True)
class Summary:
    """Shares with Wilson's 95% intervals.

    Attributes:
        right: of the questions that have an answer.
        right_of_answered: of those that were answered.
        refused_answerable: of the questions that have an answer: refused, or too close to tell.
        refused_unanswerable: of those that have none.
        not_understood: of the questions that have an answer: their form was not recognised.
        majority: right with the commonest answer of the form.
        forms: form -> share that is right.
        seconds: median of a question.
    """

    right: Measured
    right_of_answered: Measured
    refused_answerable: Measured
    refused_unanswerable: Measured
    not_understood: Measured
    majority: Measured
    forms: dict[str, Measured]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        names = (
            "right",
            "right_of_answered",
            "refused_answerable",
            "refused_unanswerable",
            "not_understood",
            "majority",
        )
        shares = {name: getattr(self, name).to_json() for name in names}
        return {**shares, "forms": {f: m.to_json() for f, m in self.forms.items()}, "seconds": round(self.seconds, 4)}

    def lines(self) -> list[str]:
        """For people."""
        heads = (
            ("right", self.right),
            ("right, of those answered", self.right_of_answered),
            ("answerable, but refused or undecided", self.refused_answerable),
            ("answerable, form not understood", self.not_understood),
            ("unanswerable, refused", self.refused_unanswerable),
            ("majority answer, right", self.majority),
        )
        forms = [f"  {name}: {_words(m)}" for name, m in self.forms.items()]
        return [f"{name}: {_words(m)}" for name, m in heads] + forms + [f"median seconds: {self.seconds:.3f}"]


def summarise(judged: Sequence[Judged]) -> Summary:
    """All numbers of a run."""
    answerable = [j for j in judged if j.question.form not in REFUSED]
    unanswerable = [j for j in judged if j.question.form in REFUSED]
    answered = [j for j in answerable if j.verdict is not Verdict.REFUSED]
    forms = list(dict.fromkeys(j.question.form for j in judged))
    return Summary(
        _share([j.verdict is Verdict.RIGHT for j in answerable]),
        _share([j.verdict is Verdict.RIGHT for j in answered]),
        _share([j.verdict is Verdict.REFUSED for j in answerable]),
        _share([j.verdict is Verdict.REFUSED for j in unanswerable]),
        _share([j.solution.reason is Reason.NOT_CONFIGURED for j in answerable]),
        _share(majority_right([j.question for j in answerable])),
        {form: _share([_is_right(j) for j in judged if j.question.form == form]) for form in forms},
        float(np.median([j.seconds for j in judged])) if judged else float("nan"),
    )


def _is_right(judged: Judged) -> bool:
    return judged.verdict is (Verdict.REFUSED if judged.question.form in REFUSED else Verdict.RIGHT)


def _share(hits: Sequence[bool]) -> Measured:
    return share(np.array(hits, dtype=bool))


def _words(measured: Measured) -> str:
    if measured.n == 0:
        return "none"
    return f"{measured.value:.1%} [{measured.low:.1%}, {measured.high:.1%}] of {measured.n}"


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
