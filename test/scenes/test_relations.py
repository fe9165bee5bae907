"""Every relation on scenes whose truth is written down by hand, with unequal numbers everywhere."""

import numpy as np
import pytest
from scene_factory import camera_rotation, scene_of, world_boxes

from spatialvlm_ros.errors import RelationError
from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.scenes.pairs import CAMERA, Pairs, scene_pairs
from spatialvlm_ros.scenes.relations import RELATIONS, Relation, relation_spec, relation_values

# 0: a box on the floor, 2 m ahead, 0.3 m to the left: 0.2 deep, 0.5 wide, 0.9 high
# 1: a box held 0.25 m over the floor, 3.5 m ahead, 0.7 m to the right: 0.4 deep, 0.3 wide, 0.6 high
BOXES = world_boxes(
    [
        ([2.0, 0.3, 0.45], [0.2, 0.5, 0.9], 0.0),
        ([3.5, -0.7, 0.55], [0.4, 0.3, 0.6], 0.0),
    ]
)

# What a person with a tape measure would write down for "object 0 relative to object 1".
BY_HAND = {
    "distance": np.sqrt(1.5**2 + 1.0**2 + 0.1**2),
    "gap": np.hypot(3.3 - 2.1, 0.05 + 0.55),  # x from 2.1 to 3.3, y from 0.05 to -0.55, heights overlap
    "height": 0.9,
    "width": 0.5,
    "volume": 0.09,
    "elevation": 0.0,
    "vertical_distance": 0.1,
    "horizontal_distance": np.hypot(1.5, 1.0),
    "above_diff": 0.9 - 0.85,
    "below_diff": 0.25 - 0.0,
    "behind_diff": -1.5,
    "front_diff": 1.5,
    "left_diff": 1.0,
    "right_diff": -1.0,
    "left": 1.0,
    "right": -1.0,
    "above": 0.45 - 0.55,
    "below": 0.1,
    "behind": -1.5,
    "front": 1.5,
    "tall": 0.3,
    "short": -0.3,
    "wide": 0.2,
    "thin": -0.2,
    "big": np.cbrt(0.09) - np.cbrt(0.072),
    "small": np.cbrt(0.072) - np.cbrt(0.09),
    "touching": 0.002 - np.hypot(1.2, 0.6),
    "free_width": np.hypot(1.2, 0.6),
    "lifted": -0.01,
}

VIEWPOINTS = {
    "level": dict(rotation=camera_rotation()),
    "pitched": dict(rotation=camera_rotation(pitch=0.5)),
    "pitched and rolled": dict(rotation=camera_rotation(pitch=0.5, roll=-0.4)),
    "overhead": dict(position=(2.5, 0.0, 4.0), rotation=camera_rotation(pitch=np.pi / 2)),
}


def value(scene, relation, subject=0, reference=1, third=None):
    arity = RELATIONS[Relation(relation)].arity
    pairs = scene_pairs(
        scene, [subject], [reference] if arity >= 2 else None, [third] if arity == 3 and third is not None else None
    )
    return relation_values(relation, pairs)[0]


@pytest.mark.parametrize("viewpoint", VIEWPOINTS)
@pytest.mark.parametrize("relation", BY_HAND)
def test_each_relation_equals_the_tape_measure(relation, viewpoint):
    scene = scene_of(BOXES, **VIEWPOINTS[viewpoint])
    assert value(scene, relation) == pytest.approx(BY_HAND[relation], abs=1e-6)


def test_every_relation_is_covered_here():
    elsewhere = {"inside", "on", "between"}
    assert set(BY_HAND) | elsewhere == {r.value for r in Relation}


@pytest.mark.parametrize(
    ("relation", "expected"),
    [("distance", np.sqrt(4 + 0.09 + 1.05**2)), ("horizontal_distance", np.hypot(2, 0.3)), ("vertical_distance", 1.05)],
)
def test_the_camera_is_a_point_that_distances_can_name(relation, expected):
    scene = scene_of(BOXES, rotation=camera_rotation(pitch=0.3))
    assert value(scene, relation, 0, CAMERA) == pytest.approx(expected)
    assert value(scene, relation, CAMERA, 0) == pytest.approx(expected)


def test_gap_to_the_camera_ends_at_the_surface():
    assert value(scene_of(BOXES), "gap", 0, CAMERA) == pytest.approx(np.sqrt(1.9**2 + 0.05**2 + 0.6**2), abs=1e-6)


