"""Questions of one step: the 43 families, measured and said with their error."""

from __future__ import annotations

from spatialvlm_ros.errors import QueryError
from spatialvlm_ros.models.estimate import PROBABILITY
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.models.question_reading import ReadQuestion, read_family_question
from spatialvlm_ros.questions.ambiguity import CLAUSES
from spatialvlm_ros.questions.families import Kind
from spatialvlm_ros.reasoning.planner.deciding import hedged, shown, yes_or_no
from spatialvlm_ros.reasoning.planner.forms.choosing import size_choice, trait_of_predicate
from spatialvlm_ros.reasoning.planner.plan import Evidence, Plan, form
from spatialvlm_ros.reasoning.planner.sentence import Sentence, read_sentence
from spatialvlm_ros.reasoning.planner.turns import may_be_a_name
from spatialvlm_ros.reasoning.steps import Conclusion
from spatialvlm_ros.reasoning.texts import sentence as capital
from spatialvlm_ros.reasoning.texts import the
from spatialvlm_ros.reasoning.toolbox import query_words
from spatialvlm_ros.scenes.relations import Relation

_SIDES = {  # what a predicate says of the first object, beside sizes
    Relation.LEFT: "farther to the left",
    Relation.RIGHT: "farther to the right",
    Relation.ABOVE: "higher up",
    Relation.BELOW: "lower down",
    Relation.BEHIND: "farther back",
    Relation.FRONT: "farther forward",
}
_CLAUSES = tuple(f" {clause}" for pair in CLAUSES.values() for clause in pair)
_CLASSES = {
    "left": "to the left",
    "right": "to the right",
    "front": "in front",
    "tall": "taller",
    "short": "shorter",
    "wide": "wider",
    "thin": "thinner",
    "big": "bigger",
    "small": "smaller",
}


@form("single", 2, "How far is the mug from the bowl?", accounts=None)
def read_single(sentence: Sentence) -> Plan | None:
    """One measurement, where the question is one of the 43 families word for word, of plainly named things."""
    read = _family_question(sentence)
    return None if read is None or not all(map(_is_plain, _names(read.query))) else _plan(read, "single")


@form("single_described", 200, "How tall is the cup on the table?", accounts=None)
def read_single_described(sentence: Sentence) -> Plan | None:
    """The same, of things that take more words to name; tried last, as those words may ask for something else."""
    read = _family_question(sentence)
    return None if read is None or not all(map(may_be_a_name, _names(read.query))) else _plan(read, "single_described")


def _family_question(sentence: Sentence) -> ReadQuestion | None:
    try:
        return None if sentence.lengths else read_family_question(sentence.text)  # no family asks about a length
    except QueryError:
        return None


def _names(query: Query) -> tuple[str, ...]:
    return tuple(str(n) for n in (query.subject, query.reference) if n is not None)


def _is_plain(name: str) -> bool:
    """Whether nothing but a name stands where the family has one: "lamp" or "lamp on the left", as questions tell two
    lamps apart, not "lamp, and by how much"."""
    clause = next((c for c in _CLAUSES if name.lower().endswith(c)), "")
    alone = read_sentence(f"the {name[: len(name) - len(clause)]}")
    return alone.skeleton == "<0>" and len(alone.names) == 1 and may_be_a_name(name)


def _plan(read: ReadQuestion, name: str) -> Plan:
    query = read.query
    trait = trait_of_predicate(query.kind)
    if read.family.kind is Kind.CHOICE and trait is not None:
        return size_choice(_names(query), *trait).plan_of(trait[0])

    def conclude(evidence: Evidence) -> Conclusion:
        estimate = evidence.estimate(query)
        if estimate.unit != PROBABILITY:
            drawn = evidence.drawn(query)
            text = f"{shown(drawn)}: the {_words(query)}."
            return Conclusion(capital(text), (), drawn.value, drawn.std, drawn.unit, estimate=estimate)
        return _decided(read, evidence)

    return Plan(name, f"I need the {query_words(query)}.", (query,), conclude)


def _decided(read: ReadQuestion, evidence: Evidence) -> Conclusion:
    """What a predicate decides: yes or no, one of two things, one of two words."""
    query = read.query
    estimate, truth = evidence.estimate(query), evidence.drawn(query)
    if read.family.kind is Kind.PREDICATE:
        asked = f"{query.kind.value} is asked of {the(str(query.subject))}"
        asked += "" if query.reference is None else f" against {the(str(query.reference))}"
        text, label, probability = yes_or_no(truth, asked)
        return Conclusion(text, (label,), probability=probability, estimate=estimate)
    holds = truth.value >= 0.5
    probability = max(truth.value, 1 - truth.value)
    if read.family.kind is Kind.CHOICE:
        label, other = (str(n) for n in _names(query)[:: 1 if holds else -1])
        text = hedged(the(label), probability, f"{_SIDES[query.kind]} than {the(other)}")
    else:
        label = read.family.words[0 if holds else 1]
        subject, reference = map(the, _names(query))
        text = hedged(_CLASSES.get(label, label), probability, f"{subject}, compared with {reference}")
    return Conclusion(text, (label,), probability=probability, estimate=estimate)


def _words(query: Query) -> str:
    return query_words(query).replace("_", " ")
