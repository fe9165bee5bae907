"""Does it fit, can it pass: widths against the free passage between two things."""

from __future__ import annotations

from spatialvlm_ros.models.query import Query
from spatialvlm_ros.reasoning.arithmetic.draws import Drawn
from spatialvlm_ros.reasoning.planner.cues import any_of, pair_of_lists
from spatialvlm_ros.reasoning.planner.deciding import shown, yes_or_no
from spatialvlm_ros.reasoning.planner.plan import Evidence, Plan, form
from spatialvlm_ros.reasoning.planner.sentence import Sentence
from spatialvlm_ros.reasoning.planner.turns import words
from spatialvlm_ros.reasoning.steps import Conclusion
from spatialvlm_ros.reasoning.texts import the, with_error
from spatialvlm_ros.scenes.relations import Relation

_TOO_WIDE = any_of("too (?:wide|big|large|broad|thick|narrow|tight|small)")
_PASSES = any_of(
    "wide, width, pass, passes, passage, through, drive, gap, opening, space, room, fit, fits, get past, "
    "get between, go, "
    "across, clearance, squeeze, narrow, past, broad"
)
_FITS = any_of(
    "fit, fits, fitting, room, squeeze, squeezed, enough, narrow, slim, too wide, too big, too large, too broad, "
    "space, "
    "gap, slide, slides, slip, slips, push, insert, take, hold, "
    r"(?:can|could|may|would|will|to) (?:i |you |we )?(?:be )?(?:<\d+> )?(?:be )?(?:put|placed?|set|park|stand|go)"
)
_ELSEWHERE = (  # how many fit; whether these two fit onto the tray
    r"^(?:how|what|which|who|where|when)\b|"
    r"\b(?:in|into|inside|on|onto|on top of|under|behind|beside) <\d+>"
)
_WIDTHS = (
    words("wide width widths broad breadth narrow slim")
    + r"|\btoo (?:wide|big|large|broad|thick|narrow|tight|small)\b|\b(?:wide|big|large|broad) enough\b"
)
_CARRIER = r"# (?:wide|broad) (?!(?:not|no|never)\b)[a-z-]+\b(?!')"  # what has the width: "# wide drawer"
_GAP = r"(?:\w+ )?(?:gap|space|opening|passage|clearance)"
_WIDER = r"(?:wider|broader|bigger|larger|thicker) than"
_NOT_WIDER = r"(?:narrower|slimmer|smaller|thinner|less wide) than"
_WIDER_THAN_GAP = rf"<\d+> (?:\w+ )?{_WIDER} {_GAP}\b"
_AGAINST_GAP = rf"{_WIDER_THAN_GAP}|{_NOT_WIDER} {_GAP}\b|{_GAP} between <\d+> (?:\w+ )?{_WIDER}(?= <\d+>)"
# A width that belongs to what stands before it: "a gripper that is # wide".
_OWN_WIDTH = r"<\d+>,? (?:that is |which is |that's |of |with (?:a |the )?(?:width|breadth) of |being )?#"


@form(
    "robot_passes",
    40,
    "Can a robot that is 0.6 m wide pass between the sofa and the table?",
    accounts=(
        _WIDTHS,
        _CARRIER,
        r"\b(?:at least|over|(?:more|wider|larger|bigger|greater|broader) than) #|\bfar enough\b",
    ),
)
def read_robot_passes(sentence: Sentence) -> Plan | None:
    """Whether something of a width that is told gets through between two things. What it is does not matter then: it
    need not be in the picture."""
    if len(sentence.lengths) != 1 or not sentence.has(_PASSES) or sentence.has(r"# (?:long|deep)\b"):
        return None
    passage = _passage(sentence)
    if passage is None:
        return None
    width = sentence.lengths[0]
    a, b = passage
    query = Query(a, b, Relation.FREE_WIDTH)

    def conclude(evidence: Evidence) -> Conclusion:
        free = evidence.drawn(query)
        truth = evidence.calculate(
            f"{evidence.name(query)} > {width:.6g} m", "Compare it with the width that is needed."
        )
        why = f"the passage between {the(a)} and {the(b)} is {shown(free)} wide, {with_error(width)} are needed"
        return _fitting(truth, why, sentence)

    return Plan("robot_passes", f"I need the free width between {the(a)} and {the(b)}.", (query,), conclude)


def _passage(sentence: Sentence) -> tuple[str, str] | None:
    """The two things to get through between, whatever has the width; None for other shapes."""
    if len(sentence.names) == 2:
        if not sentence.lists and not sentence.has(r"\bbetween <\d+>.*<\d+>|\bpast <"):
            return None
        return sentence.names[0], sentence.names[1]
    roles = pair_of_lists(sentence)
    if roles is None or not sentence.has(rf"{_OWN_WIDTH}|# (?:wide |broad )?<\d+>"):
        return None
    return roles[1]


@form(
    "fits_between",
    90,
    "Does the box fit between the sofa and the table?",
    accounts=(_WIDTHS, _AGAINST_GAP, r"\bfar enough\b"),
)
def read_fits_between(sentence: Sentence) -> Plan | None:
    """Whether one thing fits between two others, as wide as the camera sees it."""
    roles = pair_of_lists(sentence)
    if sentence.lengths or roles is None or not sentence.has(_FITS) or sentence.has(_ELSEWHERE):
        return None
    thing, (a, b) = roles
    width, passage = Query(thing, relation=Relation.WIDTH), Query(a, b, Relation.FREE_WIDTH)

    def conclude(evidence: Evidence) -> Conclusion:
        truth = evidence.calculate(f"{evidence.name(width)} < {evidence.name(passage)}", "Compare width and passage.")
        free, wide = evidence.drawn(passage), evidence.drawn(width)
        why = f"{the(thing)} is {shown(wide)} wide, the passage between {the(a)} and {the(b)} {shown(free)}"
        return _fitting(truth, why, sentence)

    thought = f"I need the width of {the(thing)}, and the free width between {the(a)} and {the(b)}."
    return Plan("fits_between", thought, (width, passage), conclude)


def _fitting(truth: Drawn, why: str, sentence: Sentence) -> Conclusion:
    if sentence.has(_TOO_WIDE) or sentence.has(_WIDER_THAN_GAP):
        truth = Drawn(1.0 - truth.draws, None, truth=True)
    text, label, probability = yes_or_no(truth, why)
    return Conclusion(text, (label,), probability=probability)
