"""What the verdicts come to: shares with intervals, each form, and whether the stated doubt is right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spatialvlm_ros.evaluation.intervals import Measured, share
from spatialvlm_ros.models.estimate import Reason
from spatialvlm_ros.reasoning.bench.controls import majority_right
from spatialvlm_ros.reasoning.bench.judge import Verdict
from spatialvlm_ros.reasoning.bench.questions import REFUSED
from spatialvlm_ros.reasoning.bench.run import Judged
from spatialvlm_ros.reasoning.bench.truths import Kind
from spatialvlm_ros.reasoning.planner.deciding import SURE

_NO_ANSWER = (Verdict.REFUSED, Verdict.UNDECIDED)
_Z90 = 1.6448536269514722

HEADS: dict[str, str] = {
    "right": "right",
    "right_of_answered": "right, of those answered",
    "refused_answerable": "answerable, but refused or too close to tell",
    "undecided": "of these too close to tell",
    "not_understood": "answerable, form not understood",
    "refused_unanswerable": "unanswerable, refused",
    "majority": "majority answer, right",
    "plain_right": "right, where no doubt is stated",
    "doubted_right": "right, where a doubt is stated",
    "doubted_stated": "stated there on average",
    "covered": "numbers with the truth within 1.64 stated deviations",
}


@dataclass(frozen=True)
class Summary:
    """Shares with Wilson's 95% intervals.

    Attributes:
        right: of the questions that have an answer.
        right_of_answered: of those that were answered and decided.
        refused_answerable: of the questions that have an answer: refused, or too close to tell.
        undecided: of the questions that have an answer: too close to tell.
        not_understood: of the questions that have an answer: their form was not recognised.
        refused_unanswerable: of those that have none.
        majority: right with the commonest answer of the form.
        plain_right: of the decisions that were stated plainly.
        doubted_right, doubted_stated: of the decisions with a probability: right, and what was stated on average.
        covered: truths of lengths and ratios within 1.64 stated deviations.
        forms: form -> how often each verdict was given; for questions without an answer "refused" is right.
        seconds: median of a question.
    """

    right: Measured
    right_of_answered: Measured
    refused_answerable: Measured
    undecided: Measured
    not_understood: Measured
    refused_unanswerable: Measured
    majority: Measured
    plain_right: Measured
    doubted_right: Measured
    doubted_stated: Measured
    covered: Measured
    forms: dict[str, dict[str, int]]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        shares = {name: getattr(self, name).to_json() for name in HEADS}
        return {**shares, "forms": self.forms, "seconds": round(self.seconds, 4)}

    def lines(self) -> list[str]:
        """For people."""
        heads = [f"{title}: {_words(getattr(self, name))}" for name, title in HEADS.items()]
        forms = [
            f"  {form}: {', '.join(f'{n} {verdict}' for verdict, n in c.items())}" for form, c in self.forms.items()
        ]
        return [*heads, *forms, f"median seconds: {self.seconds:.3f}"]


def summarise(judged: Sequence[Judged]) -> Summary:
    """All numbers of a run."""
    answerable = [j for j in judged if j.question.form not in REFUSED]
    unanswerable = [j for j in judged if j.question.form in REFUSED]
    answered = [j for j in answerable if j.verdict not in _NO_ANSWER]
    plain, doubted = _decided(answered)
    return Summary(
        right=_share([j.verdict is Verdict.RIGHT for j in answerable]),
        right_of_answered=_share([j.verdict is Verdict.RIGHT for j in answered]),
        refused_answerable=_share([j.verdict in _NO_ANSWER for j in answerable]),
        undecided=_share([j.verdict is Verdict.UNDECIDED for j in answerable]),
        not_understood=_share([j.solution.reason is Reason.NOT_CONFIGURED for j in answerable]),
        refused_unanswerable=_share([j.verdict is Verdict.REFUSED for j in unanswerable]),
        majority=_share(majority_right([j.question for j in answerable])),
        plain_right=_share([j.verdict is Verdict.RIGHT for j in plain]),
        doubted_right=_share([j.verdict is Verdict.RIGHT for j in doubted]),
        doubted_stated=_mean([_probability(j) for j in doubted]),
        covered=_share([c for c in map(_covers, answered) if c is not None]),
        forms=_by_form(judged),
        seconds=float(np.median([j.seconds for j in judged])) if judged else float("nan"),
    )


def _by_form(judged: Sequence[Judged]) -> dict[str, dict[str, int]]:
    forms = sorted({j.question.form for j in judged}, key=lambda f: (f in REFUSED, f))
    counts = Counter((j.question.form, j.verdict) for j in judged)
    return {form: {verdict.value: counts[form, verdict] for verdict in Verdict} for form in forms}


def _decided(answered: Sequence[Judged]) -> tuple[list[Judged], list[Judged]]:
    """Decisions that are stated plainly, and those with a probability. A number beside a name would be judged as well,
    and the probability is that of the name alone."""
    found = [j for j in answered if np.isfinite(_probability(j)) and j.question.truth.kind is not Kind.LABEL_NUMBER]
    return [j for j in found if _probability(j) >= SURE], [j for j in found if _probability(j) < SURE]


def _probability(judged: Judged) -> float:
    end = judged.solution.conclusion
    return float("nan") if end is None else end.probability


def _covers(judged: Judged) -> bool | None:
    """Whether the truth lies in the stated 90% of a length or a ratio; None for other answers."""
    end, truth = judged.solution.conclusion, judged.question.truth
    if end is None or truth.kind not in (Kind.NUMBER, Kind.RATIO) or not np.isfinite(end.std):
        return None
    return abs(end.value - truth.value) <= _Z90 * end.std + 1e-9


def _share(hits: Sequence[bool]) -> Measured:
    return share(np.array(hits, dtype=bool))


def _mean(values: Sequence[float]) -> Measured:
    """A mean of what is known exactly."""
    mean = float(np.mean(values)) if values else float("nan")
    return Measured(mean, mean, mean, len(values))


def _words(measured: Measured) -> str:
    if measured.n == 0:
        return "none"
    return f"{measured.value:.1%} [{measured.low:.1%}, {measured.high:.1%}] of {measured.n}"
