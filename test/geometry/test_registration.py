"""Depth reprojected into another camera, against ray-cast truth."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.ndimage import maximum_filter, minimum_filter
from scipy.spatial.transform import Rotation

from spatialvlm_ros.errors import DepthError
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.geometry.registration import is_registered, register_depth
from spatialvlm_ros.geometry.transforms import Transform

# Unequal focal lengths, off-centre, different lenses and sizes: nothing is left that swapped axes would not change.
DEPTH = Camera(200, 150, 170.0, 176.0, 104.0, 69.0, "plumb_bob", (-0.12, 0.05, 0.002, -0.001, 0.0))
COLOUR = Camera(320, 210, 260.0, 250.0, 150.0, 111.0, "rational_polynomial", (0.3, 0.1, 1e-3, 0, 0, 0.45, 0.15, 0.01))
COARSE = Camera(80, 62, 68.0, 72.0, 41.0, 29.0)
POSE = Transform(Rotation.from_euler("xyz", [0.03, -0.06, 0.05]).as_matrix(), np.array([0.11, -0.05, 0.03]))

# The wall is a plane normal . p = offset, the boxes stand in its front: centre, half sizes, rotation.
WALL = (np.array([0.22, -0.16, 1.0]), 2.6)
BOXES = [
    (np.array([-0.25, 0.12, 1.2]), np.array([0.16, 0.11, 0.08]), Rotation.from_euler("xyz", [0.2, 0.5, 0.1])),
    (np.array([0.32, -0.2, 1.7]), np.array([0.13, 0.2, 0.15]), Rotation.from_euler("xyz", [-0.3, -0.4, 0.2])),
]


def cast(points_from, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rays from one point (3,) along (N, 3) -> (N,) how many directions long they are, and the face they hit."""
    normal, offset = WALL
    lengths = [(offset - normal @ points_from) / (directions @ normal)]
    faces = [np.zeros(len(directions), int)]
    for number, (centre, half, turn) in enumerate(BOXES):
        start, along = turn.inv().apply(points_from - centre), turn.inv().apply(directions)
        low, high = (-half - start) / along, (half - start) / along
        enter = np.minimum(low, high)
        entry, axis = enter.max(axis=1), enter.argmax(axis=1)
        hit = entry < np.maximum(low, high).min(axis=1)
        lengths.append(np.where(hit, entry, np.inf))
        faces.append(1 + 6 * number + 2 * axis + (along[np.arange(len(axis)), axis] > 0))
    nearest = np.argmin(lengths, axis=0)
    rows = np.arange(len(directions))
    return np.array(lengths)[nearest, rows], np.array(faces)[nearest, rows]


def seen_by(camera: Camera, world_from_camera: Transform) -> tuple[np.ndarray, np.ndarray]:
    """(H, W) true depth and the face of every pixel."""
    rays = camera.pixel_rays().reshape(-1, 3)
    depth, face = cast(world_from_camera.translation, rays @ world_from_camera.rotation.T)
    shape = (camera.height, camera.width)
    return depth.reshape(shape), face.reshape(shape)


def uniform(labels: np.ndarray, size: int) -> np.ndarray:
    """(H, W) whether the size x size pixels around one have one label."""
    return minimum_filter(labels, size) == maximum_filter(labels, size)


def in_depth_camera(depth_in_colour: np.ndarray, depth_camera: Camera, pose: Transform) -> tuple[np.ndarray, ...]:
    """What colour pixels of that depth are for the depth camera: (H, W) u, v and depth."""
    points = pose.inverse().apply(COLOUR.pixel_rays().reshape(-1, 3) * depth_in_colour.reshape(-1, 1))
    shape = depth_in_colour.shape
    return tuple(a.reshape(shape) for a in (*depth_camera.project(points).T, points[:, 2]))


