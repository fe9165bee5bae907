"""Things in ray-cast depth: found on the table, followed with the hand, dropped, hidden, and found again."""

import numpy as np
import pytest
from analytic_scenes import Box
from table_scenes import AIM, BOOK, CAMERA, EYE, MUG, box_distance, moved, picture

from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.geometry.transforms import Transform
from spatialvlm_ros.rewards.following.agreement import DepthPicture
from spatialvlm_ros.rewards.following.body import Body, triangle_distances
from spatialvlm_ros.rewards.following.tabletop import ground_of, pieces, standing
from spatialvlm_ros.rewards.following.things import Things

STILL = Transform.identity()
ABOVE = (0.0, 0.0, 0.40)


def test_distance_to_a_triangle_is_to_its_face_edge_or_corner():
    triangle = np.array([[[0, 0, 0], [1, 0, 0], [0, 1, 0]]], dtype=float)
    wanted = {(0.2, 0.2, 0.5): 0.5, (0.5, -0.3, 0.4): 0.5, (-0.3, -0.4, 0.0): 0.5, (1.0, 1.0, 0.0): np.sqrt(0.5)}
    for point, distance in wanted.items():
        assert triangle_distances(np.array(point), triangle)[0] == pytest.approx(distance)


def test_distance_to_a_body_is_that_to_its_hull():
    box = Box((0.2, -0.1, 0.4), (0.1, 0.2, 0.06), 0.5)
    turn = np.array([[np.cos(0.5), -np.sin(0.5), 0], [np.sin(0.5), np.cos(0.5), 0], [0, 0, 1.0]])
    boxes = Boxes(np.array([box.center]), np.array([box.size]), turn[None])
    body = Body(boxes.corners()[0], boxes)
    for point in np.random.default_rng(0).uniform(-0.3, 0.7, (50, 3)):
        assert body.distance(point) == pytest.approx(box_distance(box, point), abs=1e-9)
    assert body.distance(np.array(box.center)) == 0.0


def test_flat_points_have_the_hull_of_their_box():
    boxes = Boxes(np.zeros((1, 3)), np.array([[0.2, 0.2, 0.1]]), np.eye(3)[None])
    flat = np.array([[-0.1, -0.1, 0], [0.1, -0.1, 0], [0.1, 0.1, 0], [-0.1, 0.1, 0]])
    assert Body(flat, boxes).distance(np.array([0, 0, 0.08])) == pytest.approx(0.03)


def test_points_are_seen_hidden_or_gone():
    depth = np.full((240, 320), 1.0, np.float32)
    depth[:, :160], depth[:60] = 0.5, np.nan
    looked = DepthPicture(depth, CAMERA, 0.01)
    pixels = np.array([[80.0, 200.0], [240.0, 200.0], [240.0, 30.0], [400.0, 200.0]])
    at = looked.agreement(CAMERA.unproject(pixels, np.array([0.505, 0.9, 1.0, 1.0])))
    assert (at.seen, at.gone, at.hidden) == (0.25, 0.25, 0.5)
    assert looked.agreement(CAMERA.unproject(pixels[:1], np.array([0.8]))).hidden == 1.0


def test_the_table_holds_what_stands_on_it_and_not_the_robot():
    view, tcp = picture((MUG, BOOK), ABOVE)
    ground = ground_of(view.observation)
    found = standing(pieces(view.observation, ground), ground, tcp)
    assert len(found) == 2
    truth = {tuple(d.box2d) for d in view.detections[:2]}
    for piece in found:
        nearest = min(truth, key=lambda box: np.abs(np.array(box) - piece.box2d).sum())
        assert np.abs(np.array(nearest) - piece.box2d).max() <= 4  # the lowest 6 mm are taken for the table


def test_the_plane_is_found_where_the_robot_does_not_state_it():
    view, _ = picture((MUG, BOOK), up=False)
    ground = ground_of(view.observation)
    assert ground.height == pytest.approx(EYE[2], abs=0.005)
    assert ground.up @ view.up > np.cos(np.radians(1.0))


def test_what_floats_over_a_standing_piece_belongs_to_it():
    """A knob hides the stem that joins it to its foot."""
    foot, knob = Box((0, 0, 0.01), (0.10, 0.08, 0.02)), Box((0, 0, 0.09), (0.05, 0.05, 0.04))
    view, _ = picture((foot, knob))
    ground = ground_of(view.observation)
    found = pieces(view.observation, ground)
    assert len(found) == 2
    whole = standing(found, ground, None)
    assert len(whole) == 1 and whole[0].top == pytest.approx(0.11, abs=0.005)
    near = view.optical((0.0, 0.0, 0.13))  # beside the tool centre point it may be the hand
    assert standing(found, ground, near)[0].top == pytest.approx(0.02, abs=0.005)


