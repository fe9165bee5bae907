"""What must be beaten: answers that need no picture."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from spatialvlm_ros.reasoning.bench.judge import TOLERANCE
from spatialvlm_ros.reasoning.bench.questions import Question
from spatialvlm_ros.reasoning.bench.truths import Kind, Truth
from spatialvlm_ros.scenes.observation import Observation

_NUMBERS = (Kind.NUMBER, Kind.RATIO, Kind.COUNT)


def majority_right(asked: Sequence[Question]) -> list[bool]:
    """Whether the commonest answer of each form is right: the place in the list that is right most often, the commonest
    word, the median number. It is taken from the questions themselves, which favours it."""
    by_form: dict[str, list[Truth]] = defaultdict(list)
    for question in asked:
        by_form[question.form].append(question.truth)
    guesses = {form: _guess(truths) for form, truths in by_form.items()}
    return [_fits(guesses[q.form], q.truth) for q in asked]


Guess = tuple[object, float]


def _guess(truths: Sequence[Truth]) -> Guess:
    key = Counter(_key(t) for t in truths).most_common(1)[0][0]
    values = [t.value for t in truths if np.isfinite(t.value)]
    return key, float(np.median(values)) if values else float("nan")


def _key(truth: Truth) -> object:
    """What a guess can be without a picture: places in the list that was named, or words."""
    if truth.kind in (Kind.LABEL, Kind.LABEL_NUMBER, Kind.ORDER, Kind.PAIR):
        places = [truth.candidates.index(label) for label in truth.labels]
        return tuple(sorted(places) if truth.kind is Kind.PAIR else places)
    return truth.labels


def _fits(guess: Guess, truth: Truth) -> bool:
    key, value = guess
    if truth.kind is Kind.REFUSAL:
        return False
    close = abs(value - truth.value) <= (0.0 if truth.kind is Kind.COUNT else TOLERANCE * abs(truth.value))
    if truth.kind in _NUMBERS:
        return close
    return _key(truth) == key and (truth.kind is not Kind.LABEL_NUMBER or close)


def without_picture(observation: Observation) -> Observation:
    """The same camera in front of a grey nothing."""
    grey = np.full_like(observation.rgb, int(observation.rgb.mean()))
    return replace(observation, rgb=grey, depth=None)