def measured(truth: np.ndarray, face: np.ndarray, depth_face: np.ndarray, depth_camera: Camera, pose: Transform):
    """(H, W) whether the depth camera saw the surface of a colour pixel, and no other within one depth pixel."""
    u, v, _ = in_depth_camera(truth, depth_camera, pose)
    u, v = np.rint(u).astype(int), np.rint(v).astype(int)
    inside = (u >= 1) & (v >= 1) & (u < depth_camera.width - 1) & (v < depth_camera.height - 1)
    u, v = np.where(inside, u, 0), np.where(inside, v, 0)
    return inside & uniform(depth_face, 3)[v, u] & (depth_face[v, u] == face)


# Two and four colour pixels: one cell. Where a cell bends over the edge between two faces its depth is their mix.
@pytest.mark.parametrize(("depth_camera", "cell", "bound"), [(DEPTH, 2, 0.003), (COARSE, 4, 0.004)])
def test_a_wall_and_two_boxes_are_where_the_colour_camera_sees_them(depth_camera, cell, bound):
    depth, depth_face = seen_by(depth_camera, Transform.identity())
    truth, face = seen_by(COLOUR, POSE.inverse())
    got = register_depth(depth.astype(np.float32), depth_camera, COLOUR, POSE)
    assert got.shape == truth.shape and got.dtype == np.float32
    error = got / truth - 1

    seen = measured(truth, face, depth_face, depth_camera, POSE)
    assert 0.6 < seen.mean() < 0.9  # the rest was hidden from the depth camera, or outside its picture
    # No holes, and nothing behind shows through, up to the very edges.
    assert np.isfinite(got[seen]).all()
    assert error[seen].max() < 0.02

    inner = seen & uniform(face, 2 * cell + 1)
    assert len(np.unique(face[inner])) >= 5 and inner.mean() > 0.55
    assert np.abs(error[inner]).max() < bound
    assert np.quantile(np.abs(error[inner]), 0.99) < 2e-4

    # Never in the air before the first surface, except where a cell reaches over a silhouette.
    assert np.nanmin(error[uniform(face, 2 * cell + 1)]) > -bound


def test_what_the_depth_camera_did_not_see_stays_unknown():
    depth, depth_face = seen_by(DEPTH, Transform.identity())
    truth, face = seen_by(COLOUR, POSE.inverse())
    got = register_depth(depth.astype(np.float32), DEPTH, COLOUR, POSE)
    u, v, z = in_depth_camera(truth, DEPTH, POSE)
    inside = (u > 2) & (v > 2) & (u < DEPTH.width - 3) & (v < DEPTH.height - 3)
    there = depth[np.where(inside, np.rint(v), 0).astype(int), np.where(inside, np.rint(u), 0).astype(int)]
    shadow = inside & (face == 0) & (there < 0.95 * z)  # wall that stands behind a box for the depth camera
    shadow &= uniform(shadow.astype(int), 5)
    assert shadow.sum() > 300
    assert np.isnan(got[shadow]).all()

    # Every depth that was given lies on a surface that the depth camera saw: no bridge between box and wall.
    known = np.isfinite(got)
    u, v, z = (a[known] for a in in_depth_camera(np.where(known, got, 1.0), DEPTH, POSE))
    differences = []
    for dv in (-1, 0, 1):
        for du in (-1, 0, 1):
            row, column = np.rint(v + dv).astype(int), np.rint(u + du).astype(int)
            row, column = row.clip(0, DEPTH.height - 1), column.clip(0, DEPTH.width - 1)
            differences.append(np.abs(depth[row, column] / z - 1))
    assert np.min(differences, axis=0).max() < 0.02


