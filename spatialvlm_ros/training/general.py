"""General questions on the same pictures: names, colours, counts, presence; what learning metres must not cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.questions.grammar import indefinite
from spatialvlm_ros.training.augmentation import Sample

COLOURS = ("red", "green", "blue", "yellow", "orange", "purple", "pink", "brown", "black", "white", "gray")
_NUMBERS = ("none", "one", "two", "three", "four", "five", "six")
_SEEN = 0.3


@dataclass(frozen=True)
class GeneralQuestion:
    """A question without metres.

    Attributes:
        kind: "name", "colour", "count" or "presence".
        text: the question.
        box: (4,) canvas pixels that the question points at, or None.
        answer: in words.
    """

    kind: str
    text: str
    box: NDArray[np.float64] | None
    answer: str


def general_questions(
    sample: Sample, names: Sequence[str | None], wanted: float, nouns: Sequence[str], rng: np.random.Generator
) -> list[GeneralQuestion]:
    """About ``wanted`` questions on a sample; kinds take turns at random.

    Args:
        sample: the picture.
        names: what its objects are called, None where no name means one alone.
        wanted: expected number.
        nouns: what can be asked for and not be there.
        rng: decides.
    """
    count = int(wanted) + int(rng.random() < wanted - int(wanted))
    seen = [k for k, o in enumerate(sample.scene.objects) if o.visible_fraction >= _SEEN]
    if not seen:
        return []
    kinds = list(_KINDS)
    made = [_KINDS[kinds[int(rng.integers(len(kinds)))]](sample, names, seen, nouns, rng) for _ in range(count)]
    return [m for m in made if m is not None]


_Maker = Callable[[Sample, Sequence[str | None], list[int], Sequence[str], np.random.Generator], GeneralQuestion | None]


def _name(
    sample: Sample, names: Sequence[str | None], seen: list[int], nouns: Sequence[str], rng: np.random.Generator
) -> GeneralQuestion | None:
    k = _pick(seen, rng)
    text = _pick(("What is this?", "What do you see here?", "Name this object."), rng)
    return GeneralQuestion("name", text, sample.boxes[k], indefinite(sample.scene.objects[k].noun))


def _colour(
    sample: Sample, names: Sequence[str | None], seen: list[int], nouns: Sequence[str], rng: np.random.Generator
) -> GeneralQuestion | None:
    coloured = [k for k in seen if set(sample.scene.objects[k].attributes) & set(COLOURS)]
    if not coloured:
        return None
    thing = sample.scene.objects[k := _pick(coloured, rng)]
    alike = [j for j in seen if sample.scene.objects[j].noun == thing.noun]
    if len(alike) > 1:
        return None
    colour = next(a for a in thing.attributes if a in COLOURS)
    text = _pick(("What colour is the {}?", "Which colour does the {} have?"), rng).format(thing.noun)
    return GeneralQuestion("colour", text, sample.boxes[k] if rng.random() < 0.3 else None, colour)


def _count(
    sample: Sample, names: Sequence[str | None], seen: list[int], nouns: Sequence[str], rng: np.random.Generator
) -> GeneralQuestion | None:
    # Things that are hardly seen make a count debatable.
    doubtful = {o.noun for o in sample.scene.objects if 0 < o.visible_fraction < 2 * _SEEN}
    there = [sample.scene.objects[k].noun for k in seen]
    noun = _pick(there, rng) if rng.random() < 0.7 else _pick(nouns, rng)
    number = there.count(noun)
    if noun in doubtful or number >= len(_NUMBERS) or (number == 0 and _hinted(sample, noun)):
        return None
    text = _pick(("How many objects of the kind {} are there?", "Count the objects that are called {}."), rng)
    return GeneralQuestion("count", text.format(noun), None, _NUMBERS[number])


def _presence(
    sample: Sample, names: Sequence[str | None], seen: list[int], nouns: Sequence[str], rng: np.random.Generator
) -> GeneralQuestion | None:
    if rng.random() < 0.5:
        noun, answer = sample.scene.objects[_pick(seen, rng)].noun, "yes"
    else:
        noun, answer = _pick(nouns, rng), "no"
        if _hinted(sample, noun):
            return None
    text = _pick(("Is there {} in the picture?", "Do you see {}?"), rng)
    return GeneralQuestion("presence", text.format(indefinite(noun)), None, answer)


_KINDS: dict[str, _Maker] = {"name": _name, "colour": _colour, "count": _count, "presence": _presence}


def _hinted(sample: Sample, noun: str) -> bool:
    """Whether anything in the scene may go by that name."""
    here = " ".join(f"{o.label} {o.noun}" for o in sample.scene.objects).split()
    return noun.split()[-1] in here


def _pick(options: Sequence, rng: np.random.Generator):  # type: ignore[no-untyped-def,type-arg]
    return options[int(rng.integers(len(options)))]
