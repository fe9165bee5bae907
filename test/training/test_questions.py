"""Question trees of samples: every target is the truth, at the place where it is read."""

from __future__ import annotations

import numpy as np
import pytest
from stored_scenes import stored_view

from spatialvlm_ros.models.embedded import vocabulary as v
from spatialvlm_ros.models.embedded.tokenizer import train_tokenizer
from spatialvlm_ros.models.quantities import OVERFLOW_BIN, bin_position, bin_values
from spatialvlm_ros.scenes.pairs import scene_pairs
from spatialvlm_ros.scenes.relations import RELATIONS, Relation, relation_values
from spatialvlm_ros.training.augmentation import Augmentation, Sample, augmented
from spatialvlm_ros.training.packing import Target, Tree
from spatialvlm_ros.training.questions import QuestionMaker, QuestionPlan

NAMES = {"red mug": 0, "blue plate": 1, "green bottle": 2, "mug": 0, "plate": 1, "bottle": 2}
VOCABULARY = v.Vocabulary()


@pytest.fixture(scope="module")
def tokenizer() -> object:
    return train_tokenizer([" red mug", " blue plate", " green bottle", " How far is the mug from the plate?"], 400)


def sample(seed: int = 0, **settings: float) -> Sample:
    quiet = Augmentation(**{"light": 0.0, "changed_aspect": 0.0, "smallest_crop": 1.0, **settings})  # type: ignore[arg-type]
    return augmented(stored_view(), 256, 192, 8, quiet, np.random.default_rng(seed))


def words_of(tree: Tree, tokenizer: object) -> list[tuple[int, list[str], list[int], list[float]]]:
    """Per piece: parent, tokens, targets, values."""
    ends = [*tree.starts[1:], len(tree)]
    tokens = tokenizer.convert_ids_to_tokens(tree.ids)  # type: ignore[attr-defined]
    return [
        (p, tokens[a:b], tree.targets[a:b], tree.values[a:b])
        for p, a, b in zip(tree.parents, tree.starts, ends, strict=True)
    ]


def spoken(tokens: list[str], tokenizer: object) -> str:
    return str(tokenizer.convert_tokens_to_string([t for t in tokens if not t.startswith("<")])).strip()  # type: ignore[attr-defined]


@pytest.mark.parametrize("mirrored", [0.0, 1.0])
def test_relations_below_a_pair_carry_its_exact_values(tokenizer: object, mirrored: float) -> None:
    plan = QuestionPlan(objects=3, pairs=2, relations=99, missing=0, texts=0, general=0, regions=0)
    s = sample(mirrored=mirrored)
    tree = QuestionMaker(tokenizer, ("mug", "lamp"), plan).trees([s], np.random.default_rng(3))[0]
    pieces = words_of(tree, tokenizer)
    seen = set()
    for parent, tokens, targets, values in pieces:
        if len(tokens) != 1 or not targets[0]:
            continue
        relation = Relation(tokens[0].strip("<>"))
        above = pieces[parent]
        if above[1][-1] == "<camera>":
            subject, reference = NAMES[spoken(pieces[above[0]][1], tokenizer)], -1
        elif RELATIONS[relation].arity == 1:
            subject, reference = NAMES[spoken(above[1], tokenizer)], None
        else:
            subject = NAMES[spoken(pieces[above[0]][1], tokenizer)]
            reference = NAMES[spoken(above[1], tokenizer)]
        pairs = scene_pairs(s.scene, [subject], None if reference is None else [reference])
        truth = relation_values(relation, pairs)[0]
        seen.add(relation)
        if RELATIONS[relation].predicate:
            assert targets[0] == Target.YES_NO and values[0] == float(truth <= 0)
        else:
            assert targets[0] == Target.LENGTH and values[0] == pytest.approx(float(bin_position(truth)), abs=1e-6)
    assert seen == set(v.LENGTHS) | set(v.PREDICATES)


def test_slots_say_where_the_object_is(tokenizer: object) -> None:
    plan = QuestionPlan(objects=3, pairs=0, relations=0, missing=0, texts=0, general=0, regions=0)
    s = sample()
    tree = QuestionMaker(tokenizer, ("lamp",), plan).trees([s], np.random.default_rng(0))[0]
    located = [p for p in words_of(tree, tokenizer) if p[1][0] == "<find>"]
    assert len(located) == 3
    for _, tokens, targets, values in located:
        k = NAMES[spoken(tokens, tokenizer)]
        first = tokens.index("<presence?>")
        assert targets[first] == Target.PRESENCE and values[first] == 0
        slots = np.array(values[first + 1 :])
        assert tokens[first + 1 :] == [f"<{name}?>" for name in v.OBJECT_SLOTS[1:]]
        box = (slots[:4] / 256 * 1.5 - 0.25) * 256
        assert box == pytest.approx(s.boxes[k], abs=1e-6)
        center = s.camera.project(s.scene.boxes().centers)[k]
        assert (slots[4:6] / 256 * 1.5 - 0.25) * 256 == pytest.approx(center, abs=1e-6)
        metres = bin_values()[np.clip(slots[6:].astype(int), 0, OVERFLOW_BIN - 1)]
        distance = np.linalg.norm(s.scene.boxes().centers[k])
        assert metres[0] == pytest.approx(distance * s.canonical_scale, rel=0.03)
        size = 0.1 * (k + 1)
        assert metres[1:] == pytest.approx([size, 1.5 * size, 0.5 * size], rel=0.03)


