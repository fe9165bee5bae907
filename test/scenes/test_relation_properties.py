"""What must hold for any scene: moving the camera changes nothing, a mirror flips left, swapping flips signs."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scene_factory import camera_rotation, scene_of
from scipy.optimize import lsq_linear
from scipy.spatial.transform import Rotation

from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.scenes.gaps import box_gap, surface_gaps
from spatialvlm_ros.scenes.pairs import scene_pairs
from spatialvlm_ros.scenes.relations import RELATIONS, SYMMETRIC, Relation, relation_values

ANYWHERE = {r for r in Relation if r not in ("left", "right", "behind", "front", "wide", "thin", "width")} - {
    Relation.LEFT_DIFF,
    Relation.RIGHT_DIFF,
    Relation.BEHIND_DIFF,
    Relation.FRONT_DIFF,
}  # these do not depend on where the viewer stands
MIRROR_FLIPS = {Relation.LEFT, Relation.RIGHT, Relation.LEFT_DIFF, Relation.RIGHT_DIFF}
SWAP_FLIPS = {
    *("left", "right", "above", "below", "behind", "front", "tall", "short", "wide", "thin", "big", "small"),
    *("above_diff", "below_diff", "behind_diff", "front_diff", "left_diff", "right_diff"),
}
OPPOSITES = [
    ("left", "right"),
    ("above", "below"),
    ("behind", "front"),
    ("tall", "short"),
    ("wide", "thin"),
    ("big", "small"),
]

seeds = st.integers(0, 2**32 - 1)
tilts = st.floats(-1.38, 1.38)  # 79 degrees; nearer to the vertical left is left in the picture, however it is rolled


def random_boxes(seed: int, n: int = 4) -> Boxes:
    rng = np.random.default_rng(seed)
    sizes = rng.uniform(0.02, 0.8, (n, 3))
    centers = rng.uniform([1, -1.5, 0], [4, 1.5, 1.2], (n, 3))
    yaw = Rotation.from_euler("z", rng.uniform(-3, 3, (n, 1))).as_matrix()
    return Boxes(centers, sizes, yaw)


def all_values(scene) -> dict[Relation, np.ndarray]:
    subject, reference, third = [0, 1, 2, 3], [1, 2, 3, 0], [2, 3, 0, 1]
    pairs = {
        1: scene_pairs(scene, subject),
        2: scene_pairs(scene, subject, reference),
        3: scene_pairs(scene, subject, reference, third),
    }
    return {r: relation_values(r, pairs[RELATIONS[r].arity]) for r in Relation}


@given(seeds, tilts, tilts)
@settings(max_examples=40)
def test_tilting_and_rolling_the_camera_changes_nothing(seed, pitch, roll):
    boxes = random_boxes(seed)
    level = all_values(scene_of(boxes))
    tilted = all_values(scene_of(boxes, rotation=camera_rotation(pitch, roll)))
    for relation in Relation:
        np.testing.assert_allclose(tilted[relation], level[relation], atol=2e-5, err_msg=str(relation))


@given(seeds, tilts, tilts, st.floats(-3, 3), st.tuples(*[st.floats(-3, 3)] * 2), st.floats(0.2, 5))
@settings(max_examples=40)
def test_walking_around_changes_only_what_depends_on_the_viewer(seed, pitch, roll, yaw, place, height):
    boxes = random_boxes(seed)
    here = all_values(scene_of(boxes))
    there = all_values(scene_of(boxes, (*place, height), camera_rotation(pitch, roll, yaw)))
    for relation in ANYWHERE:
        np.testing.assert_allclose(there[relation], here[relation], atol=2e-5, err_msg=str(relation))


@given(seeds, tilts)
@settings(max_examples=40)
def test_a_mirrored_scene_flips_left_and_right_only(seed, pitch):
    boxes = random_boxes(seed)
    mirror = np.diag([1.0, -1.0, 1.0])
    mirrored = Boxes(boxes.centers @ mirror, boxes.sizes, mirror @ boxes.rotations @ mirror)
    rotation = camera_rotation(pitch)
    original, reflected = (
        all_values(scene_of(boxes, rotation=rotation)),
        all_values(scene_of(mirrored, rotation=rotation)),
    )
    for relation in Relation:
        sign = -1 if relation in MIRROR_FLIPS else 1
        np.testing.assert_allclose(reflected[relation], sign * original[relation], atol=2e-5, err_msg=str(relation))


@given(seeds, tilts, st.integers(0, 2))
@settings(max_examples=30)
def test_swapping_subject_and_reference(seed, pitch, level):
    scene = scene_of(random_boxes(seed), rotation=camera_rotation(pitch), level=level)
    for relation, spec in RELATIONS.items():
        if spec.arity != 2 or relation in (Relation.INSIDE, Relation.ON):
            continue
        one = relation_values(relation, scene_pairs(scene, [0, 1], [2, 3]))
        other = relation_values(relation, scene_pairs(scene, [2, 3], [0, 1]))
        sign = -1 if relation.value in SWAP_FLIPS else 1
        np.testing.assert_allclose(other, sign * one, atol=2e-5, err_msg=str(relation))


def test_symmetric_are_those_that_do_not_mind_an_exchange():
    scene = scene_of(random_boxes(5))
    there, back = scene_pairs(scene, [0, 1, 2], [1, 2, 3]), scene_pairs(scene, [1, 2, 3], [0, 1, 2])
    for relation in (r for r in Relation if RELATIONS[r].arity == 2):
        same = np.allclose(relation_values(relation, there), relation_values(relation, back), atol=1e-6)
        assert same == (relation in SYMMETRIC), relation


@given(seeds)
@settings(max_examples=20)
def test_opposites_are_each_others_negative(seed):
    scene = scene_of(random_boxes(seed))
    pairs = scene_pairs(scene, [0, 1], [2, 3])
    for one, other in OPPOSITES:
        np.testing.assert_array_equal(relation_values(one, pairs), -relation_values(other, pairs))


@given(seeds, st.floats(0.1, 10))
@settings(max_examples=30)
def test_lengths_scale_with_the_scene(seed, scale):
    boxes = random_boxes(seed)
    larger = Boxes(boxes.centers * scale, boxes.sizes * scale, boxes.rotations)
    small, large = all_values(scene_of(boxes)), all_values(scene_of(larger, (0, 0, 1.5 * scale)))
    for relation, spec in RELATIONS.items():
        if relation in (Relation.TOUCHING, Relation.ON, Relation.INSIDE, Relation.LIFTED):  # absolute tolerances
            continue
        power = 3 if spec.unit == "m3" else 1
        np.testing.assert_allclose(large[relation], small[relation] * scale**power, rtol=1e-4, atol=1e-5)


def exact_gap(a: Boxes, b: Boxes, i: int) -> float:
    """min |(ca + Ra p) - (cb + Rb q)| over the boxes, as a bounded least-squares problem."""
    matrix = np.concatenate([a.rotations[i], -b.rotations[i]], axis=1)
    half = np.concatenate([a.sizes[i], b.sizes[i]]) / 2
    solution = lsq_linear(matrix, b.centers[i] - a.centers[i], (-half - 1e-12, half + 1e-12), tol=1e-14)
    return float(np.sqrt(2 * solution.cost))


def test_box_gap_equals_the_bounded_least_squares_solution():
    rng = np.random.default_rng(5)
    n = 150
    a = Boxes(rng.normal(size=(n, 3)), rng.uniform(0.01, 1.0, (n, 3)), Rotation.random(n, random_state=1).as_matrix())
    b = Boxes(rng.normal(size=(n, 3)), rng.uniform(0.01, 1.0, (n, 3)), Rotation.random(n, random_state=2).as_matrix())
    b.sizes[:20] = 0  # points too
    np.testing.assert_allclose(box_gap(a, b), [exact_gap(a, b, i) for i in range(n)], atol=2e-4)


def test_box_gap_of_boxes_that_are_nearly_parallel():
    """Where alternating projections alone creep from one end of a face to the other."""
    rng = np.random.default_rng(7)
    n = 120
    yaws = rng.uniform(0, 6, n)[:, None] + np.array([[0.0, 1.0]]) * 10.0 ** rng.uniform(-5, -1, n)[:, None]
    turns = [Rotation.from_rotvec(np.outer(yaws[:, k], [0, 0, 1])).as_matrix() for k in (0, 1)]
    apart = np.stack([rng.uniform(0, 0.3, n), rng.uniform(0.2, 0.8, n), rng.uniform(0, 0.3, n)], axis=1)
    a = Boxes(np.zeros((n, 3)), rng.uniform(0.01, 0.6, (n, 3)), turns[0])
    b = Boxes(np.einsum("nij,nj->ni", turns[0], apart), rng.uniform(0.01, 0.6, (n, 3)), turns[1])
    np.testing.assert_allclose(box_gap(a, b), [exact_gap(a, b, i) for i in range(n)], atol=2e-5)


def test_surface_gap_of_two_balls():
    rng = np.random.default_rng(6)
    directions = rng.normal(size=(2, 20000, 3))
    directions /= np.linalg.norm(directions, axis=2, keepdims=True)
    gap = surface_gaps([0.2 * directions[0], 0.1 * directions[1] + [0.5, 0.3, 0.0]])[0, 1]
    assert abs(gap - (np.hypot(0.5, 0.3) - 0.3)) < 0.003


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 200), min_size=2, max_size=5))
@settings(max_examples=40, deadline=None)
def test_gaps_of_clouds_are_the_least_of_all_distances(seed, sizes):
    rng = np.random.default_rng(seed)
    clouds = [rng.normal(size=(n, 3)) * rng.uniform(0.01, 0.3) + rng.normal(size=3) for n in sizes]
    clouds[1] = np.concatenate([clouds[1], clouds[0][-1:]])  # they share a point
    gaps = surface_gaps([*clouds, np.zeros((0, 3)), None])
    every = [[np.linalg.norm(a[:, None] - b[None], axis=2).min() for b in clouds] for a in clouds]
    np.testing.assert_allclose(gaps[:-2, :-2], every, rtol=1e-12)
    assert gaps[0, 1] == 0.0 and np.isnan(gaps[-2:, :-2]).all() and np.isnan(gaps[:-2, -2:]).all()
