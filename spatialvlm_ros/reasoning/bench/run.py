"""Asks all questions and judges the answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from spatialvlm_ros.reasoning.bench.judge import Verdict, judge
from spatialvlm_ros.reasoning.bench.questions import Question
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
            "probability": None if s.conclusion is None else _finite(s.conclusion.probability),
            "steps": [[str(step.kind), step.tool_input, step.tool_output] for step in s.steps],
            "seconds": round(self.seconds, 4),
        }


def ask_all(
    asked: Iterable[Question],
    thinker: Thinker,
    friend_of: Callable[[int], Friend],
    limits: Limits | None = None,
) -> Iterator[Judged]:
    """Every question with its answer. A picture is looked at again where the scene changes.

    Args:
        asked: questions, those about one scene together.
        thinker: who leads the steps.
        friend_of: scene number -> who sees it.
        limits: of each question.
    """
    reasoner, scene = None, -1
    for question in asked:
        if reasoner is None or question.scene != scene:
            reasoner, scene = Reasoner(thinker, friend_of(question.scene), limits), question.scene
        began = time.perf_counter()
        solution = reasoner.solve(question.text)
        yield Judged(question, solution, judge(solution, question.truth), time.perf_counter() - began)


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
