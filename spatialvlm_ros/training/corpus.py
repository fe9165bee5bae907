"""What the embedded tokenizer learns its words from: names of the pack, templates, numbers, general questions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from spatialvlm_ros.questions.generator import QuestionGenerator
from spatialvlm_ros.scenes.scene import Scene


def corpus(scenes: Sequence[Scene], labels: Sequence[str], per_scene: int = 40) -> Iterator[str]:
    """Sentences as the model meets them, in a fixed order.

    Args:
        scenes: of the training split.
        labels: all names of objects.
        per_scene: questions per scene.
    """
    for label in sorted(set(labels)):
        for _ in range(8):
            yield " " + label
    generator = QuestionGenerator(min_visible=0.3)
    for pairs in generator.generate(scenes, per_scene, list(range(len(scenes)))):
        for pair in pairs:
            yield " " + pair.question
            yield " " + pair.answer
    rng = np.random.default_rng(0)
    for _ in range(2000):
        yield f" {rng.integers(1, 400)} cm"
        yield f" {rng.uniform(0, 9):.1f} m"
    for sentence in _GENERAL:
        for _ in range(20):
            yield " " + sentence


_GENERAL = (
    "What is this?",
    "What do you see here?",
    "Name this object.",
    "What colour is the mug?",
    "Which colour does the mug have?",
    "How many objects of the kind mug are there?",
    "Count the objects that are called mug.",
    "Is there a mug in the picture?",
    "Do you see a mug?",
    "yes",
    "no",
    "none",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
)