class Course:
    """Plays pictures to `Things` and tells of the mug."""

    def __init__(self, **options):
        self.things, self.options, self.frame = Things(), options, 0

    def see(self, mug, tcp, *others):
        seen = (*((mug,) if mug else ()), *others)
        self.view, self.tcp = picture(seen, tcp, seed=self.frame, **self.options)
        self.frame += 1
        self.things.look(self.view.observation, STILL, self.tcp, not self.things.all)
        return self.of((0.0, 0.0, 0.05) if self.frame == 1 else None)

    def of(self, start):
        if start is not None:
            apart = [np.linalg.norm(t.box().centers[0] - self.view.optical(start)) for t in self.things.all]
            self.number = self.things.all[int(np.argmin(apart))].number
        return next(t for t in self.things.all if t.number == self.number)

    def risen(self, thing):
        return thing.risen(self.things.ground.up)


@pytest.mark.parametrize("noise", [0.0, 0.003, 0.008])
def test_the_gap_shrinks_with_the_hand_to_contact(noise):
    course = Course(noise=noise)
    errors = []
    for height in np.linspace(0.4, 0.09, 12):
        tcp = (0.01, 0.0, float(height))
        thing = course.see(MUG, tcp, BOOK)
        assert thing.place.visible and not thing.place.held
        errors.append(thing.distance(course.tcp) - box_distance(MUG, tcp))
    assert np.abs(errors).max() < (0.004 if noise == 0 else 0.01)
    assert thing.distance(course.tcp) < 0.003


@pytest.mark.parametrize("noise", [0.0, 0.003])
def test_a_carried_thing_goes_with_the_hand(noise):
    course = Course(noise=noise)
    for height in (0.4, 0.2, 0.09, 0.09):
        course.see(MUG, (0.0, 0.0, height), BOOK)
    for rise in (0.02, 0.05, 0.08, 0.12):
        thing = course.see(moved(MUG, dy=rise / 2, dz=rise), (0.0, rise / 2, 0.09 + rise), BOOK)
    assert thing.place.held and course.risen(thing) == pytest.approx(0.12, abs=0.006)
    assert thing.distance(course.tcp) < 0.006
    dropped = moved(MUG, dy=0.06)
    for _ in range(2):
        thing = course.see(dropped, (0.0, 0.06, 0.24), BOOK)
    assert not thing.place.held and course.risen(thing) == pytest.approx(0.0, abs=0.006)
    assert thing.distance(course.tcp) == pytest.approx(box_distance(dropped, (0.0, 0.06, 0.24)), abs=0.01)


def test_a_hand_that_closes_on_nothing_leaves_the_thing_where_it_is():
    course = Course()
    for height in (0.4, 0.2, 0.06, 0.06, 0.2, 0.3):
        thing = course.see(MUG, (0.0, 0.10, height), BOOK)
        assert not thing.place.held and course.risen(thing) == pytest.approx(0.0, abs=0.003)


def test_a_pushed_thing_is_followed():
    course = Course()
    course.see(MUG, None, BOOK)
    for way in (0.01, 0.02, 0.03, 0.045):
        thing = course.see(moved(MUG, dy=-way), None, BOOK)
    offset = thing.place.shift - (course.view.rotation @ [0, -0.045, 0])
    assert thing.place.visible and np.linalg.norm(offset) < 0.006


def test_a_hidden_thing_is_not_taken_for_seen():
    course = Course()
    course.see(MUG, None)
    screen = Box((0.12, 0.0, 0.10), (0.01, 0.4, 0.2))
    thing = course.see(MUG, None, screen)
    assert not thing.place.visible and not thing.place.lost and thing.place.unseen == 1
    assert course.see(MUG, None).place.visible


def test_a_thing_that_was_taken_away_is_lost_and_found_again():
    course = Course()
    course.see(MUG, None, BOOK)
    thing = course.see(None, None, BOOK)
    assert thing.place.lost and not thing.place.visible
    elsewhere = moved(MUG, dx=0.05, dy=-0.15)
    thing = course.see(elsewhere, None, BOOK)
    assert thing.place.visible
    assert np.linalg.norm(thing.box().centers[0] - course.view.optical(elsewhere.center)) < 0.02


def test_a_moving_camera_with_a_known_pose_sees_things_stand_still():
    things = Things()
    for shift in np.linspace(0, 0.2, 5):
        eye, aim = np.array(EYE) + [0, shift, 0], np.array(AIM)
        view, _ = picture((MUG, BOOK), eye=tuple(eye), aim=tuple(aim))
        pose = Transform(view.rotation.T, eye)
        things.look(view.observation, pose, None, not things.all)
    apart = [np.linalg.norm(t.box().centers[0] - MUG.center) for t in things.all]
    assert min(apart) < 0.02
    assert all(t.place.visible and np.linalg.norm(t.place.shift) < 0.004 for t in things.all)
