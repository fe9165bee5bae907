from __future__ import annotations

import re

import numpy as np
import pytest
from scene_builders import CRATE_TO_SHELF, OF_ONE, SHELF_TO_CRATE, asymmetric_scene, level_scene, thing

from spatialvlm_ros.errors import ConfigError, QuestionError
from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.geometry.frames import CanonicalFrame
from spatialvlm_ros.questions.families import FAMILIES, FAMILY_NAMES, Kind
from spatialvlm_ros.questions.generator import CAMERA_OBJECT, NO_OBJECT, QAPair, QuestionGenerator
from spatialvlm_ros.questions.mixes import get_mix
from spatialvlm_ros.questions.templates import load_templates
from spatialvlm_ros.questions.uncertainty import Margin
from spatialvlm_ros.scenes.pairs import CAMERA, scene_pairs
from spatialvlm_ros.scenes.relations import relation_values
from spatialvlm_ros.scenes.scene import Scene, SceneObject

TEXTS = {
    t.id: t
    for entry in load_templates().values()
    for group in (entry.questions, *entry.answers.values())
    for t in group
}
METRES = {"m": 1.0, "meter": 1.0, "cm": 0.01, "centimeter": 0.01, "mm": 0.001, "millimeter": 0.001}
METRES |= {"ft": 0.3048, "foot": 0.3048, "feet": 0.3048, "in": 0.0254, "inch": 0.0254, "inche": 0.0254}


def random_scene(rng, objects=8, gaps=True) -> Scene:
    """Random boxes with a tilted camera; colours and nouns repeat."""
    tilt = rng.uniform(0.1, 1.2)
    level = int(rng.integers(3))
    up = np.array([0.0, -np.cos(tilt), -np.sin(tilt)])
    frame = CanonicalFrame.from_up(up if level else None, 1.1 if level == 2 else None)
    axes = np.stack([frame.forward, frame.left, frame.up], axis=1)
    things = []
    for k in range(objects):
        center = rng.uniform([-1.5, -1.0, 0.6], [1.5, 1.0, 4.0])
        box = Boxes(center[None], rng.uniform(0.03, 0.5, (1, 3)), axes[None])
        label = f"{rng.choice(['red', 'blue', 'green'])} {rng.choice(['mug', 'bowl', 'lamp', 'chair', 'scissors'])}"
        own = float(rng.uniform(0.5, 1.0)) if level == 2 and k % 2 else None
        things.append(
            SceneObject(label, [0, 0, 9, 9], box, visible_fraction=float(rng.uniform(0.2, 1)), camera_height=own)
        )
    matrix = rng.uniform(0, 2, (objects, objects)) if gaps else None
    return Scene(None, tuple(things), frame, None if matrix is None else (matrix + matrix.T) / 2)


def only(*families):
    """A mix of these families alone."""
    from spatialvlm_ros.questions.mixes import parse_mix

    table = {"levels": {0: "t", 1: "t", 2: "t"}, "tables": {"t": dict.fromkeys(families, 1)}}
    return parse_mix("only", table)


def spoken_metres(text: str) -> float:
    """The length in an answer, by a small reader of its own."""
    text = re.sub(r"\b[Hh]alf an? ", "0.5 ", text)
    parts = re.findall(r"([\d.]+) (m|cm|mm|ft|in|(?:centi|milli)?meter|foot|feet|inche?)s?\b", text)
    assert parts, text
    return sum(float(n) * METRES[u] for n, u in parts)


@pytest.fixture(scope="module")
def analytic_pairs() -> list[QAPair]:
    scenes = [asymmetric_scene()] * 12
    generated = QuestionGenerator(wordings="all", margin=None, camera_share=0).generate(scenes, 250, range(12))
    return [pair for pairs in generated for pair in pairs]


def test_all_families_are_asked_and_values_are_the_analytic_ones(analytic_pairs):
    assert {p.family for p in analytic_pairs} == set(FAMILY_NAMES)
    for p in analytic_pairs:
        relation = FAMILIES[p.family].relation.value
        if FAMILIES[p.family].objects == 1:
            assert p.reference == NO_OBJECT
            truth = OF_ONE[relation][p.subject]
        else:
            assert {p.subject, p.reference} == {0, 1}
            truth = (CRATE_TO_SHELF if p.subject == 0 else SHELF_TO_CRATE)[relation]
        assert p.value == pytest.approx(truth, abs=1e-9), p
        assert p.unit == "m"


