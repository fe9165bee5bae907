"""A view survives the way into a row, a Parquet file and back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from dataset_helpers import a_view

from spatialvlm_ros.datasets.pictures import PictureFormat, decode_depth, decode_rgb, encode_depth
from spatialvlm_ros.datasets.questions import Questions
from spatialvlm_ros.datasets.rows import decode_qa, decode_view, encode_qa, encode_view
from spatialvlm_ros.datasets.schema import row_schema
from spatialvlm_ros.errors import ConfigError, DatasetError
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.geometry.frames import CanonicalFrame

pa = pytest.importorskip("pyarrow")
PNG = PictureFormat("png")


def through_arrow(row):
    """The row as it comes out of a table of the schema."""
    return pa.Table.from_pylist([row], schema=row_schema()).to_pylist()[0]


def awkward_view():
    """Unequal sizes, a lens, an object on another plane, one without 3D, NaN in the gaps, contacts."""
    view = a_view(width=80, height=48)
    c = view.observation.camera
    lens = (0.1, -0.05, 0.001, 0.002, 0.01)
    camera = Camera(80, 48, c.fx, c.fy * 1.01, c.cx + 0.3, c.cy - 0.2, "plumb_bob", lens)
    depth = np.linspace(0.31, 12.7, 80 * 48, dtype=np.float32).reshape(48, 80)
    depth[5, 7] = np.nan
    observation = replace(
        view.observation, camera=camera, depth=depth, stamp_ns=1_700_000_000_123_456_789, frame_id="wrist/optical"
    )
    first, second, *rest = view.scene.objects
    objects = (replace(first, camera_height=0.42, support_id="table"), replace(second, box3d=None), *rest)
    gaps = view.scene.gaps.copy()
    gaps[0, 1] = gaps[1, 0] = np.nan
    scene = replace(
        view.scene, observation=observation, objects=objects, gaps=gaps, contacts=frozenset({(0, 2), (1, 2)})
    )
    return replace(view, scene=scene, seed=2**62 + 5)


def test_every_field_comes_back():
    view = awkward_view()
    back = decode_view(through_arrow(encode_view(view, PNG)))
    for name in ("view_id", "split", "source", "licence", "seed"):
        assert getattr(back, name) == getattr(view, name)
    np.testing.assert_array_equal(back.observation.rgb, view.observation.rgb)
    np.testing.assert_array_equal(back.instances, view.instances)
    np.testing.assert_allclose(back.observation.depth, view.observation.depth, atol=0.000501)
    assert np.isnan(back.observation.depth[5, 7])
    assert back.observation.camera == view.observation.camera
    np.testing.assert_array_equal(back.observation.up, view.observation.up)
    assert back.observation.camera_height == view.observation.camera_height
    assert (back.observation.stamp_ns, back.observation.frame_id) == (1_700_000_000_123_456_789, "wrist/optical")
    np.testing.assert_array_equal(back.scene.gaps, view.scene.gaps)
    assert back.scene.contacts == view.scene.contacts


def test_objects_come_back():
    view = awkward_view()
    back = decode_view(through_arrow(encode_view(view, PNG)))
    assert back.scene.objects[1].box3d is None
    for old, new in zip(view.scene.objects, back.scene.objects, strict=True):
        for name in ("label", "noun", "attributes", "instance_id", "asset", "camera_height", "support_id"):
            assert getattr(new, name) == getattr(old, name)
        assert new.visible_fraction == old.visible_fraction
        np.testing.assert_array_equal(new.box2d, old.box2d)
        np.testing.assert_array_equal(new.mask, old.mask)
        if old.box3d is not None:
            np.testing.assert_array_equal(new.box3d.centers, old.box3d.centers)
            np.testing.assert_array_equal(new.box3d.sizes, old.box3d.sizes)
            np.testing.assert_allclose(new.box3d.rotations, old.box3d.rotations, atol=1e-12)
            assert len(set(old.box3d.sizes[0])) == 3  # unequal, or swapped axes would not show


@pytest.mark.parametrize(
    "frame",
    [
        CanonicalFrame.unknown(),
        CanonicalFrame.from_up([0.1, -0.9, -0.3]),
        CanonicalFrame.from_up([0.1, -0.9, -0.3], 1.3, "floor"),
    ],
)
def test_frames_of_all_levels_come_back(frame):
    view = a_view()
    row = through_arrow(encode_view(replace(view, scene=replace(view.scene, frame=frame)), PNG))
    back = decode_view(row).scene.frame
    assert (back.level, back.camera_height, back.support_id) == (frame.level, frame.camera_height, frame.support_id)
    np.testing.assert_allclose(back.rotation(), frame.rotation(), atol=1e-12)


def test_what_is_unknown_stays_unknown():
    view = a_view()
    observation = replace(view.observation, depth=None, up=None, camera_height=None)
    scene = replace(view.scene, observation=observation, gaps=None, contacts=None)
    back = decode_view(through_arrow(encode_view(replace(view, scene=scene, instances=None), PNG)))
    assert back.observation.depth is None and back.observation.up is None and back.observation.camera_height is None
    assert back.instances is None and back.scene.gaps is None and back.scene.contacts is None
    assert all(o.mask is None for o in back.scene.objects)


def test_questions_come_back():
    view = a_view()
    pairs = Questions().generate([view.scene], 30, [4])[0]
    assert len(pairs) == 30
    row = through_arrow({**encode_view(view, PNG), "qa": encode_qa(pairs)})
    assert decode_qa(row) == pairs


def test_jpeg_is_near_and_smaller():
    rng = np.random.default_rng(3)
    ramp = np.stack(
        [np.linspace(a, b, 160 * 120).reshape(120, 160) for a, b in ((20, 200), (90, 60), (230, 10))], axis=2
    )
    rgb = np.clip(ramp + rng.normal(0, 3, ramp.shape), 0, 255).astype(np.uint8)
    near = PictureFormat("jpeg", 95).encode(rgb)
    assert len(near) < len(PNG.encode(rgb))
    error = np.abs(decode_rgb(near).astype(int) - rgb)
    assert 0 < error.mean() < 3  # close, in the right channel order


def test_depth_on_disk_is_millimetres_with_zero_for_invalid():
    import cv2

    depth = np.array([[0.0004, 0.0006, 1.2345], [np.nan, 65.535, 70.0]], dtype=np.float32)
    stored = cv2.imdecode(np.frombuffer(encode_depth(depth), np.uint8), cv2.IMREAD_UNCHANGED)
    assert stored.dtype == np.uint16
    assert stored[0, 0] == 0 and stored[0, 1] == 1 and stored[0, 2] in (1234, 1235)
    assert stored[1].tolist() == [0, 65535, 0]
    assert np.isnan(decode_depth(encode_depth(depth))[1, 2])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda row: row["rgb"].update(bytes=row["rgb"]["bytes"][:40]),
        lambda row: row["camera"].update(fx=0.0),
        lambda row: row["objects"][0].update(box2d=[1.0, 2.0]),
        lambda row: row.pop("frame"),
    ],
)
def test_a_spoilt_row_is_a_dataset_error(spoil):
    row = encode_view(a_view(), PNG)
    spoil(row)
    with pytest.raises(DatasetError):
        decode_view(row)


@pytest.mark.parametrize("bad", [("webp", 90), ("jpeg", 0), ("jpeg", 101)])
def test_picture_formats_are_checked(bad):
    with pytest.raises(ConfigError):
        PictureFormat(*bad)
