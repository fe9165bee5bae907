"""Where a thing can be, by its colours: seen, gone or hidden."""

import numpy as np
import pytest
from analytic_scenes import Cylinder
from table_scenes import CAMERA, EYE, picture

from spatialvlm_ros.rewards.following.colours import ColourPicture, Look, PalettePicture
from spatialvlm_ros.rewards.following.outlining import Outlined
from spatialvlm_ros.rewards.following.pictured import standing_body
from spatialvlm_ros.rewards.following.tabletop import Ground
from spatialvlm_ros.scenes.observation import Observation

RED, GREY, BLUE = (200, 40, 30), (120, 120, 120), (30, 60, 200)
CAN = Cylinder((0.05, -0.08, 0.06), (0.07, 0.07, 0.12))
NOWHERE = np.zeros((0, 3))


def drawn(view, can, ground=GREY):
    rgb = np.empty((CAMERA.height, CAMERA.width, 3), np.uint8)
    rgb[:] = ground
    rgb[view.detections[0].mask] = can
    return rgb


@pytest.fixture(scope="module")
def scene():
    view, _ = picture((CAN,), None)
    body = standing_body(view.detections[0].box2d, CAMERA, Ground(view.up, EYE[2]))
    return view, body.points


def look_at(scene, can=RED, ground=GREY, hand=NOWHERE):
    view, points = scene
    thing = Outlined(view.detections[0].box2d, view.detections[0].mask, told_apart=True)
    return Look.of(Observation(drawn(view, can, ground), CAMERA), thing, points, hand)


def test_it_is_seen_where_it_is_and_gone_where_the_table_shows(scene):
    view, points = scene
    picture = look_at(scene).picture(drawn(view, RED), CAMERA)
    assert isinstance(picture, PalettePicture)
    here, beside = picture.agreement(points), picture.agreement(points + np.array([0.15, 0.0, 0.0]))
    assert here.seen > 0.9 and here.gone < 0.05
    assert beside.gone > 0.9 and beside.seen == 0.0
    assert here.seen + here.hidden + here.gone == pytest.approx(1.0)


def test_what_is_before_it_hides_it_and_does_not_speak_against_the_place(scene):
    view, points = scene
    hidden = look_at(scene).picture(drawn(view, BLUE), CAMERA).agreement(points)
    assert hidden.hidden > 0.9 and hidden.gone < 0.05


def test_a_shadow_is_still_the_table_and_the_thing_darker_still_the_thing(scene):
    view, points = scene
    picture = look_at(scene).picture(drawn(view, (185, 36, 28), (108, 108, 108)), CAMERA)
    assert picture.agreement(points).seen > 0.9
    assert picture.agreement(points + np.array([0.15, 0.0, 0.0])).gone > 0.9


def test_a_hand_of_the_same_colour_does_not_count_as_the_thing(scene):
    view, points = scene
    look = look_at(scene, hand=points)  # the hand's colours are those of the can
    assert not look.own.any()
    assert isinstance(look.picture(drawn(view, RED), CAMERA), ColourPicture)


def test_a_thing_of_the_colours_of_its_ground_is_compared_point_by_point(scene):
    view, points = scene
    look = look_at(scene, can=GREY)
    picture = look.picture(drawn(view, GREY), CAMERA)
    assert isinstance(picture, ColourPicture)
    assert picture.agreement(points).seen == 1.0 and picture.agreement(points).gone == 0.0


def test_points_outside_the_picture_are_hidden(scene):
    view, points = scene
    picture = look_at(scene).picture(drawn(view, RED), CAMERA)
    away = picture.agreement(points + np.array([5.0, 0.0, 0.0]))
    assert (away.seen, away.hidden, away.gone) == (0.0, 1.0, 0.0)
