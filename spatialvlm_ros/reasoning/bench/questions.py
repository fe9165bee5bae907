"""The questions of the benchmark: forms, scenes and wordings put together, each from its seed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from spatialvlm_ros.errors import EvaluationError
from spatialvlm_ros.reasoning.bench.exact_friend import ExactFriend
from spatialvlm_ros.reasoning.bench.scenes import absent, ambiguous, askable, known_labels
from spatialvlm_ros.reasoning.bench.truths import MAKERS, Kind, Slots, Truth
from spatialvlm_ros.reasoning.bench.wordings import UNREADABLE, filled, wordings
from spatialvlm_ros.scenes.scene import Scene

_TRIES = 60  # at a scene
_OPPOSITE = {"yes": "no", "no": "yes"}
REFUSED = ("absent", "ambiguous", UNREADABLE)


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        scene: its number.
        form: of the wordings, or one of `REFUSED` for questions without an answer.
        half: of the wordings.
        text: as it is asked.
        truth: the right answer.
    """

    scene: int
    form: str
    half: str
    text: str
    truth: Truth


def questions(scenes: Sequence[Scene], half: str, per_form: int, refused: int, seed: int = 0) -> list[Question]:
    """So many questions of every form, and so many of each kind that must be refused.

    Args:
        scenes: to ask about, used in turn.
        half: "known" or "held_out" wordings.
        per_form: questions of each form.
        refused: questions about something that is not there, about something that is there twice (as far as the scenes
            have such things), and questions that have no answer in metres; of each so many.
        seed: of all choices.

    Raises:
        EvaluationError: the scenes do not give enough.
    """
    made = [q for form in MAKERS for q in _of_form(scenes, form, half, per_form, seed)]
    return [
        *made,
        *_absent(scenes, half, refused, seed),
        *_twice(scenes, half, refused, seed),
        *_unreadable(scenes, half, refused, seed),
    ]


def _of_form(scenes: Sequence[Scene], form: str, half: str, number: int, seed: int) -> Iterator[Question]:
    ways, made = wordings(half)[form], 0
    for index in _in_turn(scenes, form, number, seed):
        rng = rng_of(seed, index, form, half, made)
        asked = _asked(scenes[index], form, rng)
        if asked is None:
            continue
        slots, truth = asked
        wording = ways[made % len(ways)]
        if wording.negated:
            truth = replace(truth, labels=tuple(_OPPOSITE[label] for label in truth.labels))
        yield Question(index, form, half, filled(wording, slots), truth)
        made += 1
        if made == number:
            return
    raise EvaluationError(f"the scenes give too few questions of the form {form}", made, "Use more scenes.")


def _in_turn(scenes: Sequence[Scene], form: str, number: int, seed: int) -> Iterator[int]:
    """Scenes in an order of the form's own, again and again, but not for ever."""
    order = rng_of(seed, 0, form).permutation(len(scenes))
    for k in range(max(20 * number, 4 * len(scenes))):
        yield int(order[k % len(order)])


def _asked(scene: Scene, form: str, rng: np.random.Generator) -> tuple[Slots, Truth] | None:
    friend, names = ExactFriend(scene), askable(scene)
    for _ in range(_TRIES):
        asked = MAKERS[form](friend, names, rng)
        if asked is not None:
            return asked
    return None


def rng_of(*words: object) -> np.random.Generator:
    """A generator that depends on these words only."""
    digest = hashlib.sha256(repr(words).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))


# ---- without an answer ----


def _absent(scenes: Sequence[Scene], half: str, number: int, seed: int) -> Iterator[Question]:
    """A question with one of its names replaced by that of something that is not there."""
    labels = known_labels()
    for made, (question, slots, rng) in enumerate(_answerable(scenes, half, number, seed, "absent")):
        others = absent(scenes[question.scene], labels)
        changed = _with_name(slots, str(rng.choice(np.array(others))), rng)
        yield _refused(question, "absent", half, changed, made)


def _twice(scenes: Sequence[Scene], half: str, number: int, seed: int) -> Iterator[Question]:
    """A question with one of its names replaced by one that two things have."""
    usable = [k for k, scene in enumerate(scenes) if ambiguous(scene)]
    if not usable:
        return
    chosen = [scenes[k] for k in usable]
    for made, (question, slots, rng) in enumerate(_answerable(chosen, half, number, seed, "ambiguous")):
        label = str(rng.choice(np.array(ambiguous(chosen[question.scene]))))
        at_home = replace(question, scene=usable[question.scene])
        yield _refused(at_home, "ambiguous", half, _with_name(slots, label, rng), made)


def _unreadable(scenes: Sequence[Scene], half: str, number: int, seed: int) -> Iterator[Question]:
    ways = wordings(half)[UNREADABLE]
    rng = rng_of(seed, 0, UNREADABLE, half)
    usable = [k for k, scene in enumerate(scenes) if len(askable(scene)) >= 5]
    for made in range(number):
        index = int(rng.choice(np.array(usable)))
        names = [str(n) for n in rng.permutation(np.array(askable(scenes[index])))]
        slots: Slots = {"a": names[0], "b": names[1], "items": names[2:5]}
        text = filled(ways[made % len(ways)], slots)
        yield Question(index, UNREADABLE, half, text, Truth(Kind.REFUSAL))


def _answerable(
    scenes: Sequence[Scene], half: str, number: int, seed: int, what: str
) -> Iterator[tuple[Question, Slots, np.random.Generator]]:
    """Questions with their slots, the forms by turns."""
    forms = list(MAKERS)
    made, tried = 0, 0
    while made < number and tried < 50 * number:
        rng = rng_of(seed, tried, what, half)
        index, form = int(rng.integers(len(scenes))), forms[made % len(forms)]
        asked, tried = _asked(scenes[index], form, rng), tried + 1
        if asked is not None:
            yield Question(index, form, half, "", asked[1]), asked[0], rng
            made += 1


def _with_name(slots: Slots, name: str, rng: np.random.Generator) -> Slots:
    """One of the names replaced."""
    changed = dict(slots)
    slot = str(rng.choice(np.array([s for s in slots if s != "w" and slots[s] != "camera"])))
    value = changed[slot]
    if isinstance(value, str):
        changed[slot] = name
    else:
        place = int(rng.integers(len(value)))
        changed[slot] = [name if k == place else v for k, v in enumerate(value)]
    return changed


def _refused(question: Question, kind: str, half: str, slots: Slots, number: int) -> Question:
    ways = wordings(half)[question.form]
    return Question(question.scene, kind, half, filled(ways[number % len(ways)], slots), Truth(Kind.REFUSAL))
