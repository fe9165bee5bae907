"""Whole views of simulated scenes: what is said about them must be true of the picture and of the geometry."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from spatialvlm_ros.datasets.views import SceneView, SkippedView, ViewSource
from spatialvlm_ros.errors import DatasetError

pytest.importorskip("mujoco")

from spatialvlm_ros.simulation.gaps import Posed, surface_gap  # noqa: E402
from spatialvlm_ros.simulation.settling import nudged  # noqa: E402
from spatialvlm_ros.simulation.source import SimulatedViews  # noqa: E402
from spatialvlm_ros.simulation.tabletops import arrange_table  # noqa: E402

SMALL = {
    "width": 160,
    "height": 120,
    "views_per_layout": 3,
    "layouts_per_compile": 2,
    "min_visible_pixels": 15,
    "surface_samples": 64,
    "shadow_size": 512,
    "antialiasing": 0,
}


def _source(split: str = "train", seed: int = 0, **changes) -> SimulatedViews:
    return SimulatedViews({**SMALL, **changes}, split=split, data_seed=seed)


def _all_views(source: SimulatedViews, scenes) -> list[SceneView]:
    return [v for i in scenes for v in source.views(i) if isinstance(v, SceneView)]


@pytest.fixture(scope="module")
def tables() -> list[SceneView]:
    return _all_views(_source(room_share=0.0, robot_share=0.5, layouts_per_compile=4), range(4))


@pytest.fixture(scope="module")
def rooms() -> list[SceneView]:
    return _all_views(_source(room_share=1.0), range(2))


@pytest.fixture(scope="module")
def variants() -> list[SceneView]:
    """Views of objects whose shapes and colours differ from those of the pack."""
    return _all_views(_source(room_share=0.0, shape_variation=0.3, color_variation=0.5), range(2))


@pytest.fixture(scope="module")
def views(tables, rooms, variants) -> list[SceneView]:
    return [*tables, *rooms, *variants]


def test_it_is_a_view_source_that_travels() -> None:
    source = _source()
    assert isinstance(source, ViewSource) and len(source) == 1000 and source.name == "simulation"
    first = next(iter(source.views(0)))
    again = next(iter(pickle.loads(pickle.dumps(source)).views(0)))
    assert first.view_id == again.view_id
    with pytest.raises(IndexError):
        next(source.views(1000))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_data_set_of_it_resumes(tmp_path, workers) -> None:
    """Nothing that drawing leaves behind counts as a setting: the same call finds its shards again."""
    pytest.importorskip("pyarrow")
    from spatialvlm_ros.datasets.engine import generate

    def run(scenes_per_shard: int):
        return generate(
            _source(scenes=2, room_share=0.0),
            None,
            tmp_path,
            scenes_per_shard=scenes_per_shard,
            workers=workers,
            per_view=0,
            show_progress=False,
        )

    first = run(1)
    shards = {path: path.read_bytes() for path in tmp_path.rglob("*.parquet")}
    lost = min(shards)
    lost.unlink()
    assert run(1) == first and len(shards) == 2
    assert {path: path.read_bytes() for path in shards} == shards  # the one that was made again, too
    with pytest.raises(DatasetError, match="scenes_per_shard: 1 -> 2"):
        run(2)


def test_there_are_views_of_both_kinds(tables, rooms) -> None:
    assert len(tables) >= 9 and len(rooms) >= 4
    assert {v.scene.frame.support_id for v in tables} <= {"table", "floor"}
    assert any(o.label == "robot arm" for v in tables for o in v.scene.objects)


def test_observations_are_sound(views) -> None:
    for view in views:
        o = view.observation
        assert o.rgb.dtype == np.uint8 and o.depth.dtype == np.float32
        assert np.nanmin(o.depth) > 0.05
        assert np.isfinite(o.depth[view.instances > 0]).all()
        assert o.up @ o.up == pytest.approx(1)
        assert len(view.scene.objects) >= 2
        assert 20 < o.rgb.mean() < 235


def test_every_number_is_finite(views) -> None:
    for view in views:
        boxes = view.scene.boxes()
        for values in (boxes.centers, boxes.sizes, boxes.rotations, view.scene.gaps):
            assert np.isfinite(values).all()
        assert all(np.isfinite(o.surface).all() and 0 < o.visible_fraction <= 1 for o in view.scene.objects)


def test_boxes_stand_upright_and_are_right_handed(views) -> None:
    for view in views:
        for rotation in view.scene.boxes().rotations:
            np.testing.assert_allclose(rotation[:, 2], view.observation.up, atol=1e-9)
            assert np.linalg.det(rotation) == pytest.approx(1)


def test_visible_points_lie_inside_the_amodal_boxes(views) -> None:
    """Depth, instances, camera and boxes agree: back-projected pixels of an object fill its box and never leave it."""
    for view in views:
        rays = view.observation.camera.pixel_rays()
        for thing in view.scene.objects:
            if thing.label in ("gripper", "robot arm"):  # the box of the gripper is the tool centre region only
                continue
            seen = view.instances == thing.instance_id
            points = rays[seen] * view.observation.depth[seen][:, None].astype(float)
            box = thing.box3d
            own = (points - box.centers[0]) @ box.rotations[0]
            assert (np.abs(own) <= box.sizes[0] / 2 + 1e-3).all(), thing.label


def test_boxes_are_tight_around_the_surface(views) -> None:
    for view in views[::3]:
        for thing in view.scene.objects:
            own = (thing.surface - thing.box3d.centers[0]) @ thing.box3d.rotations[0]
            if thing.label == "gripper":
                continue
            assert (np.abs(own) <= thing.box3d.sizes[0] / 2 + 1e-6).all()
            assert (np.ptp(own, axis=0) > 0.5 * thing.box3d.sizes[0]).all(), thing.label


def test_masks_and_2d_boxes_are_those_of_the_instances(views) -> None:
    for view in views:
        ids = set(np.unique(view.instances)) - {0}
        assert ids == {o.instance_id for o in view.scene.objects}
        for thing in view.scene.objects:
            rows, columns = np.nonzero(thing.mask)
            expected = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert thing.box2d.tolist() == expected
            assert thing.mask.sum() >= SMALL["min_visible_pixels"]
            assert (thing.mask == (view.instances == thing.instance_id)).all()


def test_camera_heights_count_from_the_plane_under_each_object(tables) -> None:
    for view in tables:
        up = view.observation.up
        for thing in view.scene.objects:
            if thing.support_id == "table" and thing.label not in ("gripper", "robot arm"):
                assert _bottom(thing, up) + thing.camera_height > -1e-6  # nothing hangs below its plane
        table = next((o for o in view.scene.objects if o.label == "table"), None)
        if table is None:
            continue
        assert _bottom(table, up) + table.camera_height == pytest.approx(0, abs=1e-6)
        top = float(table.box3d.top_along(up)[0]) + table.camera_height
        above = {round(table.camera_height - o.camera_height, 9) for o in view.scene.objects if o.support_id == "table"}
        assert all(height == pytest.approx(top, abs=1e-6) for height in above)


def _bottom(thing, up) -> float:
    return float(thing.box3d.bottom_along(up)[0])


def test_what_stands_on_a_table_touches_it_and_nothing_sinks_in(tables) -> None:
    counted = 0
    for view in tables:
        objects = view.scene.objects
        table = next((k for k, o in enumerate(objects) if o.label == "table"), None)
        if table is None:
            continue
        for k, thing in enumerate(objects):
            if thing.label in ("table", "gripper", "robot arm"):
                continue
            bottom = _bottom(thing, view.observation.up) + thing.camera_height
            assert bottom > -0.002
            if bottom < 1e-6:
                counted += 1
                assert view.scene.gaps[k, table] == 0
                assert (min(k, table), max(k, table)) in view.scene.contacts
    assert counted > 10


@pytest.mark.parametrize("room_share", [0.0, 1.0])
def test_supports_are_touched_and_nothing_else_is_cut(room_share: float) -> None:
    source = _source(room_share=room_share, layouts_per_compile=5)
    carried = 0
    for scene in range(5):
        compiled = source._compile(0)
        layout, truth = source._lay_out(compiled, np.random.default_rng(scene))
        for k, placed in enumerate(layout.placed):
            if placed.on is not None:
                carried += 1
                assert truth.gaps[k, placed.on] == 0
                low = placed.posed.to_world(placed.prop.solid.outer_points)[:, 2].min()
                assert low > layout.placed[placed.on].position[2] - 1e-6
            elif placed.prop.item.kind != "mounted":
                assert placed.position[2] == pytest.approx(truth.planes[placed.plane])
            for j in range(k):
                touching = truth.gaps[k, j] == 0
                neighbours = placed.on == layout.placed[j].on  # pushed together, or in the same container
                assert not touching or j == placed.on or neighbours
    assert carried >= 3


def test_penetration_stays_below_two_millimetres() -> None:
    """Lifted by 2 mm, nothing cuts what carries it any more."""
    source = _source(room_share=0.0, layouts_per_compile=6)
    inside = 0
    for scene in range(6):
        layout, _ = source._lay_out(source._compile(0), np.random.default_rng(scene))
        for placed in layout.placed:
            if placed.on is None:
                continue
            inside += placed.inside
            lifted = Posed(placed.prop.solid, placed.posed.rotation, placed.position + [0, 0, 0.002])
            assert surface_gap(lifted, layout.placed[placed.on].posed) > 0
    assert inside >= 2


def test_neighbours_are_pushed_together_without_cutting() -> None:
    source = _source(room_share=0.0, robot_share=0.0)
    compiled, touching = source._compile(0), 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        before = arrange_table(compiled.props, source.split.layouts, 4, rng)
        after = nudged(before, rng)
        moved = [k for k, p in enumerate(after.placed) if p is not before.placed[k]]
        assert len(moved) <= 1
        for k in moved:
            gaps = [surface_gap(after.placed[k].posed, p.posed) for j, p in enumerate(after.placed) if j != k]
            assert 0 < min(gaps) < 0.001
            assert after.placed[k].position[2] == before.placed[k].position[2]
            touching += 1
    assert touching >= 3


def test_a_scene_does_not_depend_on_what_was_drawn_before() -> None:
    alone = list(_source(views_per_layout=2).views(7))
    source = _source(views_per_layout=2)
    for before in (0, 3, 6):
        list(source.views(before))
    for a, b in zip(alone, source.views(7), strict=True):
        assert type(a) is type(b) and a.view_id == b.view_id
        if isinstance(a, SkippedView):
            continue
        np.testing.assert_array_equal(a.observation.rgb, b.observation.rgb)
        np.testing.assert_array_equal(a.observation.depth, b.observation.depth)
        np.testing.assert_array_equal(a.instances, b.instances)
        np.testing.assert_array_equal(a.scene.gaps, b.scene.gaps)
        np.testing.assert_array_equal(a.scene.boxes().centers, b.scene.boxes().centers)


def test_another_data_seed_is_another_scene() -> None:
    a, b = (next(iter(_source(seed=s).views(0))) for s in (0, 1))
    assert a.seed != b.seed and a.view_id != b.view_id
    assert a.observation.rgb.shape != b.observation.rgb.shape or (a.observation.rgb != b.observation.rgb).any()


def test_objects_differ_in_size_between_compiled_sets() -> None:
    sizes = [p.scale for k in range(3) for p in _source(room_share=0.0)._compile(k).props]
    factors = np.array(sizes)
    assert 0.9 <= factors.min() < 0.93 and 1.07 < factors.max() <= 1.1
    uniform = np.ptp(factors, axis=1) < 1e-12
    assert 0.25 < uniform.mean() < 0.75


def test_new_light_and_noise_has_holes_and_new_cameras_has_other_lenses() -> None:
    noisy = _all_views(_source("new_light_and_noise", room_share=0.0), range(1))
    assert any(np.isnan(v.observation.depth[v.instances > 0]).any() for v in noisy)
    for view in _all_views(_source("new_cameras"), range(1)):
        hfov = np.degrees(view.observation.camera.hfov())
        assert 40 <= hfov <= 44 or 83 <= hfov <= 90
        assert view.observation.rgb.shape[:2] in ((90, 160), (128, 160))
    for view in _all_views(_source("train"), range(1)):
        assert 45 <= np.degrees(view.observation.camera.hfov()) <= 82
        assert view.split == "train"