def test_questions_name_the_right_objects_in_order(analytic_pairs):
    names = ("wooden crate", "white shelf")
    for p in analytic_pairs:
        template = TEXTS[p.question_template]
        b = names[p.reference] if p.reference >= 0 else ""
        assert p.question == template.fill(a=names[p.subject], b=b)


def test_yes_and_no_follow_the_truth(analytic_pairs):
    for p in analytic_pairs:
        if FAMILIES[p.family].kind is Kind.PREDICATE:
            case = p.answer_template.split(".")[1][0]
            assert case == ("y" if p.value > 0 else "n"), p
            word = p.family.split("_")[0]
            truth = (CRATE_TO_SHELF if p.subject == 0 else SHELF_TO_CRATE)[word] > 0
            assert truth == (not re.match(r"No|False|Incorrect|That is not|.* is not ", p.answer)), p


def test_choices_name_the_right_one(analytic_pairs):
    # Worked out from the drawing: the crate is left, lower, in front, taller, thinner and bigger.
    crate = {"left", "below", "front", "tall", "thin", "big"}
    for p in analytic_pairs:
        if FAMILIES[p.family].kind is Kind.CHOICE:
            right = "crate" if p.family.split("_")[0] in crate else "shelf"
            wrong = {"crate": "shelf", "shelf": "crate"}[right]
            assert right in p.answer, p
            assert wrong not in p.answer or p.answer.index(right) < p.answer.index(wrong), p


def test_classes_are_right(analytic_pairs):
    truth = {"left_right": "left", "above_below": "below", "behind_front": "front"}
    truth |= {"tall_short": "tall", "wide_thin": "thin", "big_small": "big"}
    for p in analytic_pairs:
        f = FAMILIES[p.family]
        if f.kind is Kind.CLASSIFY:
            word = truth[p.family.removesuffix("_classify")]
            if p.subject == 1:
                word = f.words[1 - f.words.index(word)]
            case = "f" if word == f.words[0] else "s"
            assert p.answer_template.split(".")[1][0] == case, p


def test_numbers_say_the_value_in_its_unit_and_direction(analytic_pairs):
    opposite = {"left": "right", "right": "left", "behind": "front", "front": "behind|further back"}
    opposite |= {"above": "lower|below", "below": "higher|above"}
    for p in analytic_pairs:
        f = FAMILIES[p.family]
        if f.kind is not Kind.NUMBER:
            continue
        if p.value == pytest.approx(0, abs=1e-9):  # the crate stands on the floor
            assert p.answer_template.split(".")[1][0] == "z" and p.family == "elevation"
            continue
        assert spoken_metres(p.answer) == pytest.approx(abs(p.value), rel=0.27), p
        if p.value < 0:
            assert re.search(f"{opposite[f.words[0]]}|other way round", p.answer), p


def test_generation_equals_the_definition_on_random_scenes():
    rng = np.random.default_rng(1)
    scenes = [random_scene(rng, gaps=bool(k % 2)) for k in range(40)]
    for scene, pairs in zip(scenes, QuestionGenerator().generate(scenes, 60, range(40)), strict=True):
        assert len(pairs) == 60
        for p in pairs:
            f = FAMILIES[p.family]
            reference = None if p.reference == NO_OBJECT else [CAMERA if p.reference == CAMERA_OBJECT else p.reference]
            truth = relation_values(f.relation, scene_pairs(scene, [p.subject], reference))[0]
            assert p.value == pytest.approx(truth, abs=1e-12), p
            assert f.min_level <= scene.frame.level
            assert scene.objects[p.subject].visible_fraction >= 0.5
            assert p.reference < 0 or scene.objects[p.reference].visible_fraction >= 0.5