def test_the_unmeasured_back_of_a_door_is_unknown_and_hides_the_wall():
    """A door at x = 0.2 m from z = 1 to 2 m before a wall at 3 m; the colour camera stands on its other side."""
    x, _, z = np.moveaxis(DEPTH.pixel_rays(), 2, 0)
    door = (x > 0.1) & (x < 0.2)
    depth = np.where(door, 0.2 / np.where(door, x, 1), 3.0).astype(np.float32)
    got = register_depth(depth, DEPTH, COLOUR, Transform(np.eye(3), np.array([-0.5, 0.0, 0.0])))
    # For the colour camera the door is at x = -0.3 m: x/z is -0.3 to -0.15 there.
    x, y, _ = np.moveaxis(COLOUR.pixel_rays(), 2, 0)
    seen = np.abs(y) < 0.35
    back = seen & (x > -0.28) & (x < -0.2)  # steeper than 5% a pixel beyond
    assert back.sum() > 2000 and np.isnan(got[back]).all()
    wall = seen & (x > -0.13) & (x < 0.3)
    beside = wall & (np.abs(x - 0.05) > 0.13)  # what the door hides of the wall from the depth camera
    np.testing.assert_allclose(got[beside], 3.0, rtol=1e-6)
    # From the side that was measured the same door is measured.
    got = register_depth(depth, DEPTH, COLOUR, Transform(np.eye(3), np.array([0.1, 0.0, 0.0])))
    front = seen & (x > 0.2) & (x < 0.28)
    np.testing.assert_allclose(got[front], 0.3 / x[front], rtol=1e-3)


def test_noise_opens_no_holes():
    depth, depth_face = seen_by(DEPTH, Transform.identity())
    truth, face = seen_by(COLOUR, POSE.inverse())
    noise = 1 + 0.005 * np.random.default_rng(0).standard_normal(depth.shape)
    got = register_depth((depth * noise).astype(np.float32), DEPTH, COLOUR, POSE)
    seen = measured(truth, face, depth_face, DEPTH, POSE)
    assert np.isfinite(got[seen]).mean() > 0.9995
    error = got[seen] / truth[seen] - 1
    assert np.nanquantile(np.abs(error), 0.999) < 0.03 and (error > 0.06).sum() == 0
    assert np.nanstd(error[np.abs(error) < 0.03]) < 0.007  # not larger than it was by more than interpolation brings


def plane_depth(camera: Camera, normal: np.ndarray, offset: float) -> np.ndarray:
    return offset / (camera.pixel_rays() @ normal)


def moved_plane(normal: np.ndarray, offset: float, pose: Transform) -> tuple[np.ndarray, float]:
    turned = pose.rotation @ normal
    return turned, offset + float(turned @ pose.translation)


@st.composite
def pinholes(draw) -> Camera:
    width, height = draw(st.integers(20, 64)), draw(st.integers(20, 64))
    fx, fy = draw(st.floats(35, 130)), draw(st.floats(35, 130))
    return Camera(width, height, fx, fy, width * draw(st.floats(0.35, 0.65)), height * draw(st.floats(0.35, 0.65)))


small = st.floats(-0.15, 0.15)
triples = st.tuples(small, small, small).map(np.array)
poses = st.builds(lambda turn, shift: Transform(Rotation.from_rotvec(2 * turn).as_matrix(), shift), triples, triples)


@settings(max_examples=30, deadline=None)
@given(first=pinholes(), second=pinholes(), pose=poses, tilt=triples, offset=st.floats(1.0, 4.0))
def test_a_plane_goes_to_another_camera_and_back(first, second, pose, tilt, offset):
    normal = np.array([3 * tilt[0], 3 * tilt[1], 1.0])
    there_plane = moved_plane(normal, offset, pose)
    depth, truth = plane_depth(first, normal, offset), plane_depth(second, *there_plane)
    # In front of both cameras everywhere, no steeper than about 70 degrees.
    for picture, camera in ((depth, first), (truth, second)):
        assume(picture.min() > 0.3)
        steps = max(np.abs(np.diff(np.log(picture), axis=axis)).max() for axis in (0, 1))
        assume(steps < min(0.045, 2.5 / max(camera.fx, camera.fy)))
    points = pose.inverse().apply((second.pixel_rays() * truth[..., None]).reshape(-1, 3))
    u, v = first.project(points).T
    inside = (u >= 0) & (v >= 0) & (u <= first.width - 1) & (v <= first.height - 1)
    assume(inside.any())
    there = register_depth(depth.astype(np.float32), first, second, pose)
    known = np.isfinite(there)
    assert known.ravel()[inside].all()  # every pixel that looks at a measured place knows it
    np.testing.assert_allclose(there[known], truth[known], rtol=2e-6)

    back = register_depth(there, second, first, pose.inverse())
    points = pose.apply((first.pixel_rays() * depth[..., None]).reshape(-1, 3))
    u, v = np.rint(second.project(points)).astype(int).T
    inside = (u >= 0) & (v >= 0) & (u < second.width) & (v < second.height)
    whole = minimum_filter(known.astype(int), 3, mode="nearest").astype(bool)
    inside &= whole[np.where(inside, v, 0), np.where(inside, u, 0)]  # a ragged border has no slope
    np.testing.assert_allclose(back.ravel()[inside], depth.ravel()[inside], rtol=2e-6)


