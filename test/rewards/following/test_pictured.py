"""Things without depth, on a plane that the robot states: placed by their box in the picture, followed by colour."""

import numpy as np
import pytest
from analytic_scenes import Box, Cylinder
from table_scenes import CAMERA, EYE, picture

from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.geometry.transforms import Transform
from spatialvlm_ros.rewards.following.naming import Vote, pointed_at
from spatialvlm_ros.rewards.following.pictured import Pictured, standing_body
from spatialvlm_ros.rewards.following.shapes import foot_share
from spatialvlm_ros.rewards.following.tabletop import Ground

CAN = Cylinder((0.05, -0.08, 0.06), (0.07, 0.07, 0.12))
STILL = Transform.identity()


def seen(can, tcp):
    """A red can on a grey table under a blue hand."""
    view, at = picture((can,), tcp)
    rgb = np.full((*view.observation.depth.shape, 3), 120, np.uint8)
    for k, detection in enumerate(view.detections):
        rgb[detection.mask] = (200, 40, 30) if k == 0 else (30, 60, 200)
    return view, at, rgb


@pytest.mark.parametrize(("x", "y"), [(0.05, -0.08), (-0.1, 0.2), (0.2, 0.0)])
def test_a_cylinder_is_where_its_box_says(x, y):
    can = Cylinder((x, y, 0.06), (0.07, 0.07, 0.12))
    view, _, _ = seen(can, None)
    body = standing_body(view.detections[0].box2d, CAMERA, Ground(view.up, EYE[2]))
    assert np.linalg.norm(body.box.centers[0] - view.optical(can.center)) < 0.01
    np.testing.assert_allclose(body.box.sizes[0], can.size, atol=0.012)
    top = view.optical((x, y, 0.20))
    assert body.distance(top) == pytest.approx(0.08, abs=0.01)


@pytest.mark.parametrize("box", [(100, 5, 140, 30), (0, 120, 40, 200), (100, 180, 140, 239.5)])
def test_boxes_over_the_horizon_and_at_the_border_place_nothing(box):
    ground = Ground(np.array([0.0, -1.0, 0.0]), 0.6)  # looks level: the horizon is in the middle
    assert standing_body(np.array(box, dtype=float), CAMERA, ground) is None


def test_colours_tell_whether_it_went_with_the_hand():
    things, course = Pictured(), []
    rises = [0.0, 0.0, 0.04, 0.08, 0.12, 0.0]
    hands = [0.40, 0.11, 0.15, 0.19, 0.23, 0.30]
    for k, (rise, height) in enumerate(zip(rises, hands, strict=True)):
        can = Cylinder((0.05, -0.08, 0.06 + rise), CAN.size)
        view, at, rgb = seen(can, (0.05, -0.08, height))
        ground = Ground(view.up, EYE[2])
        votes = {"can": pointed_at(view.detections[0].box2d)} if k == 0 else {}
        things.look(type(view.observation)(rgb, CAMERA), ground, STILL, at, votes)
        course.append((things.named["can"].risen(view.up), things.named["can"].place))
    np.testing.assert_allclose([risen for risen, _ in course], rises, atol=0.012)
    assert [place.held for _, place in course] == [False, False, True, True, True, False]


def test_a_thing_behind_the_hand_is_not_visible():
    things = Pictured()
    view, at, rgb = seen(CAN, (0.05, -0.08, 0.4))
    ground = Ground(view.up, EYE[2])
    things.look(type(view.observation)(rgb, CAMERA), ground, STILL, at, {"can": pointed_at(view.detections[0].box2d)})
    assert things.named["can"].place.visible
    things.look(type(view.observation)(np.full_like(rgb, 30), CAMERA), ground, STILL, at, {})
    assert not things.named["can"].place.visible


def test_more_boxes_place_a_thing_better_until_the_hand_is_near():
    things, rng = Pictured(), np.random.default_rng(0)
    view, _, rgb = seen(CAN, None)
    ground, box = Ground(view.up, EYE[2]), view.detections[0].box2d
    far, near = view.optical((0.05, -0.08, 0.5)), view.optical((0.05, -0.08, 0.2))
    errors = []
    for _ in range(8):
        votes = {"can": Vote(box + rng.normal(0, 3, 4), 1.0)}
        things.look(type(view.observation)(rgb, CAMERA), ground, STILL, far, votes)
        errors.append(np.linalg.norm(things.named["can"].box().centers[0] - view.optical(CAN.center)))
    assert errors[-1] < 0.02 and errors[-1] <= max(errors[:3])
    before = things.named["can"].box().centers[0]
    things.look(type(view.observation)(rgb, CAMERA), ground, STILL, near, {"can": Vote(box + 20, 1.0)})
    np.testing.assert_array_equal(things.named["can"].box().centers[0], before)


def test_names_need_no_more_boxes_in_the_end():
    things = Pictured()
    view, at, rgb = seen(CAN, (0.05, -0.08, 0.5))
    assert things.wanted(["can"]) == ["can"]
    for _ in range(8):
        things.look(
            type(view.observation)(rgb, CAMERA),
            Ground(view.up, EYE[2]),
            STILL,
            at,
            {"can": pointed_at(view.detections[0].box2d)},
        )
    assert things.wanted(["can", "jar"]) == ["jar"]
    assert isinstance(things.named["can"].box(), Boxes)


