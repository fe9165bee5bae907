"""Quantities against a length: by how much it is taller or farther left, how many are taller."""

from __future__ import annotations

import re
from dataclasses import dataclass

from spatialvlm_ros.models.query import Query
from spatialvlm_ros.reasoning.planner.counting import counted
from spatialvlm_ros.reasoning.planner.cues import COUNTS, RELATIVE_SIZE, SHORT, TALL, WIDE, asks_two_sizes
from spatialvlm_ros.reasoning.planner.deciding import shown, yes_or_no
from spatialvlm_ros.reasoning.planner.plan import Evidence, Plan, form
from spatialvlm_ros.reasoning.planner.sentence import Sentence
from spatialvlm_ros.reasoning.planner.turns import AMOUNTS, BOUNDS, COMPARISONS, SIZES
from spatialvlm_ros.reasoning.steps import Conclusion
from spatialvlm_ros.reasoning.texts import listed, the, with_error
from spatialvlm_ros.scenes.relations import Relation


@dataclass(frozen=True)
class Lead:
    """What one thing has more of than another, in metres.

    Attributes:
        said: pattern of the words for it, with what joins them to the other name.
        relation: a difference of the two, or the size of each.
        sign: -1 where the words ask for less of that size.
        words: for it in answers: "taller than".
    """

    said: str
    relation: Relation
    sign: int
    words: str


_LEADS = (
    Lead(r"(?:taller|greater in height) than", Relation.HEIGHT, 1, "taller than"),
    Lead(r"(?:shorter|less tall) than", Relation.HEIGHT, -1, "shorter than"),
    Lead(r"(?:wider|broader) than", Relation.WIDTH, 1, "wider than"),
    Lead(r"(?:narrower|thinner|slimmer|less wide) than", Relation.WIDTH, -1, "narrower than"),
    Lead(r"(?:to )?left (?:of|from|than)", Relation.LEFT_DIFF, 1, "farther left than"),
    Lead(r"(?:to )?right (?:of|from|than)", Relation.RIGHT_DIFF, 1, "farther right than"),
    Lead(r"(?:behind|back (?:than|of|from))", Relation.BEHIND_DIFF, 1, "farther back than"),
    Lead(r"in front of", Relation.FRONT_DIFF, 1, "farther forward than"),
    Lead(r"(?:above|higher(?: up)? than)", Relation.ABOVE_DIFF, 1, "higher at the top than"),
    Lead(r"(?:below|lower(?: down)? than)", Relation.BELOW_DIFF, 1, "lower at the bottom than"),
)
_AT_LEAST = r"(?:at least|more than|over|above|minimum|minimally)"
_AT_MOST = r"(?:at most|less than|under|below|up to|no more than|not more than|within)"
_OPENS = r"^(?:is|are|was|were|does|do|isn't|aren't|doesn't|stands?|lies?|sits?|can you tell me (?:if|whether))"
_VERB = (
    r"(?: (?:is|are|be|located|placed|positioned|standing|stand|stands|sit|sits|sitting|lie|lies|lying|rise|reach))?"
)
_BEFORE = rf"{_OPENS} <(\d+)>{_VERB} (?P<bound>{_AT_LEAST}|{_AT_MOST}) # (?:farther |further |more |to )*"
_BEHIND = rf"{_OPENS} <(\d+)>{_VERB} (?:farther |further |more )?"


@form("difference_limit", 44, "Is the lamp at least 20 cm taller than the mug?", accounts=None)
def read_difference_limit(sentence: Sentence) -> Plan | None:
    """Whether something is taller, wider or farther to a side than something else by so much."""
    if len(sentence.lengths) != 1 or len(sentence.names) != 2 or sentence.lists:
        return None
    found = _lead(sentence)
    if found is None:
        return None
    lead, below = found
    (a, b), limit = sentence.names, sentence.lengths[0]
    apart = lead.relation not in (Relation.HEIGHT, Relation.WIDTH)
    queries = (Query(a, b, lead.relation),) if apart else tuple(Query(n, relation=lead.relation) for n in (a, b))

    def conclude(evidence: Evidence) -> Conclusion:
        names = [evidence.name(q) for q in queries][:: lead.sign]
        more = " - ".join(names)
        difference = evidence.calculate(more, "How much it is.")
        # What is 1 m to the right is not "less than 20 cm to the left".
        expression = f"0 < {more} and {more} < {limit:.6g} m" if below else f"{more} > {limit:.6g} m"
        truth = evidence.calculate(expression, "Compare it with the length.")
        why = f"{the(a)} is {shown(difference)} {lead.words} {the(b)}, against {with_error(limit)}"
        text, label, probability = yes_or_no(truth, why)
        return Conclusion(text, (label,), probability=probability)

    return Plan("difference_limit", f"I need how much {the(a)} is {lead.words} {the(b)}.", queries, conclude)


def _lead(sentence: Sentence) -> tuple[Lead, bool] | None:
    """What is compared, and whether it has to stay below the length; None for other words than just these."""
    for lead in _LEADS:
        for pattern in (
            rf"{_BEFORE}{lead.said} <(\d+)>[ ?.]*$",
            rf"{_BEHIND}{lead.said} <(\d+)> by (?P<bound>{_AT_LEAST}|{_AT_MOST}) #[ ?.]*$",
        ):
            match = re.search(pattern, sentence.skeleton)
            if match is not None:
                return lead, re.fullmatch(_AT_MOST, match["bound"]) is not None
    return None


_SIZES = ((Relation.HEIGHT, TALL), (Relation.WIDTH, WIDE))
_LESS = r"\b(?:less|at most|under|below|lower|smaller|narrower|thinner|up to)\b"


@form(
    "count_size",
    29,
    "How many of the mug, the bowl and the tray are taller than 10 cm?",
    accounts=(BOUNDS, COMPARISONS, SIZES, AMOUNTS, r"\b(?:no|not) more(?= than)"),
)
def read_count_size(sentence: Sentence) -> Plan | None:
    """How many are taller or wider than a length, or less so."""
    if len(sentence.lengths) != 1 or not sentence.has(COUNTS) or len(sentence.lists) != 1 or sentence.singles:
        return None
    if not sentence.has(rf"\bthan #|\b(?:at (?:least|most)|over|under|below|above|{_AT_MOST}) #"):
        return None
    if (
        asks_two_sizes(sentence)
        or sentence.has(RELATIVE_SIZE)
        or sentence.has(r"\b(?:depth|thick|thicker|thickest|deep|deeper)\b")
    ):
        return None
    short = sentence.has(SHORT) and not sentence.has(TALL)
    relation = next((r for r, words in _SIZES if sentence.has(words)), Relation.HEIGHT if short else None)
    if relation is None:
        return None
    items, limit = sentence.groups[sentence.lists[0]].names, sentence.lengths[0]
    queries = tuple(Query(item, relation=relation) for item in items)
    sign = "<" if short or sentence.has(_LESS) or sentence.has(r"\b(?:no|not) more than") else ">"

    def conclude(evidence: Evidence) -> Conclusion:
        truths = [evidence.calculate(f"{evidence.name(q)} {sign} {limit:.6g} m", "Is it so?") for q in queries]
        numbers = listed([f"{the(i)} {shown(evidence.drawn(q))}" for i, q in zip(items, queries, strict=True)])
        return counted(items, truths, f"the {relation.value} of {numbers}")

    return Plan("count_size", f"I need the {relation.value} of each of them.", queries, conclude)