@pytest.mark.parametrize("level", [0, 1, 2])
def test_frame_level_decides_what_is_asked(level):
    scenes = [asymmetric_scene(level)] * 8
    for mix in ("balanced", "paper"):
        asked = {p.family for pairs in QuestionGenerator(mix).generate(scenes, 200, range(8)) for p in pairs}
        probabilities = get_mix(mix).probabilities(level)
        assert asked == {n for n, value in zip(FAMILY_NAMES, probabilities, strict=True) if value > 0}


@pytest.mark.parametrize("mix", ["balanced", "paper"])
def test_mix_proportions(mix):
    rng = np.random.default_rng(2)
    scenes = []
    for _ in range(150):
        things = [(name, rng.uniform([-1.5, -1, 0.6], [1.5, 1, 4]), rng.uniform(0.05, 0.5, 3)) for name in "pqrstuvw"]
        scenes.append(level_scene(*(thing(*t) for t in things)))
    columns = QuestionGenerator(mix, margin=None).generate_columns(scenes, 100, range(150))
    share = np.bincount(columns.families, minlength=43) / len(columns)
    expected = get_mix(mix).probabilities(2)
    assert np.abs(share - expected).max() < 4 * np.sqrt(0.05 * 0.95 / 15000)
    qualitative = np.array([f.qualitative for f in FAMILIES.values()])
    assert share[qualitative].sum() == pytest.approx(expected[qualitative].sum(), abs=0.015)


def test_truth_is_balanced_and_the_share_can_be_set():
    rng = np.random.default_rng(3)
    scenes = [random_scene(rng) for _ in range(100)]
    qualitative = [n for n in FAMILY_NAMES if FAMILIES[n].qualitative]
    for wanted in (0.5, 0.2):
        columns = QuestionGenerator(only(*qualitative), denied_share=wanted).generate_columns(scenes, 100, range(100))
        for code in np.unique(columns.families):
            share = (columns.value[columns.families == code] < 0).mean()
            assert share == pytest.approx(wanted, abs=0.12), FAMILY_NAMES[code]
        assert (columns.value < 0).mean() == pytest.approx(wanted, abs=0.02)
    signed = [n for n in FAMILY_NAMES if FAMILIES[n].signed and FAMILIES[n].objects == 2]
    columns = QuestionGenerator(only(*signed), negative_share=0.3).generate_columns(scenes, 60, range(100))
    assert (columns.value < 0).mean() == pytest.approx(0.3, abs=0.03)


def test_result_depends_on_scene_and_seed_only():
    rng = np.random.default_rng(4)
    scenes = [random_scene(rng, objects=int(rng.integers(0, 9))) for _ in range(30)]
    seeds = [int(s) for s in rng.integers(-(2**62), 2**62, 30)]
    together = QuestionGenerator().generate(scenes, 25, seeds)
    generator = QuestionGenerator()
    order = rng.permutation(30).tolist()
    shuffled = generator.generate([scenes[k] for k in order], 25, [seeds[k] for k in order])
    assert [shuffled[order.index(k)] for k in range(30)] == together
    assert [generator.generate([s], 25, [seed])[0] for s, seed in zip(scenes, seeds, strict=True)] == together
    other = generator.generate(scenes, 25, [s + 1 for s in seeds])
    assert all(a != b for a, b in zip(together, other, strict=True) if a)


def test_no_sentence_twice_in_a_scene():
    rng = np.random.default_rng(5)
    scenes = [random_scene(rng, objects=3) for _ in range(20)]
    for pairs in QuestionGenerator().generate(scenes, 200, range(20)):
        questions = [p.question for p in pairs]
        assert len(set(questions)) == len(questions)


def test_evaluation_wordings_stay_out_of_training():
    templates = load_templates()
    reserved = {i for entry in templates.values() for i in entry.evaluation}
    rng = np.random.default_rng(6)
    scenes = [random_scene(rng) for _ in range(60)]
    used = {}
    for wordings in ("train", "evaluation", "all"):
        pairs = [p for ps in QuestionGenerator(wordings=wordings).generate(scenes, 150, range(60)) for p in ps]
        used[wordings] = {p.question_template for p in pairs} | {p.answer_template for p in pairs}
    assert not used["train"] & reserved
    assert used["evaluation"] <= reserved
    assert used["all"] & reserved and used["all"] - reserved
    everything = {i for i in TEXTS if i not in reserved}
    assert len(used["train"]) > 0.9 * len(everything)


