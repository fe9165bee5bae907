"""Averages: of distances to one thing or between several, of heights, of widths."""

from __future__ import annotations

from itertools import combinations

from spatialvlm_ros.models.query import Query
from spatialvlm_ros.reasoning.planner.cues import nearness
from spatialvlm_ros.reasoning.planner.deciding import shown
from spatialvlm_ros.reasoning.planner.forms.choosing import trait_of
from spatialvlm_ros.reasoning.planner.plan import Evidence, Plan, form
from spatialvlm_ros.reasoning.planner.sentence import Sentence
from spatialvlm_ros.reasoning.planner.turns import DISTANCES, words
from spatialvlm_ros.reasoning.steps import Conclusion
from spatialvlm_ros.reasoning.texts import listed, the
from spatialvlm_ros.scenes.relations import Relation

_AVERAGE = r"\baverage\b|\bmean (?:distance|height|width|separation)\b"
# What is averaged is one size of each thing that is named, not of the tallest of them.
_SIZE = words("tall high height heights wide width widths broad breadth size sizes volume")
_ASKS_MORE = (
    r"\b(?:shortest|shorter|lowest|lower|smallest|smaller|largest|larger|greatest|greater|difference|margin)\b|"
    r"(?<!^)\b(?:which|who|how|what)\b"
)
_ASKS = r"^(?:what|what's|how|give|tell|calculate|compute|estimate|find)\b"
_APART = r"\b(?:distances?|far|apart|separation)\b"
_AMONG = r"\b(?:between|among|amongst) <\d+>|\bapart\b"


@form(
    "average",
    8,
    "What is the average distance of the mug, the bowl and the tray to the lamp?",
    accounts=(words("average mean"), DISTANCES, _SIZE),
)
def read_average(sentence: Sentence) -> Plan | None:
    """The sum of several quantities of one kind, divided by their number."""
    if not sentence.has(_AVERAGE) or not sentence.has(_ASKS) or sentence.lengths or nearness(sentence):
        return None
    if sentence.has(_ASKS_MORE):
        return None
    queries = _queries(sentence)
    if len(queries) < 2:
        return None
    quantity = queries[0].kind.value

    def conclude(evidence: Evidence) -> Conclusion:
        names = " + ".join(evidence.name(q) for q in queries)
        mean = evidence.calculate(f"({names}) / {len(queries)}", f"The sum, divided by {len(queries)}.")
        parts = listed([f"{_whose(q)} {shown(evidence.drawn(q))}" for q in queries])
        return Conclusion(f"{shown(mean)} on average: {parts}.", (), mean.value, mean.std, mean.unit)

    return Plan("average", f"I need the {quantity} of each of {len(queries)}.", queries, conclude)


def _queries(sentence: Sentence) -> tuple[Query, ...]:
    """What is averaged; () for other shapes."""
    if len(sentence.lists) != 1 or len(sentence.singles) > 1:
        return ()
    items = sentence.groups[sentence.lists[0]].names
    trait = trait_of(sentence)
    if trait is not None:
        named = sentence.singles or sentence.has(_APART) or trait[0].relation is Relation.VOLUME
        return () if named else tuple(Query(item, relation=trait[0].relation) for item in items)
    if not sentence.has(_APART):
        return ()
    if sentence.singles:
        return tuple(Query(sentence.name(sentence.singles[0]), item) for item in items)
    return tuple(Query(a, b) for a, b in combinations(items, 2)) if sentence.has(_AMONG) else ()


def _whose(query: Query) -> str:
    if query.reference is None:
        return the(str(query.subject))
    return f"{the(str(query.subject))} to {the(str(query.reference))}"
