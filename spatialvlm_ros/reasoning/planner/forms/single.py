"""Questions of one step: the 43 families, measured and said with their error."""

from __future__ import annotations

from spatialvlm_ros.models.estimate import PROBABILITY
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.models.question_reading import read_question
from spatialvlm_ros.reasoning.planner.deciding import shown, yes_or_no
from spatialvlm_ros.reasoning.planner.plan import Evidence, Plan, form
from spatialvlm_ros.reasoning.planner.sentence import Sentence
from spatialvlm_ros.reasoning.steps import Conclusion
from spatialvlm_ros.reasoning.texts import sentence as capital
from spatialvlm_ros.reasoning.texts import the
from spatialvlm_ros.reasoning.toolbox import query_words


@form("single", 200, "How far is the mug from the bowl?")
def read_single(sentence: Sentence) -> Plan | None:
    """One measurement, where the question is one of the 43 families word for word."""
    query = read_question(sentence.text)
    if query is None:
        return None

    def conclude(evidence: Evidence) -> Conclusion:
        estimate, drawn = evidence.estimate(query), evidence.drawn(query)
        if estimate.unit != PROBABILITY:
            text = f"{shown(drawn)}: the {_words(query)}."
            return Conclusion(capital(text), (), drawn.value, drawn.std, drawn.unit, estimate=estimate)
        asked = f"{query.kind.value} is asked of {the(str(query.subject))}"
        asked += "" if query.reference is None else f" against {the(str(query.reference))}"
        text, label, probability = yes_or_no(drawn, asked)
        return Conclusion(text, (label,), probability=probability, estimate=estimate)

    return Plan("single", f"I need the {query_words(query)}.", (query,), conclude)


def _words(query: Query) -> str:
    return query_words(query).replace("_", " ")
