"""Does it fit into something, or on it: sizes against sizes, footprint against footprint."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.models.estimate import Reason
from spatialvlm_ros.models.query import Query, is_camera, is_gripper
from spatialvlm_ros.reasoning.arithmetic.draws import Drawn, depth_of
from spatialvlm_ros.reasoning.faults import Stopped
from spatialvlm_ros.reasoning.planner.deciding import shown, yes_or_no
from spatialvlm_ros.reasoning.planner.plan import Evidence, Plan, form
from spatialvlm_ros.reasoning.planner.sentence import Sentence
from spatialvlm_ros.reasoning.steps import Conclusion
from spatialvlm_ros.reasoning.texts import the, with_error
from spatialvlm_ros.scenes.relations import Relation

_ASKS = (
    r"^(?:(?:can|could) you (?:tell me|say) (?:if|whether) |do you think )?"
    r"(?:(?:will|would|does|do|can|could|may|might|doesn't|won't|wouldn't|can't|couldn't) )?"
)
_VERB = r"(?: (?:would|will|can|could))? (?:completely |entirely |just )?(?:fits?|go|be (?:put|placed|fitted|set))"
_WHERE = r"(?: completely| entirely)? (?:(?P<into>in|into|inside|within)|(?:on|onto|upon|on top of)) <(?P<holder>\d+)>"
_END = r"[ ?.]*$"
_OF_TWO = (
    rf"{_ASKS}<(?P<thing>\d+)>{_VERB}{_WHERE}{_END}",
    rf"^is there (?:enough )?(?:room|space) for <(?P<thing>\d+)>{_WHERE}{_END}",
)
_SAID = r"# (?P<said>wide|broad|tall|high)"
_CARRIED = rf"{_SAID} (?!not|never)[a-z-]+(?: (?!not|never)[a-z-]+)?"  # "30 cm wide box"
_OWN = rf"<\d+>,?(?: (?:that|which) is| being)? {_SAID},?"  # "box that is 30 cm wide"
_WITH = r"<\d+> (?:with|of) (?P<said>width|breadth|height) of #"
_OF_ONE = tuple(rf"{_ASKS}{what}{_VERB}{_WHERE}{_END}" for what in (_CARRIED, _OWN, _WITH))
_HEIGHTS = ("tall", "high", "height")
_WALLS = "walls are not subtracted"


@form("fits_into", 55, "Will the mug fit into the box?", accounts=None)
def read_fits_into(sentence: Sentence) -> Plan | None:
    """Whether one thing fits into another, or on it, as large as both are on the outside; it may be turned about the
    vertical by a quarter."""
    match = _first_match(_OF_TWO, sentence)
    if match is None or sentence.lists or len(sentence.names) != 2:
        return None
    names = thing, holder = tuple(sentence.name(int(match[k])) for k in ("thing", "holder"))
    if any(is_camera(n) or is_gripper(n) for n in names):
        return None
    into = match["into"] is not None
    kinds = (Relation.WIDTH, Relation.HEIGHT) if into else (Relation.WIDTH,)
    queries = tuple(Query(n, relation=kind) for n in names for kind in kinds)

    def conclude(evidence: Evidence) -> Conclusion:
        sides = [_sides(n, evidence) for n in names]
        smaller = [np.sort(sides[0], axis=0) < np.sort(sides[1], axis=0)]
        if into:
            lower, higher = (evidence.drawn(Query(n, relation=Relation.HEIGHT)) for n in names)
            smaller.append((lower.draws < higher.draws)[None])
        truth = Drawn(np.asarray(np.vstack(smaller).all(axis=0), dtype=np.float64), None, truth=True)
        said = [_said(n, evidence, into) for n in names]
        text, label, probability = yes_or_no(truth, f"{said[0]}, {said[1]}{f'; {_WALLS}' if into else ''}")
        return Conclusion(text, (label,), probability=probability)

    what = "sizes" if into else "footprints"
    return Plan("fits_into", f"I need the {what} of {the(thing)} and {the(holder)}.", queries, conclude, names)


@form("width_fits_into", 43, "Would a 30 cm wide box fit on the tray?", accounts=None)
def read_width_fits_into(sentence: Sentence) -> Plan | None:
    """Whether something of a width or height that is told fits into a thing, or on it; what it is does not matter."""
    match = _first_match(_OF_ONE, sentence)
    if match is None or len(sentence.lengths) != 1 or sentence.lists:
        return None
    holder, into = sentence.name(int(match["holder"])), match["into"] is not None
    high = match["said"] in _HEIGHTS
    if high and not into or is_camera(holder) or is_gripper(holder):
        return None
    query = Query(holder, relation=Relation.HEIGHT if high else Relation.WIDTH)
    needed = sentence.lengths[0]

    def conclude(evidence: Evidence) -> Conclusion:
        truth = evidence.calculate(f"{evidence.name(query)} > {needed:.6g} m", "Compare it with what is needed.")
        size = f"{the(holder)} is {shown(evidence.drawn(query))} {'high' if high else 'wide'}"
        why = f"{size}, {with_error(needed)} are needed{f'; {_WALLS}' if into else ''}"
        text, label, probability = yes_or_no(truth, why)
        return Conclusion(text, (label,), probability=probability, estimate=evidence.estimate(query))

    return Plan("width_fits_into", f"I need the {query.kind.value} of {the(holder)}.", (query,), conclude)


def _first_match(patterns: tuple[str, ...], sentence: Sentence) -> re.Match[str] | None:
    return next((m for m in (re.search(p, sentence.skeleton) for p in patterns) if m is not None), None)


def _sides(name: str, evidence: Evidence) -> NDArray[np.float64]:
    """(2, DRAWS) metres: width and depth."""
    return np.stack([evidence.drawn(Query(name, relation=Relation.WIDTH)).draws, _depth(name, evidence).draws])


def _depth(name: str, evidence: Evidence) -> Drawn:
    depth = depth_of(evidence.places[name])
    if not np.isfinite(depth.draws).all():
        raise Stopped(Reason.NO_FRAME, f"It is not known how deep {the(name)} is.")
    return depth


def _said(name: str, evidence: Evidence, with_height: bool) -> str:
    """ "the mug is 0.10 m wide, 0.10 m deep and 0.12 m high"."""
    wide, deep = shown(evidence.drawn(Query(name, relation=Relation.WIDTH))), shown(_depth(name, evidence))
    if not with_height:
        return f"{the(name)} is {wide} wide and {deep} deep"
    high = shown(evidence.drawn(Query(name, relation=Relation.HEIGHT)))
    return f"{the(name)} is {wide} wide, {deep} deep and {high} high"
