"""The renderer against analytic pictures: pixel centres, depth, directions, silhouettes."""

from __future__ import annotations

import numpy as np
import pytest

from spatialvlm_ros.errors import SimulationError
from spatialvlm_ros.geometry.cameras import Camera

mujoco = pytest.importorskip("mujoco")

from spatialvlm_ros.simulation.rendering import CameraPose, Renderer  # noqa: E402

# Off-centre principal point, unequal focal lengths, not square: swapped axes must show.
CAMERA = Camera(160, 120, 150.0, 165.0, 70.0, 66.0)
POSE = CameraPose.look_at(np.array([0.35, -0.5, 0.45]), np.array([0.02, 0.0, 0.03]), roll=0.2)
HALF = np.array([0.11, 0.06, 0.02])
BOX, FLOOR, POST = 0, 1, 2


@pytest.fixture(scope="module")
def scene():
    spec = mujoco.MjSpec()
    box = mujoco.mjtGeom.mjGEOM_BOX
    spec.worldbody.add_geom(type=box, size=HALF, pos=[0, 0, HALF[2]], rgba=[0.9, 0.1, 0.1, 1])
    spec.worldbody.add_geom(type=box, size=[2, 2, 0.05], pos=[0, 0, -0.05], rgba=[0.6, 0.6, 0.6, 1])
    spec.worldbody.add_geom(type=box, size=[0.01, 0.01, 0.1], pos=[-0.3, 0, 0.1], rgba=[0.1, 0.1, 0.9, 1])
    spec.worldbody.add_light(pos=[0, 0, 3], dir=[0, 0, -1])
    spec.visual.quality.offsamples = 4  # antialiasing must not reach depth and ids
    model = spec.compile()
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    with Renderer(model, 320, 240) as renderer:
        yield renderer, model, data


def test_depth_of_a_plane_is_analytic(scene) -> None:
    renderer, _, data = scene
    picture = renderer.render(data, POSE, CAMERA, rgb=False)
    up, height = POSE.up(), POSE.position[2]
    expected = -height / (CAMERA.pixel_rays() @ up)
    floor = picture.geom_ids == FLOOR
    assert floor.sum() > 1000
    assert np.ptp(expected[floor]) > 0.2  # a gradient, not a constant
    np.testing.assert_allclose(picture.depth[floor], expected[floor], rtol=2e-5)


def test_pixel_centres_are_integers_to_a_small_part_of_a_pixel(scene) -> None:
    """Each row and column of the picture must show the box exactly where the projected outline has it."""
    import cv2

    renderer, _, data = scene
    big = Camera(320, 240, 300.0, 330.0, 140.0, 132.0)
    inside = renderer.render(data, POSE, big, rgb=False).geom_ids == BOX
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (0, 2)]) * HALF
    outline = cv2.convexHull(big.project(POSE.to_optical(corners)).astype(np.float32))
    v, u = np.mgrid[0:240, 0:320]
    distance = np.array(
        [cv2.pointPolygonTest(outline, (float(x), float(y)), True) for x, y in zip(u.ravel(), v.ravel(), strict=True)]
    ).reshape(240, 320)
    assert inside.sum() > 2000
    assert inside[distance > 0.02].all()
    assert not inside[distance < -0.02].any()


def test_the_projected_box_is_the_silhouette(scene) -> None:
    renderer, _, data = scene
    mask = renderer.render(data, POSE, CAMERA, rgb=False).geom_ids == BOX
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (0, 2)]) * HALF
    pixels = CAMERA.project(POSE.to_optical(corners))
    rows, columns = np.nonzero(mask)
    np.testing.assert_allclose([columns.min(), rows.min()], pixels.min(axis=0), atol=1)
    np.testing.assert_allclose([columns.max(), rows.max()], pixels.max(axis=0), atol=1)


def test_left_is_left_and_up_is_up(scene) -> None:
    renderer, _, data = scene
    pose = CameraPose.look_at(np.array([0.0, -1.0, 0.3]), np.array([0.0, 0.0, 0.1]))  # world +x is to the right
    ids = renderer.render(data, pose, CAMERA, rgb=False).geom_ids
    post_u, box_u = np.nonzero(ids == POST)[1].mean(), np.nonzero(ids == BOX)[1].mean()
    assert post_u < box_u - 10  # the post stands at negative x
    rows = np.nonzero(ids == POST)[0]
    top = CAMERA.project(pose.to_optical(np.array([[-0.3, 0, 0.2]])))[0, 1]
    assert abs(rows.min() - top) < 2
    assert pose.up() @ [0, -1, 0] > 0.9


def test_colour_and_truth_show_the_same_edges(scene) -> None:
    renderer, _, data = scene
    picture = renderer.render(data, POSE, CAMERA)
    red = picture.rgb[..., 0].astype(int) - picture.rgb[..., 2] > 40
    box = picture.geom_ids == BOX
    assert (red ^ box).sum() < 0.1 * box.sum()


def test_sky_has_no_depth(scene) -> None:
    renderer, _, data = scene
    pose = CameraPose.look_at(np.array([0.0, -1.0, 0.3]), np.array([0.0, 0.0, 0.9]))
    picture = renderer.render(data, pose, CAMERA, rgb=False)
    assert (picture.geom_ids < 0).any()
    assert (np.isnan(picture.depth) == (picture.geom_ids < 0)).all()


def test_silhouette_area_of_a_hidden_and_cropped_box(scene) -> None:
    renderer, model, data = scene
    groups = model.geom_group.copy()
    alone = renderer.render(data, POSE, CAMERA, rgb=False).geom_ids == BOX
    area = renderer.silhouette_areas(data, POSE, [(np.array([BOX]), CAMERA)])
    assert area[0] == alone.sum()  # nothing stands before it here
    assert (model.geom_group == groups).all()


def test_misuse_is_named(scene) -> None:
    renderer, _, data = scene
    with pytest.raises(SimulationError, match="larger than the renderer's buffer"):
        renderer.render(data, POSE, Camera.from_hfov(640, 480, 1.0))
    with pytest.raises(SimulationError, match="undistorted"):
        renderer.render(data, POSE, Camera(160, 120, 150, 150, 80, 60, "plumb_bob", (0.1, 0, 0, 0)))


def test_two_renderers_in_one_process_do_not_disturb_each_other(scene) -> None:
    renderer, model, data = scene
    alone = renderer.render(data, POSE, CAMERA)
    other_pose = CameraPose.look_at(np.array([-0.4, 0.3, 0.6]), np.zeros(3))
    with Renderer(model, 200, 200) as other:
        for _ in range(2):
            other.render(data, other_pose, Camera(200, 200, 180.0, 180.0, 99.5, 99.5))
            again = renderer.render(data, POSE, CAMERA)
            np.testing.assert_array_equal(again.geom_ids, alone.geom_ids)
            np.testing.assert_array_equal(again.depth, alone.depth)
            np.testing.assert_array_equal(again.rgb, alone.rgb)