@pytest.mark.parametrize("quarter", [0, 1, 2, 3])
def test_a_pole_one_pixel_wide_stays_whole_in_a_turned_and_finer_picture(quarter):
    depth_camera, colour = Camera(40, 30, 40.0, 40.0, 19.5, 14.5), Camera(200, 200, 120.0, 150.0, 99.5, 99.5)
    depth = np.full((30, 40), 3.0, np.float32)
    depth[:, 15] = 1.0
    pose = Transform(Rotation.from_euler("z", 90 * quarter, degrees=True).as_matrix(), np.zeros(3))
    got = register_depth(depth, depth_camera, colour, pose)
    # The column 15 is 4.5 depth pixels left of the middle, half a depth pixel to both sides, in metres at 1 m:
    corners = np.array([[-5.0, -14.5, 0], [-4.0, 14.5, 0]]) / 40 + [0, 0, 1]
    (u0, v0), (u1, v1) = np.sort(colour.project(pose.apply(corners)), axis=0)
    pole = got[int(np.ceil(v0)) : int(v1) + 1, int(np.ceil(u0)) : int(u1) + 1]
    assert pole.size > 250
    np.testing.assert_allclose(pole, 1.0, atol=1e-6)
    assert (got == 1).sum() < 1.15 * pole.size  # and is not wider than it was


def test_the_middle_of_a_coarse_picture_is_taken_from_a_fine_one():
    normal = np.array([0.5, -0.3, 1.0])
    fine, coarse = Camera(320, 240, 300.0, 310.0, 155.0, 122.0), Camera(40, 30, 41.0, 42.0, 20.0, 15.0)
    got = register_depth(plane_depth(fine, normal, 2.0).astype(np.float32), fine, coarse, Transform.identity())
    np.testing.assert_allclose(got, plane_depth(coarse, normal, 2.0), rtol=1e-5)


def test_points_beside_the_picture_do_not_come_back_through_the_lens():
    """A barrel distortion polynomial turns back outside of the field it was fitted in."""
    lens = (-0.35, 0.0, 0.0, 0.0)
    colour = Camera(120, 90, 150.0, 150.0, 60.0, 45.0, "plumb_bob", lens)
    wide = Camera(240, 120, 40.0, 40.0, 120.0, 60.0)
    depth = np.full((120, 240), 2.0, np.float32)
    depth[:, :64] = depth[:, 176:] = 1.0  # far beside the colour picture: x/z beyond 1.4
    rays = wide.pixel_rays()[depth == 1]
    assert colour.contains(colour.project(rays)).any()  # the polynomial alone would put them into the picture
    got = register_depth(depth, wide, colour, Transform.identity())
    np.testing.assert_allclose(got, 2.0, rtol=1e-6)


