"""Things without depth, on a plane that the robot states: placed by their box in the picture, followed by colour."""

import numpy as np
import pytest
from analytic_scenes import Cylinder
from table_scenes import CAMERA, EYE, picture

from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.geometry.transforms import Transform
from spatialvlm_ros.rewards.following.pictured import Pictured, standing_cylinder
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
    body = standing_cylinder(view.detections[0].box2d, CAMERA, Ground(view.up, EYE[2]))
    assert np.linalg.norm(body.box.centers[0] - view.optical(can.center)) < 0.01
    np.testing.assert_allclose(body.box.sizes[0], can.size, atol=0.012)
    top = view.optical((x, y, 0.20))
    assert body.distance(top) == pytest.approx(0.08, abs=0.01)


@pytest.mark.parametrize("box", [(100, 5, 140, 30), (0, 120, 40, 200), (100, 180, 140, 239.5)])
def test_boxes_over_the_horizon_and_at_the_border_place_nothing(box):
    ground = Ground(np.array([0.0, -1.0, 0.0]), 0.6)  # looks level: the horizon is in the middle
    assert standing_cylinder(np.array(box, dtype=float), CAMERA, ground) is None


def test_colours_tell_whether_it_went_with_the_hand():
    things, course = Pictured(), []
    rises = [0.0, 0.0, 0.04, 0.08, 0.12, 0.0]
    hands = [0.40, 0.11, 0.15, 0.19, 0.23, 0.30]
    for k, (rise, height) in enumerate(zip(rises, hands, strict=True)):
        can = Cylinder((0.05, -0.08, 0.06 + rise), CAN.size)
        view, at, rgb = seen(can, (0.05, -0.08, height))
        ground = Ground(view.up, EYE[2])
        boxes = {"can": view.detections[0].box2d} if k == 0 else {}
        things.look(type(view.observation)(rgb, CAMERA), ground, STILL, at, boxes)
        course.append((things.named["can"].risen(view.up), things.named["can"].place))
    np.testing.assert_allclose([risen for risen, _ in course], rises, atol=0.012)
    assert [place.held for _, place in course] == [False, False, True, True, True, False]


def test_a_thing_behind_the_hand_is_not_visible():
    things = Pictured()
    view, at, rgb = seen(CAN, (0.05, -0.08, 0.4))
    ground = Ground(view.up, EYE[2])
    things.look(type(view.observation)(rgb, CAMERA), ground, STILL, at, {"can": view.detections[0].box2d})
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
        boxes = {"can": box + rng.normal(0, 3, 4)}
        things.look(type(view.observation)(rgb, CAMERA), ground, STILL, far, boxes)
        errors.append(np.linalg.norm(things.named["can"].box().centers[0] - view.optical(CAN.center)))
    assert errors[-1] < 0.02 and errors[-1] <= max(errors[:3])
    before = things.named["can"].box().centers[0]
    things.look(type(view.observation)(rgb, CAMERA), ground, STILL, near, {"can": box + 20})
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
            {"can": view.detections[0].box2d},
        )
    assert things.wanted(["can", "jar"]) == ["jar"]
    assert isinstance(things.named["can"].box(), Boxes)
