"""Boxes stand upright and have the right extent along each axis; texts and lines are where their objects are."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from spatialvlm_ros.datasets.preview import palette
from spatialvlm_ros.errors import GeometryError
from spatialvlm_ros.models.estimate import Estimate, LocatedObject, Reason
from spatialvlm_ros.ros.marker_shapes import UNKNOWN_SIZE_M, Form, Shape, shapes
from spatialvlm_ros.scenes.relations import Relation

Float = NDArray[np.float64]
WIDTH, DEPTH, HEIGHT = 0.3, 0.2, 0.6
# A level camera's optical axes are x right, y down, z forward: forward, left and up are its z, -x and -y.
LEVEL = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])
TILTED = Rotation.from_euler("x", 35, degrees=True).as_matrix() @ LEVEL


def thing(name: str, position: tuple[float, float, float], size: tuple[float, ...] = (WIDTH, DEPTH, HEIGHT)):
    return LocatedObject(name, True, Reason.OK, np.array([1.0, 2, 3, 4]), 0.9, np.array(position), size=np.array(size))


def between(subject: str, reference: str, relation: Relation = Relation.DISTANCE) -> Estimate:
    return Estimate(relation, subject, reference, 0.42, 0.05, (0.3, 0.5), valid=True, reason=Reason.OK)


def layer(found: list[Shape], name: str) -> list[Shape]:
    return [s for s in found if s.layer == name]


def corners(shape: Shape) -> Float:
    """(8, 3) of a cube, as RViz draws it."""
    unit = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
    return shape.position + Rotation.from_quat(shape.quaternion).apply(unit * shape.scale)


@pytest.mark.parametrize("turn", [LEVEL, TILTED, np.eye(3)], ids=["level", "tilted", "spatial"])
def test_cubes_stand_upright_with_width_to_the_left_depth_forward_and_height_up(turn: Float) -> None:
    (cube,) = layer(shapes([thing("mug", (0.1, -0.2, 1.5))], [3], [], turn), "objects")
    assert cube.form is Form.CUBE
    spread = np.ptp(corners(cube) @ turn, axis=0)
    assert np.allclose(spread, [DEPTH, WIDTH, HEIGHT])
    assert np.allclose(corners(cube).mean(axis=0), [0.1, -0.2, 1.5])


def test_names_stand_above_their_boxes_with_what_is_known_of_them() -> None:
    height = Estimate(Relation.HEIGHT, "mug", "", 0.6, 0.05, valid=True, reason=Reason.OK)
    camera = between("camera", "mug")
    for answers in ([], [height, camera]):
        (name,) = layer(shapes([thing("mug", (0, 0, 2))], [5], answers, TILTED), "names")
        over = (name.position - [0, 0, 2]) @ TILTED
        assert np.allclose(over[:2], 0)
        lines = name.text.split("\n")
        below = over[2] - name.scale[2] * len(lines) / 2
        assert HEIGHT / 2 <= below < HEIGHT / 2 + 3 * name.scale[2]
    assert lines == ["mug #5", "height 0.60 m ±0.05", "to camera 0.42 m ±0.05"]


def test_lines_join_the_middles_and_carry_all_answers_about_the_two() -> None:
    located = [thing("mug", (0, 0, 2)), thing("bowl", (1, 0, 2)), thing("cup", (0, 0.5, 1))]
    answers = [between("mug", "bowl"), between("bowl", "mug", Relation.GAP), between("cup", "mug")]
    found = shapes(located, [0, 1, 2], answers, LEVEL)
    first, second = layer(found, "lines")
    assert first.points is not None and np.allclose(first.points, [[0, 0, 2], [1, 0, 2]])
    assert second.points is not None and np.allclose(second.points, [[0, 0.5, 1], [0, 0, 2]])
    texts = layer(found, "distances")
    assert [t.text for t in texts] == ["0.42 m ±0.05\ngap 0.42 m ±0.05", "0.42 m ±0.05"]
    assert np.allclose(((texts[0].position - [0.5, 0, 2]) @ LEVEL)[:2], 0)
    assert first.scale[0] > 0 and (texts[0].scale > 0).tolist() == [False, False, True]


def test_what_has_no_place_or_no_value_has_no_shape() -> None:
    unseen = LocatedObject("spoon", reason=Reason.NOT_VISIBLE)
    placeless = LocatedObject("fork", True, Reason.OK, np.array([1.0, 2, 3, 4]))
    answers = [between("mug", "spoon"), between("mug", "fork"), between("mug", "mug two").refused(Reason.STALE)]
    found = shapes([unseen, thing("mug", (0, 0, 1)), placeless], [-1, 4, -1], answers, LEVEL)
    assert {s.layer for s in found} == {"objects", "names"}
    assert [s.text for s in layer(found, "names")] == ["mug #4"]


def test_an_object_of_unknown_size_is_a_ball() -> None:
    nowhere = (float("nan"),) * 3
    (ball,) = layer(shapes([thing("mug", (0, 0, 1), nowhere)], [], [], LEVEL), "objects")
    assert ball.form is Form.SPHERE and np.allclose(ball.scale, UNKNOWN_SIZE_M)
    assert all(
        np.isfinite(s.position).all() and (s.scale >= 0).all()
        for s in shapes([thing("m", (0, 0, 1), nowhere)], [], [], LEVEL)
    )


def test_colours_follow_the_id_and_numbers_are_unique_in_a_layer() -> None:
    located = [thing("a", (0, 0, 1)), thing("b", (1, 0, 1))]
    for order in ([0, 1], [1, 0]):
        found = shapes([located[k] for k in order], [(7, 4)[k] for k in order], [], LEVEL)
        seen = {
            s.text.split(" #")[1]: c.colour[:3]
            for s, c in zip(layer(found, "names"), layer(found, "objects"), strict=True)
        }
        assert np.allclose(seen["7"], palette.rgb(7) / 255) and np.allclose(seen["4"], palette.rgb(4) / 255)
        assert len({(s.layer, s.number) for s in found}) == len(found)


def test_letters_suit_the_size_of_the_objects() -> None:
    heights = []
    for scale in (0.01, 0.3, 10):
        (name,) = layer(shapes([thing("a", (0, 0, 1), (scale, scale / 2, scale / 3))], [], [], LEVEL), "names")
        heights.append(name.scale[2])
    assert heights == pytest.approx([0.02, 0.075, 0.12])


@pytest.mark.parametrize("wrong", [np.eye(2), 2 * np.eye(3), np.diag([1.0, 1, -1]), np.full((3, 3), np.nan)])
def test_what_is_no_rotation_is_refused(wrong: Float) -> None:
    with pytest.raises(GeometryError, match="no rotation"):
        shapes([], [], [], wrong)