def test_absent_and_shared_names_are_told_apart(tokenizer: object) -> None:
    plan = QuestionPlan(objects=0, pairs=0, relations=0, missing=1, texts=0, general=0)
    maker = QuestionMaker(tokenizer, ("lamp",), plan)
    view = stored_view(("mug", "plate", "mug"))
    s = augmented(view, 256, 192, 8, Augmentation.none(), np.random.default_rng(0))
    kinds = set()
    for seed in range(30):
        for _, tokens, targets, values in words_of(maker.trees([s], np.random.default_rng(seed))[0], tokenizer):
            if tokens[0] == "<find>":
                assert targets[-1] == Target.PRESENCE
                kinds.add((spoken(tokens, tokenizer), int(values[-1])))
    assert kinds == {("lamp", 1), ("mug", 2)}


def test_absent_names_are_named_in_other_pictures(tokenizer: object) -> None:
    """Were they drawn from a list, the name alone would tell how likely it is to be there."""
    plan = QuestionPlan(objects=0, pairs=0, relations=0, missing=4, texts=0, general=0)
    maker = QuestionMaker(tokenizer, ("lamp",), plan)
    samples = [
        augmented(stored_view(nouns), 256, 192, 8, Augmentation.none(), np.random.default_rng(0))
        for nouns in (("mug", "plate", "bottle"), ("bowl", "plate", "tray"))
    ]
    trees = [maker.trees(samples, np.random.default_rng(seed)) for seed in range(20)]
    for b, others in enumerate(({"bowl", "tray"}, {"mug", "bottle"})):
        asked = {
            spoken(tokens, tokenizer).split()[-1] for pair in trees for _, tokens, _, _ in words_of(pair[b], tokenizer)
            if tokens[0] == "<find>"
        }  # fmt: skip
        assert asked == {"lamp", *others}


@pytest.mark.parametrize("wanted", [0.0, 0.5, 3.0])
def test_as_many_missing_names_as_planned(tokenizer: object, wanted: float) -> None:
    plan = QuestionPlan(objects=0, pairs=0, relations=0, missing=wanted, texts=0, general=0)
    maker = QuestionMaker(tokenizer, ("lamp",), plan)
    trees = maker.trees([sample()] * 200, np.random.default_rng(0))
    found = [sum(tokens[0] == "<find>" for _, tokens, _, _ in words_of(tree, tokenizer)) for tree in trees]
    assert np.mean(found) == pytest.approx(wanted, abs=0.12)


def test_the_answer_in_words_is_learnt_to_its_end(tokenizer: object) -> None:
    plan = QuestionPlan(objects=0, pairs=0, relations=0, missing=0, texts=6, general=0)
    tree = QuestionMaker(tokenizer, ("lamp",), plan).trees([sample()], np.random.default_rng(1))[0]
    asked = [p for p in words_of(tree, tokenizer) if p[1][0] == "<ask>"]
    assert len(asked) == 6
    for _, tokens, targets, values in asked:
        answer = tokens.index("<answer>")
        assert all(t == Target.TEXT for t in targets[answer:])
        assert values[-1] == VOCABULARY[v.END]
        following = tokenizer.convert_tokens_to_ids(tokens[answer + 1 :])  # type: ignore[attr-defined]
        assert values[answer:-1] == following
        find = tokens.index("<find>")
        assert values[find - 1] == VOCABULARY[v.FIND]
        second = {"<to>": v.TO, "<answer>": v.ANSWER}[tokens[find + 1 + len(v.SHORT_SLOTS)]]
        if second == v.TO and "<camera>" in tokens:
            second = v.CAMERA
        assert values[find] == VOCABULARY[second]


def test_regions_name_the_box_or_a_point_inside_it(tokenizer: object) -> None:
    plan = QuestionPlan(objects=3, pairs=0, relations=0, missing=0, texts=0, general=0, regions=1)
    s = sample()
    maker = QuestionMaker(tokenizer, ("lamp",), plan)
    kinds = set()
    for seed in range(12):
        for _, tokens, _, values in words_of(maker.trees([s], np.random.default_rng(seed))[0], tokenizer):
            if tokens[0] != "<find>":
                continue
            kinds.add(tokens[1])
            first = tokens.index("<presence?>")
            box = np.array(values[first + 1 : first + 5]) / 256 * 1.5 - 0.25
            places = [int(t.split()[1].strip(">")) for t in tokens if t.startswith("<place")]
            given = (np.array(places) + 0.5) / 256 * 1.5 - 0.25
            if tokens[1] == "<region>":
                assert given == pytest.approx(box, abs=0.004)
            else:
                assert (given >= box[:2] - 0.02).all() and (given <= box[2:] + 0.02).all()
    assert kinds == {"<region>", "<spot>"}
