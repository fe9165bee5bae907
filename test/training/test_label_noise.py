"""Wrong labels of metres: as wrong as planned, never impossible, and nothing else changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from stored_scenes import FRAME, stored_view

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.geometry.frames import CanonicalFrame
from spatialvlm_ros.models.embedded.tokenizer import train_tokenizer
from spatialvlm_ros.models.quantities import OVERFLOW_BIN, ZERO_BIN, bin_values
from spatialvlm_ros.training.augmentation import Augmentation, Sample, augmented
from spatialvlm_ros.training.label_noise import LabelNoise
from spatialvlm_ros.training.packing import Target
from spatialvlm_ros.training.questions import QuestionMaker, QuestionPlan

NOISE = LabelNoise(metres=0.2, share=0.3)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_errors_in_rooms_are_additive_and_those_on_table_tops_grow_with_the_label() -> None:
    near, far = np.full(40_000, 1.0), np.full(40_000, 4.0)
    for value in (near, far):
        room = NOISE.applied(value, False, True, rng()) - value
        assert room.std() == pytest.approx(0.2, rel=0.02) and abs(room.mean()) < 0.01
        table = NOISE.applied(value, True, True, rng()) / value - 1
        assert table.std() == pytest.approx(0.3, rel=0.02) and abs(table.mean()) < 0.01


def test_what_cannot_be_negative_stays_positive_and_keeps_the_cut_off_normal() -> None:
    from scipy.stats import truncnorm

    for value in (0.0, 0.05, 0.3):
        drawn = NOISE.applied(np.full(40_000, value), False, False, rng())
        assert drawn.min() > 0
        assert drawn.mean() == pytest.approx(truncnorm(-value / 0.2, np.inf, value, 0.2).mean(), abs=0.004)
    assert NOISE.applied(np.full(40_000, 0.5), True, False, rng()).min() > 0
    assert NOISE.applied(np.full(100, 0.05), False, True, rng()).min() < 0


def test_unknown_labels_stay_unknown_and_exact_zeros_on_table_tops_exact() -> None:
    drawn = NOISE.applied(np.array([[np.nan, 0.0, 1.0]]), True, False, rng())
    assert np.isnan(drawn[0, 0]) and drawn[0, 1] == 0 and drawn[0, 2] != 1
    assert NOISE.applied(np.array([-0.4]), False, False, rng())[0] < 0.5  # ends, though the kind has no negative values


def test_the_same_generator_gives_the_same_errors_and_no_noise_draws_nothing() -> None:
    values = np.linspace(0.1, 3, 50)
    np.testing.assert_array_equal(*(NOISE.applied(values, False, False, rng()) for _ in range(2)))
    untouched = rng()
    np.testing.assert_array_equal(LabelNoise().applied(values, False, False, untouched), values)
    assert untouched.random() == rng().random()
    with pytest.raises(ConfigError, match="negative"):
        LabelNoise(metres=-0.1)


# ---- in question trees ----


@pytest.fixture(scope="module")
def tokenizer() -> object:
    return train_tokenizer([" red mug", " blue plate", " green bottle", " How far is the mug from the plate?"], 400)


def samples(support: str, count: int = 60) -> list[Sample]:
    view = stored_view()
    frame = CanonicalFrame.from_up(FRAME.up, FRAME.camera_height, support)
    view = replace(view, scene=replace(view.scene, frame=frame))
    return [augmented(view, 256, 192, 8, Augmentation.none(), rng())] * count


def targets(tokenizer: object, support: str, noise: LabelNoise, **plan: float) -> tuple[list, list, list]:
    """Ids, kinds of target and values of all questions."""
    wanted = QuestionPlan(**{**dict(objects=3, pairs=2, relations=99, missing=1, texts=1, general=1), **plan})  # type: ignore[arg-type]
    trees = QuestionMaker(tokenizer, ("lamp",), wanted, noise).trees(samples(support), rng())
    return [t.ids for t in trees], [t.targets for t in trees], [t.values for t in trees]


@pytest.mark.parametrize("support", ["floor", "table"])
def test_only_lengths_get_errors_and_the_same_questions_are_asked(tokenizer: object, support: str) -> None:
    exact = targets(tokenizer, support, LabelNoise())
    noisy = targets(tokenizer, support, NOISE)
    assert exact[:2] == noisy[:2]
    kinds = np.concatenate([np.array(k) for k in exact[1]])
    here, there = (np.concatenate([np.array(x, float) for x in side[2]]) for side in (exact, noisy))
    length = kinds == Target.LENGTH
    np.testing.assert_array_equal(here[~length], there[~length])
    # All have moved but exact zeros and those that ran into an end of the grid.
    assert (here[length] != there[length]).mean() > 0.95


@pytest.mark.parametrize(("support", "spread"), [("floor", 0.2), ("table", 0.3)])
def test_slots_and_relations_carry_the_planned_error(tokenizer: object, support: str, spread: float) -> None:
    exact = targets(tokenizer, support, LabelNoise(), texts=0)
    noisy = targets(tokenizer, support, NOISE, texts=0)
    kinds = np.concatenate([np.array(k) for k in exact[1]])
    here, there = (
        np.concatenate([np.array(x, float) for x in side[2]])[kinds == Target.LENGTH] for side in (exact, noisy)
    )
    metres = bin_values()
    true, given = (metres[np.clip(x.astype(int), 0, OVERFLOW_BIN - 1)] for x in (here, there))
    # Lengths around a metre, where neither the cut at zero nor the width of the bins matters.
    usual = (np.abs(true) > 0.9) & (np.abs(true) < 1.1) & (here > ZERO_BIN)
    assert usual.sum() > 100
    error = given[usual] / true[usual] - 1 if support == "table" else given[usual] - true[usual]
    assert error.std() == pytest.approx(spread, rel=0.15)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_share_of_the_pictures_is_asked_about_places_and_metres(tokenizer: object, share: float) -> None:
    maker = QuestionMaker(tokenizer, ("lamp",), QuestionPlan(objects=2, general=0, spatial=share, general_alone=5))
    trees = maker.trees(samples("floor", 400), rng())
    spatial = np.array([Target.LENGTH in t.targets for t in trees])
    assert spatial.mean() == pytest.approx(share, abs=0.08)
    alone = [t for t, s in zip(trees, spatial, strict=True) if not s]
    assert all(set(t.targets) <= {Target.NONE, Target.TEXT} for t in alone)
    if alone:
        asked = np.mean([len(t.starts) for t in alone])
        assert 2 < asked <= 5  # some kinds cannot be asked of every picture
    with pytest.raises(ConfigError, match="share"):
        QuestionPlan(spatial=1.5)