@pytest.mark.parametrize("relation", list(Relation))
@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_relation_is_given_from_its_frame_level_on(relation, level):
    scene = scene_of(BOXES, level=level)
    known = not np.isnan(value(scene, relation, third=1))
    assert known == (level >= RELATIONS[relation].min_level)


def test_levels_are_those_of_the_definitions():
    level = {r.value: s.min_level for r, s in RELATIONS.items()}
    for name in (
        "distance",
        "gap",
        "width",
        "left",
        "right",
        "behind",
        "front",
        "wide",
        "thin",
        "left_diff",
        "front_diff",
    ):
        assert level[name] == 0
    for name in ("above", "below", "tall", "short", "big", "small", "height", "vertical_distance", "above_diff"):
        assert level[name] == 1
    assert level["elevation"] == 2


def test_without_up_the_camera_axes_stand_in():
    scene = scene_of(BOXES, rotation=camera_rotation(pitch=0.5), level=0)
    c = scene.boxes().centers
    assert value(scene, "left_diff") == pytest.approx(c[1, 0] - c[0, 0])
    assert value(scene, "behind_diff") == pytest.approx(c[0, 2] - c[1, 2])


def test_elevation_counts_from_the_support_of_the_object_itself():
    from dataclasses import replace

    scene = scene_of(BOXES)  # camera 1.5 m over the floor; let object 1 stand over a table 0.2 m high
    on_table = replace(scene.objects[1], camera_height=1.3, support_id="table")
    scene = replace(scene, objects=(scene.objects[0], on_table))
    assert value(scene, "elevation", 1, None) == pytest.approx(0.05)
    assert value(scene, "elevation", 0, None) == pytest.approx(0.0)


def test_left_is_the_viewers_left_from_the_other_side_too():
    facing = scene_of(BOXES, position=(6.0, 0.0, 1.5), rotation=camera_rotation(yaw=np.pi))
    assert value(facing, "left_diff") == pytest.approx(-1.0)
    assert value(facing, "behind_diff") == pytest.approx(1.5)


def test_true_surfaces_come_before_boxes_in_a_gap():
    gaps = np.array([[np.nan, 1.7], [1.7, np.nan]])
    assert value(scene_of(BOXES, gaps=gaps), "gap") == 1.7
    partly = Pairs(
        BOXES[[0, 0]], BOXES[[1, 1]], scene_pairs(scene_of(BOXES), [0, 0]).frames, gaps=np.array([np.nan, 0.4])
    )
    np.testing.assert_allclose(relation_values("gap", partly), [np.hypot(1.2, 0.6), 0.4])


BOWL, PLATE, BLOCK = (
    ([1.0, 0.0, 0.03], [0.2, 0.2, 0.06]),
    ([1.0, 0.0, 0.01], [0.3, 0.3, 0.02]),
    ([1.0, 0, 0.05], [0.2, 0.2, 0.1]),
)


def two(subject, reference, contacts=frozenset({(0, 1)}), **kwargs):
    boxes = world_boxes([(*subject, 0.0), (*reference, 0.0)])
    return scene_of(boxes, rotation=camera_rotation(pitch=0.6), contacts=contacts, **kwargs)


@pytest.mark.parametrize(
    ("name", "scene", "inside", "on"),
    [
        ("apple in a bowl", two(([1.03, -0.02, 0.05], [0.08] * 3), BOWL), True, False),
        ("apple on a plate", two(([1.03, -0.02, 0.05], [0.08] * 3), PLATE), False, True),
        ("apple on a block", two(([1.03, -0.02, 0.14], [0.08] * 3), BLOCK), False, True),
        ("apple beside the bowl, touching it", two(([1.14, 0.0, 0.04], [0.08] * 3), BOWL), False, False),
        ("apple held over the bowl", two(([1.0, 0.0, 0.2], [0.08] * 3), BOWL, frozenset()), False, False),
        ("apple held just over the block", two(([1.0, 0.0, 0.141], [0.08] * 3), BLOCK, frozenset()), False, False),
        ("block under the apple", two(BLOCK, ([1.03, -0.02, 0.14], [0.08] * 3)), False, False),
        ("tray under the table top", two(([1.0, 0.0, -0.05], [0.08] * 3), BLOCK), False, False),
    ],
)
def test_inside_and_on(name, scene, inside, on):
    assert (value(scene, "inside") > 0) == inside
    assert (value(scene, "on") > 0) == on