def test_what_was_taken_while_it_was_hidden_is_found_in_the_hand():
    things = Pictured()
    course = [(0.0, 0.5, False), (0.0, 0.11, False), (0.05, 0.16, True), (0.09, 0.20, True), (0.12, 0.23, False)]
    for k, (rise, height, hidden) in enumerate(course):
        view, at, rgb = seen(Cylinder((0.05, -0.08, 0.06 + rise), CAN.size), (0.05, -0.08, height))
        rgb = np.full_like(rgb, 30) if hidden else rgb
        votes = {"can": pointed_at(view.detections[0].box2d)} if k == 0 else {}
        things.look(type(view.observation)(rgb, CAMERA), Ground(view.up, EYE[2]), STILL, at, votes)
        assert things.named["can"].place.visible != hidden
    assert things.named["can"].place.held
    assert things.named["can"].risen(view.up) == pytest.approx(0.12, abs=0.012)


def test_a_bar_across_the_view_stands_where_its_box_says():
    """Too flat for an upright cylinder of its width."""
    size = (0.06, 0.18, 0.05)
    view, _ = picture((Box((0.05, -0.08, size[2] / 2), size),), None)
    body = standing_body(view.detections[0].box2d, CAMERA, Ground(view.up, EYE[2]))
    assert np.linalg.norm(body.box.centers[0] - view.optical((0.05, -0.08, size[2] / 2))) < 0.02
    np.testing.assert_allclose(body.box.sizes[0][1:], size[1:], atol=0.025)


def test_a_body_straight_below_the_camera_is_placed():
    """There the view has no horizontal direction."""
    camera, ground = Camera(320, 240, 330.0, 330.0, 159.5, 119.5), Ground(np.array([0.0, 0.0, -1.0]), 1.0)
    side = 60.0
    low = 119.5 + 0.5 - 0.85 * side  # so that the foot that the search starts from is where the optical axis goes
    body = standing_body(np.array([160 - side / 2, low, 160 + side / 2, low + side]), camera, ground)
    assert body is not None and np.isfinite(body.points).all()
    np.testing.assert_allclose(body.box.centers[0][:2], [0.0, -0.06], atol=0.02)


@pytest.mark.parametrize(("x", "y"), [(0.05, -0.08), (-0.1, 0.2), (0.2, 0.0)])
def test_a_bowl_stands_where_its_box_says(x, y):
    """Its rim is wider than its foot, so its box reaches less far down than that of a cylinder at its place."""
    view, _, _ = seen(CAN, None)
    angles, heights = np.linspace(0, 2 * np.pi, 60), np.linspace(0, 0.06, 10)
    radii = 0.09 * (0.5 + 0.5 * heights / 0.06)
    ring = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    rows = [np.column_stack([(x, y) + r * ring, np.full(60, h)]) for r, h in zip(radii, heights, strict=True)]
    pixels = CAMERA.project(np.array([view.optical(p) for p in np.concatenate(rows)]))
    box = np.concatenate([pixels.min(axis=0), pixels.max(axis=0) + 1.0])
    ground, center = Ground(view.up, EYE[2]), view.optical((x, y, 0.03))
    bowl = standing_body(box, CAMERA, ground, foot_share("red bowl on the left"))
    assert np.linalg.norm(bowl.box.centers[0] - center) < 0.01
    np.testing.assert_allclose(bowl.box.sizes[0], [0.18, 0.18, 0.06], atol=0.012)
    cylinder = standing_body(box, CAMERA, ground)
    assert np.linalg.norm(cylinder.box.centers[0] - center) > 0.02


@pytest.mark.parametrize("name", ["can", "bowling ball", "mug next to the bowl", "yellow bin", ""])
def test_most_names_tell_nothing_of_a_shape(name):
    assert foot_share(name) == 1.0


def test_boxes_of_a_camera_that_moves_are_each_placed_from_where_they_were_seen():
    """2 cm sideways from picture to picture; a box of the first picture laid over the sixth would be 10 cm off."""
    things, first = Pictured(), None
    for k in range(6):
        view, at = picture((CAN,), (0.05, -0.08, 0.5), eye=(EYE[0], EYE[1] + 0.02 * k, EYE[2]), aim=(0, 0.02 * k, 0.1))
        origin = view.optical((0.0, 0.0, 0.0))
        axes = np.stack([view.optical(axis) - origin for axis in np.eye(3)])  # world from optical
        pose = Transform(axes, -axes @ origin)
        assert first is None or np.linalg.norm(pose.translation - first) == pytest.approx(0.02 * k, abs=1e-3)
        first = pose.translation if first is None else first
        rgb = np.full((*view.observation.depth.shape, 3), 120, np.uint8)
        rgb[view.detections[0].mask] = (200, 40, 30)
        votes = {"can": pointed_at(view.detections[0].box2d)}
        things.look(type(view.observation)(rgb, CAMERA), Ground(view.up, EYE[2]), pose, at, votes)
        assert np.linalg.norm(things.named["can"].box().centers[0] - np.array(CAN.center)) < 0.01
