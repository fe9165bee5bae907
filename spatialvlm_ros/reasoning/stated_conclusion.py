"""What an answer in free words concludes, as far as its numbers and its first word are those of the tools.

Nothing more is understood of the words: what could be meant in two ways is left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from spatialvlm_ros.models.estimate import Estimate
from spatialvlm_ros.reasoning.arithmetic.draws import Drawn
from spatialvlm_ros.reasoning.named_choice import named_choice
from spatialvlm_ros.reasoning.stated_numbers import StatedNumber, stated_numbers
from spatialvlm_ros.reasoning.steps import Conclusion
from spatialvlm_ros.reasoning.support import Told, agrees
from spatialvlm_ros.reasoning.task import Task
from spatialvlm_ros.reasoning.texts import listed, with_error
from spatialvlm_ros.reasoning.toolbox import Toolbox

_NAN = float("nan")
_NUMBER = r"\d+(?:[.,]\d+)?"
_LEAD = (
    r"(?:\u00b1|\+\s?/?\s?-|\bplus(?: or |/|-)minus\b|\bgive or take\b|\baccurate to\b|"
    r"\b(?:error|uncertainty|deviation|margin)(?: of| is|:)?)\s*(?:(?:about|around|roughly|approximately|~)\s*)?"
)
# The next of a list of values ("0.12 \u00b1 0.01 and 0.50 \u00b1 0.05 m") is not a second error.
_SECOND = rf"\s*(?:to|and|or|-|\u2013)\s*{_NUMBER}(?![\d.,]*\s*{_LEAD})"
_ERROR = re.compile(rf"{_LEAD}(?P<first>{_NUMBER})(?P<second>{_SECOND})?", re.IGNORECASE)
# "Yes, ...", "yes it is", "no the mug ..."; "no doubt", "no object", "no-one" and "yes and no" are no answers.
_CLAUSE = r"(?:it|they|he|she|we|you|i|this|that|these|those|there|the|an?|because|since)\b"
_YES_OR_NO = re.compile(rf"\W*(yes|no)\b(?=\s*(?:$|[^\w\s/-]|-(?!\w))|\s+{_CLAUSE})", re.IGNORECASE)


def stated_conclusion(answer: str, task: Task) -> Conclusion:
    """The conclusion of a language model's answer, with the errors that it left out.

    ``value`` is the measurement or sum that its number is, where it states one; of several, the only sum among them.
    ``probability`` is that of the only comparison, where the answer begins with yes or no, or with the one of the two
    compared things that the question asks for.
    """
    tools = task.tools
    stated = _stated(answer, task)
    sums = {name: drawn for name, drawn in stated.items() if name in tools.calculated}
    meant = stated if len(stated) == 1 else sums
    end = next(iter(meant.values())) if len(meant) == 1 else None
    labels, probability = _decided(answer, task.question, tools)
    return Conclusion(
        _with_errors(answer, list(stated.values())),
        labels,
        _NAN if end is None else end.value,
        _NAN if end is None else end.std,
        "" if end is None else end.unit,
        probability,
        _only_estimate(tools),
        min((thing.score for thing in tools.located.values() if thing.valid), default=_NAN),
    )


# ---- numbers ----


def _stated(answer: str, task: Task) -> dict[str, Drawn]:
    """Name -> value, of the measurements and sums whose values an answer states; its numbers from the question are
    none of them. Where a number may be several of them, it is the one with the largest error."""
    asked = {(number.value, number.scales) for number in stated_numbers(task.question)}
    values = {name: drawn for name, drawn in task.tools.values.items() if not drawn.truth}
    found: dict[str, Drawn] = {}
    for number in stated_numbers(_ERROR.sub(" ", answer)):
        if (number.value, number.scales) in asked or number.percent:
            continue
        fitting = [name for name, drawn in values.items() if _may_be(number, drawn)]
        if fitting:
            name = max(fitting, key=lambda n: values[n].std)
            found[name] = values[name]
    return found


def _may_be(number: StatedNumber, drawn: Drawn) -> bool:
    """Whether a number states a value. "2 of them" counts things, and is no length of 2.3 m."""
    counts = number.counts and number.scales == (None,)
    return not (counts and drawn.unit) and agrees(number, Told(drawn.value, drawn.power or 0.0))


def _with_errors(answer: str, values: Sequence[Drawn]) -> str:
    """The answer, and behind it each value whose error it does not state."""
    errors = _stated_errors(answer)
    missing = [with_error(v.value, v.std, v.unit) for v in values if not _error_is_stated(v, errors)]
    told = [text for text in dict.fromkeys(missing) if "\u00b1" in text]  # others have no error worth saying
    if not told:
        return answer
    stop = "" if answer.endswith((".", "!", "?")) else "."
    return f"{answer}{stop} Measured: {listed(told)}."


def _stated_errors(answer: str) -> list[StatedNumber]:
    """The numbers directly behind the words that announce an error, with their units."""
    errors: list[StatedNumber] = []
    for found in _ERROR.finditer(answer):
        errors += stated_numbers(answer[found.start("first") :])[: 2 if found["second"] else 1]
    return errors


def _error_is_stated(drawn: Drawn, errors: Sequence[StatedNumber]) -> bool:
    return any(agrees(number, Told(drawn.std, drawn.power or 0.0)) for number in errors)


def _only_estimate(tools: Toolbox) -> Estimate | None:
    measured = list(tools.measured.values())
    return measured[0] if len(measured) == 1 and measured[0].valid else None


# ---- decisions ----


def _decided(answer: str, question: str, tools: Toolbox) -> tuple[tuple[str, ...], float]:
    """The label that an answer begins with, and how sure the comparison behind it is."""
    word = _YES_OR_NO.match(answer)
    if word is not None:
        label = word[1].lower()
        return (label,), _probability_of(label, [drawn for drawn in tools.values.values() if drawn.truth])
    choice = named_choice(answer, question, tools)
    return ((), _NAN) if choice is None else ((choice[0],), choice[1])


def _probability_of(label: str, truths: Sequence[Drawn]) -> float:
    """Of "yes" or "no", where the only comparison says the same; NaN where the question may have been turned round."""
    if len(truths) != 1:
        return _NAN
    p = truths[0].value if label == "yes" else 1 - truths[0].value
    return p if p >= 0.5 else _NAN