def test_pixels_without_a_ray_and_invalid_depth_give_nothing():
    folding = Camera(120, 90, 60.0, 60.0, 60.0, 45.0, "plumb_bob", (-0.3, 0.0, 0.0, 0.0))
    blind = np.isnan(folding.pixel_rays()).any(axis=2)
    assert 0 < blind.mean() < 0.5
    plain = Camera(120, 90, 60.0, 60.0, 60.0, 45.0)
    nearer = Transform(np.eye(3), np.array([0.0, 0.0, 0.5]))
    got = register_depth(np.full((90, 120), 2.0, np.float32), folding, plain, nearer)
    assert np.unique(got[np.isfinite(got)]) == pytest.approx([2.5])

    depth = np.full((90, 120), 2.0, np.float32)
    depth[30:60, 40:80] = np.nan
    depth[:20, :20] = np.inf
    depth[70:, :20] = -1.0
    depth[70:, 100:] = np.finfo(np.float32).max
    got = register_depth(depth, plain, plain.resized(60, 45), Transform.identity())
    assert np.isnan(got[16:29, 21:39]).all() and np.isnan(got[:9, :9]).all() and np.isnan(got[36:, :9]).all()
    assert np.isnan(got[36:, 51:]).all()
    assert (got[np.isfinite(got)] == 2).all() and np.isfinite(got).mean() > 0.6
    assert np.isnan(register_depth(np.full_like(depth, np.nan), plain, plain.resized(60, 45), POSE)).all()


def test_registered_depth_is_given_back_untouched():
    depth = np.full((DEPTH.height, DEPTH.width), np.nan, np.float32)
    depth[3, 5] = -2.0
    assert register_depth(depth, DEPTH, DEPTH, Transform.identity()) is depth
    assert depth[3, 5] == -2.0
    rounded = Transform(Rotation.from_rotvec([0, 5e-7, 0]).as_matrix(), np.array([0, 5e-7, 0]))
    assert is_registered(DEPTH, DEPTH, rounded)
    assert not is_registered(DEPTH, DEPTH, Transform(np.eye(3), np.array([0, 0, -1e-3])))
    assert not is_registered(DEPTH, DEPTH, Transform(Rotation.from_rotvec([0, 0, 1e-3]).as_matrix(), np.zeros(3)))
    assert not is_registered(DEPTH, DEPTH.cropped(1, 0, DEPTH.width, DEPTH.height), Transform.identity())


def test_the_input_is_not_changed():
    depth = seen_by(DEPTH, Transform.identity())[0].astype(np.float32)
    before = depth.copy()
    register_depth(depth, DEPTH, COLOUR, POSE)
    np.testing.assert_array_equal(depth, before)


@pytest.mark.parametrize(
    ("depth", "fault"),
    [
        (np.ones((DEPTH.width, DEPTH.height), np.float32), "not of its camera's size"),
        (np.ones((COLOUR.height, COLOUR.width), np.float32), "not of its camera's size"),
        (np.ones((DEPTH.height, DEPTH.width), np.uint16), "float picture in metres"),
        (np.ones((DEPTH.height, DEPTH.width, 1), np.float32), "float picture in metres"),
    ],
)
def test_depth_of_another_size_or_type_is_refused(depth, fault):
    with pytest.raises(DepthError, match=fault):
        register_depth(depth, DEPTH, COLOUR, POSE)


@pytest.mark.parametrize("shift", [(0.0, 0.0, -5.0), (30.0, 0.0, 0.0)])
def test_depth_behind_or_beside_the_colour_camera_is_refused(shift):
    depth = np.full((DEPTH.height, DEPTH.width), 1.0, np.float32)
    with pytest.raises(DepthError, match="no surface that was measured is seen"):
        register_depth(depth, DEPTH, COLOUR, Transform(np.eye(3), np.array(shift)))


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e9])
def test_a_place_that_is_not_known_is_refused(value):
    depth = np.full((DEPTH.height, DEPTH.width), 1.0, np.float32)
    with pytest.raises(DepthError, match="place is not known"):
        register_depth(depth, DEPTH, COLOUR, Transform(np.eye(3), np.array([0.0, value, 0.0])))
