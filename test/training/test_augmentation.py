"""Augmented samples: the truth moves with the picture."""

from __future__ import annotations

import numpy as np
import pytest
from stored_scenes import COLOURS, stored_view

from spatialvlm_ros.scenes.pairs import scene_pairs
from spatialvlm_ros.scenes.relations import Relation, relation_values
from spatialvlm_ros.training.augmentation import Augmentation, Sample, augmented

QUIET = dict(light=0.0)


def sample(seed: int, **settings: object) -> Sample:
    return augmented(stored_view(), 256, 192, 8, Augmentation(**{**QUIET, **settings}), np.random.default_rng(seed))


def colour_at(s: Sample, u: float, v: float) -> np.ndarray:
    return s.pixels[round(v), round(u)].astype(int)


@pytest.mark.parametrize("mirrored", [0.0, 1.0])
@pytest.mark.parametrize("seed", range(6))
def test_boxes_cells_and_projected_centres_follow_the_picture(seed: int, mirrored: float) -> None:
    s = sample(seed, mirrored=mirrored, smallest_crop=0.6, changed_aspect=0.5)
    centers = s.camera.project(s.scene.boxes().centers)
    checked = 0
    for k, colour in enumerate(COLOURS):
        x0, y0, x1, y1 = s.boxes[k]
        if min(x1 - x0, y1 - y0) < 12:
            continue
        checked += 1
        assert np.abs(colour_at(s, (x0 + x1 - 1) / 2, (y0 + y1 - 1) / 2) - colour).max() < 40
        rows, columns = np.nonzero(s.cells == k)
        assert (columns * 8 + 8 > x0 - 1).all() and (columns * 8 < x1 + 1).all()
        assert (rows * 8 + 8 > y0 - 1).all() and (rows * 8 < y1 + 1).all()
        u, v = centers[k]
        if s.visible[k] > 0.79 and 2 < u < 253 and 2 < v < 189:
            assert np.abs(colour_at(s, u, v) - colour).max() < 40
    assert checked


def test_a_mirrored_scene_exchanges_left_and_right_and_keeps_the_lengths() -> None:
    plain, mirrored = sample(0, mirrored=0.0), sample(0, mirrored=1.0)
    here, there = scene_pairs(plain.scene, [0, 1], [1, 2]), scene_pairs(mirrored.scene, [0, 1], [1, 2])
    assert relation_values(Relation.LEFT_DIFF, there) == pytest.approx(-relation_values(Relation.LEFT_DIFF, here))
    for relation in (Relation.DISTANCE, Relation.BEHIND_DIFF, Relation.ABOVE_DIFF, Relation.GAP):
        assert relation_values(relation, there) == pytest.approx(relation_values(relation, here))
    for relation in (Relation.HEIGHT, Relation.WIDTH):
        one, other = scene_pairs(plain.scene, [0, 1, 2]), scene_pairs(mirrored.scene, [0, 1, 2])
        assert relation_values(relation, other) == pytest.approx(relation_values(relation, one))
    assert np.linalg.det(mirrored.scene.boxes().rotations) == pytest.approx(1.0)


def test_depth_is_canonical() -> None:
    """A crop magnifies; canonical depth shrinks by the same factor, so apparent size tells it."""
    whole = sample(0, smallest_crop=1.0, mirrored=0.0, changed_aspect=0.0)
    k = whole.cells == 0
    focal = np.sqrt(whole.camera.fx * whole.camera.fy)
    assert np.exp(whole.depths[k]) == pytest.approx(0.7 * 0.86 * 256 / focal, rel=2e-3)
    assert focal == pytest.approx(300 * 256 / 320, rel=1e-6)


def test_visible_fraction_falls_with_what_is_cut_off() -> None:
    found = 0
    for seed in range(40):
        s = sample(seed, smallest_crop=0.5, mirrored=0.0, changed_aspect=0.0)
        x0, _, x1, _ = s.boxes[0]
        scale = s.camera.fx / 300
        share = (x1 - x0) / (60 * scale)
        if 0.2 < share < 0.8 and s.boxes[0, 3] - s.boxes[0, 1] > 79 * scale:
            found += 1
            assert s.visible[0] == pytest.approx(0.9 * share, abs=0.06)
    assert found > 0


def test_objects_too_small_to_be_made_out_count_as_unseen() -> None:
    view = stored_view()
    tiny = augmented(view, 32, 32, 8, Augmentation.none(), np.random.default_rng(0))
    assert all(o.visible_fraction == 0 for o in tiny.scene.objects)


def test_the_same_seed_gives_the_same_sample() -> None:
    one, other = sample(5, light=1.0), sample(5, light=1.0)
    assert (one.pixels == other.pixels).all() and (one.boxes == other.boxes).all()
