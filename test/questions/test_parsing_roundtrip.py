"""Every answer that the templates can write is read back: length and sign, label, or uncertainty."""

from __future__ import annotations

import numpy as np
import pytest
from scene_builders import level_scene, thing

from spatialvlm_ros.questions.ambiguity import AmbiguityResolver
from spatialvlm_ros.questions.families import FAMILIES, FAMILY_NAMES, Kind
from spatialvlm_ros.questions.generator import CAMERA_OBJECT, QuestionGenerator
from spatialvlm_ros.questions.parsing.answers import parse_answer
from spatialvlm_ros.questions.rounding import UNIFORMS, Unit, round_lengths
from spatialvlm_ros.questions.templates import FamilyTemplates, Template, load_templates
from spatialvlm_ros.scenes.scene import Scene

# Plain names, plurals, names that share words, and names with directions, preposition clauses or lengths in them.
NAMES = (
    ("red mug", "bowl"),
    ("scissors", "red mug"),
    ("wine glass", "glass"),
    ("mug on the left", "mug on the right"),
    ("round table", "book behind the vase"),
    ("tall lamp", "small box"),
    ("silver hammer", "white keyboard further from the camera"),
    ("cup nearer to the camera", "cup further from the camera"),
    ("cup higher up", "cup lower down"),
    ("12 inch ruler", "toy car"),
)
_LABEL_OF_CASE = {"affirm": "yes", "deny": "no"}


def _lengths() -> dict[str, float]:
    """Text -> metres of lengths from 1 mm to 50 m, rounded in every way that the rounding knows."""
    values = np.geomspace(1e-3, 50, 60)
    uniforms = np.random.default_rng(3).random((20 * len(values), UNIFORMS))
    rounded = round_lengths(np.tile(values, 20), uniforms)
    assert set(rounded.units.tolist()) == {int(unit) for unit in Unit}
    return dict(zip(rounded.texts, rounded.metres.tolist(), strict=True))


LENGTHS = _lengths()


def _answers(templates: FamilyTemplates) -> list[tuple[str, Template]]:
    return [(case, template) for case, group in templates.answers.items() for template in group]


def _families(*kinds: Kind) -> list[str]:
    return [name for name, family in FAMILIES.items() if family.kind in kinds]


@pytest.mark.parametrize("text", LENGTHS)
def test_each_rounded_length_is_read_back_exactly(text: str) -> None:
    answer = parse_answer(text, "distance")
    assert answer.value is not None
    assert answer.value.value_m == pytest.approx(LENGTHS[text], rel=1e-9)


@pytest.mark.parametrize("name", _families(Kind.NUMBER))
def test_numbers_keep_value_and_sign(name: str) -> None:
    lengths = list(LENGTHS.items())
    misses = []
    for k, (case, template) in enumerate(_answers(load_templates()[name])):
        filled = [("", 0.0)] if case == "zero" else lengths[k % 5 :: 5]
        for n, (text, metres) in enumerate(filled):
            a, b = NAMES[(k + n) % len(NAMES)]
            said = template.fill(a=a, b=b, value=text)
            answer = parse_answer(said, name, a, b)
            wanted = -metres if case == "negative" else metres
            if answer.value is None or answer.value.value_m != pytest.approx(wanted, rel=1e-9, abs=1e-12):
                misses.append((said, wanted, answer))
    assert not misses


@pytest.mark.parametrize("name", _families(Kind.CHOICE))
def test_choices_name_the_winner(name: str) -> None:
    misses = []
    for case, template in _answers(load_templates()[name]):
        for a, b in NAMES:
            for win, lose in ((a, b), (b, a)):
                said = template.fill(a=a, b=b, win=win, lose=lose)
                wanted = "uncertain" if case == "uncertain" else win
                answer = parse_answer(said, name, a, b)
                if answer.label != wanted:
                    misses.append((said, wanted, answer))
    assert not misses


@pytest.mark.parametrize("name", _families(Kind.PREDICATE, Kind.CLASSIFY))
def test_yes_no_and_classes_keep_their_label(name: str) -> None:
    misses = []
    for case, template in _answers(load_templates()[name]):
        for a, b in NAMES:
            said = template.fill(a=a, b=b)
            answer = parse_answer(said, name, a, b)
            if answer.label != _LABEL_OF_CASE.get(case, case):
                misses.append((said, case, answer))
    assert not misses


def _scene(rng: np.random.Generator) -> Scene:
    """Boxes in front of a level camera; names repeat, so that some get a clause ("the red mug on the left")."""
    labels = [
        f"{rng.choice(['red', 'blue'])} {rng.choice(['mug', 'bowl', 'scissors', 'table lamp'])}" for _ in range(7)
    ]
    things = [thing(t, rng.uniform([-1.5, -1, 0.6], [1.5, 1, 4]), rng.uniform(0.03, 0.5, 3)) for t in labels]
    gaps = rng.uniform(0, 2, (7, 7))
    return level_scene(*things, level=int(rng.integers(3)), gaps=(gaps + gaps.T) / 2)


def test_generated_answers_are_read_back() -> None:
    scenes = [_scene(np.random.default_rng(k)) for k in range(60)]
    names = AmbiguityResolver().resolve(scenes)
    columns = QuestionGenerator(wordings="all").generate_columns(scenes, 60, range(len(scenes)))
    assert len(columns) > 2000
    misses = []
    for k, said in enumerate(columns.answer):
        family = FAMILIES[FAMILY_NAMES[columns.families[k]]]
        known = names[columns.scene[k]]
        reference = columns.reference[k]
        subject = known[columns.subject[k]]
        other = known[reference] if reference >= 0 else "camera" if reference == CAMERA_OBJECT else None
        answer = parse_answer(said, family, subject, other)
        if family.kind is Kind.NUMBER:
            right = answer.value is not None and answer.value.value_m == pytest.approx(columns.spoken[k], abs=1e-9)
        else:
            cases = {Kind.PREDICATE: ("yes", "no"), Kind.CHOICE: (subject, other), Kind.CLASSIFY: family.words}
            wanted = "uncertain" if columns.uncertain[k] else cases[family.kind][0 if columns.value[k] > 0 else 1]
            right = answer.label == wanted
        if not right:
            misses.append((family.name, subject, other, said, answer))
    assert not misses