def test_short_answers_are_favoured():
    rng = np.random.default_rng(7)
    pairs = QuestionGenerator().generate([random_scene(rng) for _ in range(60)], 100, range(60))
    words = [len(p.answer.split()) for ps in pairs for p in ps]
    assert np.median(words) <= 4


def close_pair(offset: float) -> Scene:
    """Two objects that differ only sideways, by ``offset`` metres, 2 m away."""
    return level_scene(thing("mug", (-offset / 2, 0, 2)), thing("bowl", (offset / 2, 0, 2)))


def test_inside_the_margin_answers_are_uncertain_or_nothing_is_asked():
    mix = only("left_predicate", "right_choice", "left_right_classify")
    range_margin = Margin(absolute=0.01, relative=0.02, answered=1.0)  # 4 cm at 2 m
    pairs = QuestionGenerator(mix, margin=range_margin).generate([close_pair(0.03)], 20, [1])[0]
    assert len(pairs) == 20 and all(p.answer_template.split(".")[1][0] == "u" for p in pairs)
    assert all(abs(p.value) == pytest.approx(0.03) for p in pairs)  # the exact margin stays
    silent = Margin(absolute=0.01, relative=0.02, answered=0.0)
    assert QuestionGenerator(mix, margin=silent).generate([close_pair(0.03)], 20, [1]) == [[]]
    for margin, offset in ((range_margin, 0.05), (None, 0.03), (Margin(0.01, 0.0, 1.0), 0.03)):
        pairs = QuestionGenerator(mix, margin=margin).generate([close_pair(offset)], 20, [1])[0]
        assert pairs and all(p.answer_template.split(".")[1][0] != "u" for p in pairs)


def test_uncertain_column_marks_the_phrases():
    columns = QuestionGenerator(margin=Margin(0.2, 0.0, 0.5)).generate_columns([asymmetric_scene()], 300, [0])
    phrases = [t.split(".")[1][0] == "u" for t in columns.answer_template]
    assert columns.uncertain.tolist() == phrases and any(phrases)
    numeric = np.array([FAMILIES[FAMILY_NAMES[f]].kind is Kind.NUMBER for f in columns.families])
    assert np.isfinite(columns.spoken[numeric]).all() and np.isnan(columns.spoken[~numeric]).all()
    nonzero = numeric & (np.abs(columns.value) > 0.001)
    assert (np.sign(columns.spoken[nonzero]) == np.sign(columns.value[nonzero])).all()


def test_touching_is_said_as_such():
    scene = level_scene(thing("mug", (0, 0, 2)), thing("bowl", (0.3, 0, 2)), gaps=np.zeros((2, 2)))
    pairs = QuestionGenerator(only("gap")).generate([scene], 10, [0])[0]
    assert pairs and all(p.value == 0 and re.search("touch|0 cm|no gap", p.answer) for p in pairs)


def test_known_gaps_win_over_boxes():
    gaps = np.array([[0, 0.07], [0.07, 0]])
    scene = level_scene(thing("mug", (0, 0, 2)), thing("bowl", (0.3, 0, 2)), gaps=gaps)
    with_boxes = level_scene(thing("mug", (0, 0, 2)), thing("bowl", (0.3, 0, 2)))
    known, boxes = QuestionGenerator(only("gap")).generate([scene, with_boxes], 5, [0, 0])
    assert all(p.value == pytest.approx(0.07) for p in known)
    assert all(p.value == pytest.approx(0.2) for p in boxes)


def test_twins_are_told_apart_and_not_asked_what_their_names_say():
    scene = level_scene(thing("mug", (-0.5, 0, 2)), thing("mug", (0.5, 0.2, 3)), thing("bowl", (0, 0.5, 2.5)))
    pairs = QuestionGenerator().generate([scene], 300, [0])[0]
    assert any("mug on the left" in p.question for p in pairs)
    assert any("mug on the right" in p.question for p in pairs)
    for p in pairs:
        sideways = p.family.startswith(("left", "right"))
        assert not (sideways and (p.subject < 2 or 0 <= p.reference < 2)), p
        assert not re.search(r"mug\b(?! on the)", p.question), p
    assert any({p.subject, p.reference} == {0, 1} for p in pairs)