def test_contact_decides_touching_where_it_is_known():
    apart = two(([1.4, 0.0, 0.04], [0.08] * 3), BOWL, contacts=frozenset())
    assert value(apart, "touching") == pytest.approx(0.002 - 0.26, abs=1e-6)
    assert value(two(([1.14, 0.0, 0.04], [0.08] * 3), BOWL, contacts=frozenset({(0, 1)})), "touching") > 0
    assert value(two(([1.14, 0.0, 0.04], [0.08] * 3), BOWL, contacts=frozenset()), "touching") < 0


def test_touching_boxes_have_gap_zero():
    boxes = world_boxes([([1.0, 0.0, 0.05], [0.2, 0.4, 0.1], 0.3), ([1.0, 0.0, 0.2], [0.1, 0.3, 0.2], 0.3)])
    assert value(scene_of(boxes, rotation=camera_rotation(0.4, 0.2, 0.1)), "gap") == pytest.approx(0, abs=1e-6)


def test_lifted_needs_air_below():
    boxes = world_boxes([([1.0, 0.0, 0.35], [0.1, 0.1, 0.2], 0.0)])
    scene = scene_of(boxes)
    assert value(scene, "lifted", 0, None) == pytest.approx(0.24)
    supported = scene_pairs(scene, [0])
    supported = Pairs(supported.subject, None, supported.frames, contacts=np.array([True]))
    assert relation_values("lifted", supported)[0] < 0  # it stands on a shelf


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ([2.0, 0.1, 0.1], True),
        ([2.0, 0.1, 1.4], True),  # above the line: between in the horizontal plane
        ([2.0, 0.9, 0.1], False),  # beside it
        ([0.5, 0.0, 0.1], False),  # before the first
        ([3.6, 0.0, 0.1], False),  # after the second
    ],
)
def test_between(where, expected):
    boxes = world_boxes([(where, [0.1] * 3, 0.0), ([1.0, 0, 0.2], [0.4] * 3, 0.0), ([3.0, 0, 0.3], [0.6] * 3, 0.0)])
    scene = scene_of(boxes, rotation=camera_rotation(pitch=0.4, yaw=0.3))
    assert (value(scene, "between", 0, 1, 2) > 0) == expected
    assert value(scene, "between", 0, 1, 2) == pytest.approx(value(scene, "between", 0, 2, 1))


def test_free_width_ignores_heights():
    """A lamp hanging over the gap's edge and a low stool leave 0.8 m between their footprints."""
    boxes = world_boxes([([2.0, 0.6, 2.0], [0.4, 0.4, 0.3], 0.0), ([2.0, -0.7, 0.2], [0.6, 0.6, 0.4], 0.0)])
    scene = scene_of(boxes, rotation=camera_rotation(pitch=0.2))
    assert value(scene, "free_width") == pytest.approx(0.8, abs=1e-6)
    assert value(scene, "gap") > 0.8


def test_errors_name_relation_and_object():
    scene = scene_of(BOXES)
    with pytest.raises(RelationError, match="unknown relation.*nearness"):
        relation_values("nearness", scene_pairs(scene, [0], [1]))
    with pytest.raises(RelationError, match="relates 2 objects"):
        relation_values("distance", scene_pairs(scene, [0]))
    with pytest.raises(RelationError, match="relates 3 objects"):
        relation_values("between", scene_pairs(scene, [0], [1]))
    with pytest.raises(RelationError, match="no such object"):
        scene_pairs(scene, [2])


def test_each_relation_explains_itself():
    for relation in Relation:
        spec = relation_spec(relation.value)
        assert spec.meaning.endswith(".")
        assert spec.unit in ("m", "m3")


def test_rows_of_many_scenes_equal_scenes_one_by_one():
    scenes = [scene_of(BOXES, **v) for v in VIEWPOINTS.values()]
    each = [scene_pairs(s, [0, 1], [1, CAMERA]) for s in scenes]
    from spatialvlm_ros.scenes.pairs import Frames

    together = Pairs(
        Boxes.concatenate([p.subject for p in each]),
        Boxes.concatenate([p.reference for p in each]),
        Frames(*(np.concatenate([getattr(p.frames, n) for p in each]) for n in Frames.__dataclass_fields__)),
    )
    for relation in Relation:
        if RELATIONS[relation].arity < 3:
            np.testing.assert_allclose(
                relation_values(relation, together), np.concatenate([relation_values(relation, p) for p in each])
            )
