"""Within a length: can it be reached, how many are near enough, is it taller than so much."""

from __future__ import annotations

from spatialvlm_ros.models.query import CAMERA_NAME, Query
from spatialvlm_ros.reasoning.planner.counting import counted
from spatialvlm_ros.reasoning.planner.cues import COUNTS, RELATIVE_SIZE, any_of, asks_below
from spatialvlm_ros.reasoning.planner.deciding import shown, yes_or_no
from spatialvlm_ros.reasoning.planner.forms.choosing import trait_of
from spatialvlm_ros.reasoning.planner.plan import Evidence, Plan, form
from spatialvlm_ros.reasoning.planner.sentence import Sentence
from spatialvlm_ros.reasoning.planner.turns import AMOUNTS, BOUNDS, COMPARISONS, DISTANCES, SIZES
from spatialvlm_ros.reasoning.steps import Conclusion
from spatialvlm_ros.reasoning.texts import listed, the, with_error
from spatialvlm_ros.scenes.relations import Relation

_REACHES = any_of(
    "reach, reaches, reachable, reached, within, enough, less than, closer than, nearer than, touch, grab, grasp, "
    "stretch, stretches, extend, extends, away, far, farther than, further than, more than, distance, long, at most, "
    "at least, radius, range, get"
)
# "not more than", "not within": `asks_below` reads them.
_DENIED = (
    r"\b(?:no|not|never|isn't|aren't|don't|doesn't|can't|won't|cannot) (?:\w+ )?"
    r"(?=(?:more|longer|greater|larger|bigger|farther|further|beyond|outside|over|at least|out|too far|exceeds?|within|"
    r"closer|nearer|less|inside|reach)\b)"
)


_EACH_OTHER = r"\b(?:each other|one another)\b"


@form(
    "count_within",
    30,
    "How many of the mug, the bowl and the tray are within 0.5 m of the lamp?",
    accounts=(
        _DENIED,
        BOUNDS,
        COMPARISONS,
        DISTANCES,
        AMOUNTS,
    ),
)
def read_count_within(sentence: Sentence) -> Plan | None:
    """How many are nearer, or farther, than a length."""
    if len(sentence.lengths) != 1 or not sentence.has(COUNTS) or len(sentence.lists) != 1:
        return None
    if (
        len(sentence.singles) > 1
        or sentence.has(rf"{_EACH_OTHER}|{RELATIVE_SIZE}")
        or (not sentence.singles and sentence.has(r"\bapart\b"))
    ):
        return None
    items = sentence.groups[sentence.lists[0]].names
    reference = sentence.name(sentence.singles[0]) if sentence.singles else CAMERA_NAME
    queries = tuple(Query(reference, item) for item in items)
    limit, below = sentence.lengths[0], asks_below(sentence)
    sign = "<" if below else ">"

    def conclude(evidence: Evidence) -> Conclusion:
        values = [evidence.drawn(q) for q in queries]
        names = [evidence.name(q) for q in queries]
        truths = [evidence.calculate(f"{n} {sign} {limit:.6g} m", "Near enough?") for n in names]
        numbers = listed([f"{the(i)} {shown(v)}" for i, v in zip(items, values, strict=True)])
        return counted(items, truths, f"{numbers} from {the(reference)}")

    return Plan("count_within", f"I need the distance from {the(reference)} to each of them.", queries, conclude)


# Something in the way, not the start; or another question about the two.
_NOT_APART = (
    r"\b(?:over|past|through|via|under|behind) <\d+>|\b(?:fits?|pass(?:es)?|squeezes?|room|clearance)\b|"
    r"\b(?:gaps?|spaces?|openings?|passages?)\b"  # from edge to edge
)
# Without these words each thing of a list is meant: "can I reach the mug and the bowl".
_ENDS = rf"{_EACH_OTHER}|\bapart\b|\bbetween <"


@form(
    "reach",
    50,
    "Can an arm with a reach of 0.8 m get to the mug from the tray?",
    accounts=(
        _DENIED,
        BOUNDS,
        COMPARISONS,
        DISTANCES,
    ),
)
def read_reach(sentence: Sentence) -> Plan | None:
    """Whether the distance of two things, or from the camera, is below a length, or above it."""
    if len(sentence.lengths) != 1 or not sentence.has(_REACHES) or sentence.has(COUNTS):
        return None
    names = tuple(dict.fromkeys(sentence.names))
    if len(names) not in (1, 2):
        return None
    if sentence.has(rf"{_NOT_APART}|{RELATIVE_SIZE}") or (sentence.lists and not sentence.has(_ENDS)):
        return None
    a, b = names if len(names) == 2 else (CAMERA_NAME, names[0])
    if a == b:
        return None
    query, limit = Query(a, b), sentence.lengths[0]
    sign = "<" if asks_below(sentence) else ">"

    def conclude(evidence: Evidence) -> Conclusion:
        distance = evidence.drawn(query)
        truth = evidence.calculate(f"{evidence.name(query)} {sign} {limit:.6g} m", "Compare it with the length.")
        why = f"{the(a)} and {the(b)} are {shown(distance)} apart, against {with_error(limit)}"
        text, label, probability = yes_or_no(truth, why)
        return Conclusion(text, (label,), probability=probability, estimate=evidence.estimate(query))

    return Plan("reach", f"I need the distance between {the(a)} and {the(b)}.", (query,), conclude)


@form(
    "size_limit",
    45,
    "Is the box taller than 30 cm?",
    accounts=(
        BOUNDS,
        COMPARISONS,
        SIZES,
    ),
)
def read_size_limit(sentence: Sentence) -> Plan | None:
    """Whether one thing is taller or wider than a length, or less so."""
    found = trait_of(sentence)
    if found is None or len(sentence.lengths) != 1 or len(sentence.names) != 1:
        return None
    if not sentence.has(r"\bthan #|\b(?:at least|at most|over|under|below|above) #") or sentence.has(r"\breach"):
        return None
    if sentence.has(RELATIVE_SIZE):
        return None
    trait, sign = found
    if trait.relation not in (Relation.HEIGHT, Relation.WIDTH):
        return None
    (name,), limit = sentence.names, sentence.lengths[0]
    query = Query(name, relation=trait.relation)
    below = sign < 0 or sentence.has(r"\b(?:less|at most|under|below|lower|smaller)\b")

    def conclude(evidence: Evidence) -> Conclusion:
        expression = f"{evidence.name(query)} {'<' if below else '>'} {limit:.6g} m"
        truth = evidence.calculate(expression, "Compare it with the length.")
        why = (
            f"the {trait.relation.value} of {the(name)} is {shown(evidence.drawn(query))}, against {with_error(limit)}"
        )
        text, label, probability = yes_or_no(truth, why)
        return Conclusion(text, (label,), probability=probability, estimate=evidence.estimate(query))

    return Plan("size_limit", f"I need the {trait.relation.value} of {the(name)}.", (query,), conclude)