def test_the_camera_as_an_object():
    scene = asymmetric_scene()
    pairs = QuestionGenerator(only("distance", "vertical_distance"), camera_share=1.0).generate([scene], 30, [0])[0]
    assert pairs and all(p.reference == CAMERA_OBJECT and "the camera" in p.question for p in pairs)
    crate = [p.value for p in pairs if p.subject == 0 and p.family == "distance"]
    assert crate == pytest.approx([np.sqrt(0.4**2 + 0.7**2 + 2.0**2)] * len(crate)) and crate


def test_the_camera_that_looks_owns_its_name():
    called_camera = level_scene(thing("camera", (0, 0, 2)), thing("bowl", (0.3, 0, 2)), thing("mug", (1, 0.4, 3)))
    pairs = QuestionGenerator(camera_share=1.0).generate([called_camera], 100, [0])[0]
    assert pairs and all({p.subject, p.reference} <= {1, 2, NO_OBJECT} for p in pairs)
    told_apart = level_scene(thing("black camera", (0, 0, 2)), thing("bowl", (0.3, 0, 2)))
    pairs = QuestionGenerator(camera_share=0.5).generate([told_apart], 100, [0])[0]
    assert any("the black camera" in p.question for p in pairs)
    assert any(p.reference == CAMERA_OBJECT for p in pairs)


def test_the_gripper_is_an_ordinary_label():
    scene = level_scene(thing("gripper", (0, 0, 1)), thing("bowl", (0.3, 0, 2)))
    assert any("the gripper" in p.question for p in QuestionGenerator().generate([scene], 20, [0])[0])


def test_scenes_with_little_in_them():
    alone = level_scene(thing("mug", (0.1, 0.5, 2)))
    hidden = level_scene(thing("mug", (0, 0, 2), visible=0.3))
    unlocated = level_scene(SceneObject("mug", [0, 0, 9, 9]), thing("bowl", (0.3, 0.5, 2)))
    empty = level_scene()
    results = QuestionGenerator().generate([alone, hidden, unlocated, empty], 30, range(4))
    assert {p.family for p in results[0]} <= {
        *("height", "width", "elevation", "distance", "vertical_distance", "horizontal_distance")
    }
    assert all(p.reference in (NO_OBJECT, CAMERA_OBJECT) for p in results[0]) and len(results[0]) > 20
    assert results[1] == [] and results[3] == []
    assert results[2] and all(p.subject == 1 for p in results[2])
    assert QuestionGenerator(min_visible=0.2).generate([hidden], 5, [1])[0]
    assert QuestionGenerator().generate([], 5, []) == []
    assert QuestionGenerator().generate([alone], 0, [1]) == [[]]


def test_plural_names_take_plural_verbs():
    scene = level_scene(thing("scissors", (0, 0, 2)), thing("bowl", (0.3, 0.4, 3)))
    text = " ".join(p.question + " " + p.answer for p in QuestionGenerator().generate([scene], 300, [0])[0])
    assert re.search(r"\b[Aa]re the scissors", text)
    assert not re.search(r"\b(is|does) the scissors\b|The scissors (is|stands|sits)\b", text)


def test_pairs_are_immutable():
    pair = QuestionGenerator().generate([asymmetric_scene()], 1, [0])[0][0]
    with pytest.raises(AttributeError):
        pair.value = 0.0


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"mix": "odd"}, "mix"),
        ({"wordings": "test"}, "wordings"),
        ({"min_visible": 2}, "visible"),
        ({"camera_share": -1}, "camera"),
        ({"denied_share": 1.5}, "denied"),
    ],
)
def test_bad_settings(options, match):
    with pytest.raises(ConfigError, match=match):
        QuestionGenerator(**options)


def test_bad_calls():
    with pytest.raises(QuestionError, match="seed"):
        QuestionGenerator().generate([asymmetric_scene()], 3, [])
    with pytest.raises(QuestionError, match="negative"):
        QuestionGenerator().generate([asymmetric_scene()], -3, [0])
    with pytest.raises(ConfigError, match="margin"):
        Margin(absolute=-1)
