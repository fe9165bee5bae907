"""Recordings as training views: boxes, depth and cameras shrink together, and fine-tuning on them runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow")

from spatialvlm_ros.cli.main import main  # noqa: E402
from spatialvlm_ros.datasets.engine import generate  # noqa: E402
from spatialvlm_ros.datasets.questions import Questions  # noqa: E402
from spatialvlm_ros.datasets.reader import open_dataset  # noqa: E402
from spatialvlm_ros.datasets.synthetic import SyntheticViews  # noqa: E402
from spatialvlm_ros.datasets.views import SceneView, SkippedView  # noqa: E402
from spatialvlm_ros.errors import DatasetError, TrainingError  # noqa: E402
from spatialvlm_ros.models.calibration_views import calibration_views  # noqa: E402
from spatialvlm_ros.scenes.scene import Scene  # noqa: E402
from spatialvlm_ros.shared_files import shared_file  # noqa: E402
from spatialvlm_ros.training.from_dataset import store_dataset  # noqa: E402
from spatialvlm_ros.training.lora.records import read_records  # noqa: E402
from spatialvlm_ros.training.view_store import StoredView, read_scene  # noqa: E402


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    source = SyntheticViews(scenes=20, views_per_scene=2, width=400, height=240, name="recorded")
    generate(source, Questions(), folder, workers=0, per_view=2, show_progress=False)
    return folder


def test_pictures_shrink_with_their_truth(dataset: Path, tmp_path: Path) -> None:
    train, validate = store_dataset(dataset, tmp_path)
    views = [v for p in sorted(Path(train.folder).rglob("*.npz")) for v in read_scene(p)]
    held = [v for p in sorted(Path(validate.folder).rglob("*.npz")) for v in read_scene(p)]
    originals = {view.view_id: view for view, _ in open_dataset(dataset).views()}
    assert len(views) + len(held) == len(originals) and not {v.view_id for v in views} & {v.view_id for v in held}
    checked = 0
    for view in views:
        before = originals[view.view_id]
        assert (view.camera.width, view.camera.height) == (320, 192)
        centers = view.scene.boxes().centers
        np.testing.assert_allclose(centers, before.scene.boxes().centers)
        small = view.camera.project(centers)
        large = before.observation.camera.project(centers)
        np.testing.assert_allclose((small + 0.5) * 1.25, large + 0.5, atol=1e-6)
        for thing, original in zip(view.scene.objects, before.scene.objects, strict=True):
            np.testing.assert_allclose(thing.box2d * 1.25, original.box2d, atol=1e-4)
            rows, columns = np.nonzero(view.instances == thing.instance_id)
            if len(rows) > 20:
                checked += 1
                x0, y0, x1, y1 = thing.box2d
                assert columns.min() * 2 + 1 >= x0 - 1 and columns.max() * 2 + 1 <= x1 + 1
                assert rows.min() * 2 + 1 >= y0 - 1 and rows.max() * 2 + 1 <= y1 + 1
    assert checked > 10


class BentViews(SyntheticViews):
    """The synthetic views through a lens with strong barrel distortion."""

    def views(self, scene_index: int) -> Iterator[SceneView | SkippedView]:
        for view in super().views(scene_index):
            yield bent(view) if isinstance(view, SceneView) else view


def bent(view: SceneView) -> SceneView:
    flat = view.observation.camera
    lens = replace(flat, distortion_model="plumb_bob", distortion=(-0.25, 0.03, 0.0, 0.0, 0.0))
    v, u = np.mgrid[0 : flat.height, 0 : flat.width]
    there = np.rint(flat.project(lens.rays(np.column_stack([u.ravel(), v.ravel()])))).astype(int)
    inside = ((there >= 0) & (there < [flat.width, flat.height])).all(axis=1).reshape(u.shape)
    column, row = np.clip(there, 0, [flat.width - 1, flat.height - 1]).T.reshape(2, *u.shape)
    assert view.instances is not None and view.observation.depth is not None
    instances = np.where(inside, view.instances[row, column], 0).astype(np.uint16)
    observation = replace(
        view.observation,
        camera=lens,
        rgb=np.where(inside[..., None], view.observation.rgb[row, column], 0).astype(np.uint8),
        depth=np.where(inside, view.observation.depth[row, column], np.nan).astype(np.float32),
    )
    objects = []
    for thing in view.scene.objects:
        rows, columns = np.nonzero(instances == thing.instance_id)
        if len(rows) > 20:
            box = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
            objects.append(replace(thing, box2d=box, mask=instances == thing.instance_id))
    scene = Scene(observation, tuple(objects), view.scene.frame)
    return replace(view, scene=scene, instances=instances)


def test_pictures_of_a_lens_are_straightened(tmp_path: Path) -> None:
    plain = SyntheticViews(scenes=6, views_per_scene=1, width=320, height=240, seed=5)
    lens = BentViews(**vars(plain))
    generate(lens, Questions(), tmp_path / "data", workers=0, per_view=2, show_progress=False)
    train, _ = store_dataset(tmp_path / "data", tmp_path / "store")
    expected = {v.view_id: v for k in range(6) for v in plain.views(k) if isinstance(v, SceneView)}
    stored = [v for p in Path(train.folder).rglob("*.npz") for v in read_scene(p)]
    assert len(stored) > 3
    moved = []
    for view in stored:
        before = expected[view.view_id]
        assert view.camera == before.observation.camera
        depth = before.observation.depth[2::4, 2::4]  # type: ignore[index]
        known = (view.depth > 0) & np.isfinite(depth)
        # Pixels beside an edge may show the other thing; of all others the depth is that of the plain camera.
        assert known.sum() > 0.9 * (depth > 0).sum()  # the sky has none
        assert np.median(np.abs(view.depth[known] / depth[known] - 1)) < 0.003
        there = {o.instance_id: o for o in before.scene.objects}
        for thing in view.scene.objects:
            original = there[thing.instance_id].box2d
            inside = (original > 1).all() and (original < [318, 238, 318, 238]).all()
            if inside:
                moved.append(np.abs(thing.box2d - original).max())
    assert len(moved) > 5 and np.median(moved) < 2.5 and max(moved) < 8  # a box in a bent picture is not as tight


def test_sizes_of_small_things_are_only_taken_from_exact_sources(tmp_path: Path) -> None:
    def stored(name: str) -> dict[str, list[StoredView]]:
        source = SyntheticViews(scenes=6, views_per_scene=1, width=320, height=240, seed=5, name=name)
        generate(source, Questions(), tmp_path / name, workers=0, per_view=2, show_progress=False)
        train, _ = store_dataset(tmp_path / name, tmp_path / f"{name} store")
        return {p.name: read_scene(p) for p in sorted(Path(train.folder).rglob("*.npz"))}

    small = large = 0
    exact, lifted = stored("synthetic"), stored("recorded")
    assert exact.keys() == lifted.keys()
    for name, views in exact.items():
        for known, measured in zip(views, lifted[name], strict=True):
            for a, b in zip(known.scene.objects, measured.scene.objects, strict=True):
                assert a.box3d is not None and b.box3d is not None and np.isfinite(a.box3d.sizes).all()
                np.testing.assert_array_equal(a.box3d.centers, b.box3d.centers)
                x0, y0, x1, y1 = a.box2d
                is_thin = a.box3d.sizes.min() < 0.02 * np.linalg.norm(a.box3d.centers)
                if is_thin or min(x1 - x0, y1 - y0) < 0.1 * 320:
                    small += 1
                    assert np.isnan(b.box3d.sizes).all()
                else:
                    large += 1
                    np.testing.assert_array_equal(a.box3d.sizes, b.box3d.sizes)
    assert small > 5 and large > 5


def test_stores_of_another_data_set_are_refused(dataset: Path, tmp_path: Path) -> None:
    store_dataset(dataset, tmp_path)
    before = sorted(p.stat().st_mtime_ns for p in tmp_path.rglob("*.npz"))
    store_dataset(dataset, tmp_path)  # again: what is there is kept
    assert sorted(p.stat().st_mtime_ns for p in tmp_path.rglob("*.npz")) == before
    with pytest.raises(TrainingError, match="another data set"):
        store_dataset(dataset, tmp_path, width=160)


def made_with_splits(folder: Path) -> Path:
    """A data set of two splits, 3 scenes each of 2 views."""
    for split in ("train", "calibrate"):
        source = SyntheticViews(scenes=3, views_per_scene=2, width=64, height=48, seed=len(split), split=split)
        generate(source, Questions(), folder, workers=0, per_view=8, split=split, show_progress=False)
    return folder


def stored_ids(store: Path) -> set[str]:
    return {v.view_id for p in store.rglob("*.npz") for v in read_scene(p)}


def test_what_a_data_set_keeps_for_calibration_is_not_trained_on(tmp_path: Path) -> None:
    folder = made_with_splits(tmp_path / "data")
    store_dataset(folder, tmp_path / "store")
    trained = stored_ids(tmp_path / "store")
    assert trained and all("/train/" in view_id for view_id in trained)
    store_dataset(folder, tmp_path / "other", split="calibrate")
    asked = stored_ids(tmp_path / "other")
    assert asked and all("/calibrate/" in view_id for view_id in asked)
    said = [record.record_id for record in read_records(folder)]
    assert said and all("/train/" in record_id for record_id in said)
    assert all("/calibrate/" in r.record_id for r in read_records(folder, split="calibrate"))
    with pytest.raises(DatasetError, match="no such split"):
        store_dataset(folder, tmp_path / "none", split="test")


def test_a_data_set_without_a_training_split_is_used_whole(tmp_path: Path) -> None:
    source = SyntheticViews(scenes=2, views_per_scene=2, width=64, height=48, split="kitchen")
    generate(source, Questions(), tmp_path / "data", workers=0, per_view=8, split="kitchen", show_progress=False)
    store_dataset(tmp_path / "data", tmp_path / "store")
    assert all("/kitchen/" in view_id for view_id in stored_ids(tmp_path / "store"))


def test_the_store_of_a_data_set_that_was_made_anew_is_refused(tmp_path: Path) -> None:
    def made(seed: int) -> None:
        source = SyntheticViews(scenes=3, views_per_scene=2, width=64, height=48, seed=seed)
        generate(source, Questions(), tmp_path / "data", workers=0, per_view=8, show_progress=False)

    made(1)
    views = len(open_dataset(tmp_path / "data"))
    store_dataset(tmp_path / "data", tmp_path / "store")
    shutil.rmtree(tmp_path / "data")
    made(2)
    assert len(open_dataset(tmp_path / "data")) == views
    with pytest.raises(TrainingError, match="another data set"):
        store_dataset(tmp_path / "data", tmp_path / "store")


def test_a_store_from_before_contents_were_kept_is_taken(dataset: Path, tmp_path: Path) -> None:
    store_dataset(dataset, tmp_path)
    for settings in tmp_path.glob("*/store.json"):
        known = json.loads(settings.read_text())
        settings.write_text(json.dumps({name: known[name] for name in ("dataset", "views", "width")}))
    store_dataset(dataset, tmp_path)


def test_a_split_belongs_to_a_data_set(capsys: pytest.CaptureFixture[str]) -> None:
    config = str(shared_file("config/train/finetune.yaml"))
    assert main(["train", "--config", config, "--split", "train"]) == 1
    assert "--data" in capsys.readouterr().err


def test_held_out_views_serve_for_calibration(dataset: Path, tmp_path: Path) -> None:
    """Without depth: metres that were lifted from it would agree with it whatever they are."""
    _, validate = store_dataset(dataset, tmp_path)
    views = list(calibration_views(validate.folder, 100))
    assert len(views) == sum(len(read_scene(p)) for p in Path(validate.folder).rglob("*.npz"))
    assert all(observation.depth is None and scene.objects for observation, scene in views)


@pytest.mark.parametrize(("name", "lifted"), [("synthetic", False), ("recorded", True)])
def test_a_data_set_serves_for_calibration_without_what_was_lifted_from_its_depth(
    tmp_path: Path, name: str, lifted: bool
) -> None:
    source = SyntheticViews(scenes=6, views_per_scene=1, width=320, height=240, seed=5, name=name)
    generate(source, Questions(), tmp_path, workers=0, per_view=2, show_progress=False)
    views = list(calibration_views(str(tmp_path), 100))
    assert len(views) > 3
    assert {observation.depth is None for observation, _ in views} == {lifted}
    small = [o for _, s in views for o in s.objects if np.minimum(*(o.box2d[2:] - o.box2d[:2])) < 0.1 * 320]
    assert len(small) > 5 and all(np.isnan(o.box3d.sizes).all() == lifted for o in small if o.box3d is not None)


def test_a_data_set_without_3d_is_refused(tmp_path: Path, dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from spatialvlm_ros.training import from_dataset

    def flat(view: object) -> object:
        objects = tuple(replace(o, box3d=None) for o in view.scene.objects)  # type: ignore[attr-defined]
        return replace(view, scene=replace(view.scene, objects=objects))  # type: ignore[attr-defined, type-var]

    resized = from_dataset._resized
    monkeypatch.setattr(from_dataset, "_resized", lambda view, width: flat(resized(view, width)))
    with pytest.raises(TrainingError, match="3D"):
        store_dataset(dataset, tmp_path)


def test_the_command_fine_tunes_a_model_on_a_data_set(dataset: Path, tmp_path: Path) -> None:
    from tiny import save_tiny_model

    model = save_tiny_model(tmp_path / "tiny")
    config = tmp_path / "c.yaml"
    config.write_text(
        f"out: {tmp_path / 'out'}\nstart_from: {model}\nweights: {{dense: 0.0}}\n"
        "stages: [{name: finetune, steps: 3, batch: 2, warmup: 1}]\nvalidate_every: 2\nvalidate_batches: 1\n"
    )
    assert main(["train", "--config", str(config), "--data", str(dataset), "--set", "dtype=float32"]) == 0
    marker = json.loads((tmp_path / "out" / "model" / "spatialvlm.json").read_text())
    assert "pillar" in marker["nouns"] and "mug" in marker["nouns"]
    assert marker["shape"] == json.loads((model / "spatialvlm.json").read_text())["shape"]


def test_a_fine_tuned_model_answers_as_far_as_its_recording_reaches(tmp_path: Path) -> None:
    """What it was shown at eight metres and more it must not refuse as out of range."""
    from tiny import save_tiny_model

    source = SyntheticViews(scenes=6, views_per_scene=1, width=320, height=240, name="recorded")
    generate(FarViews(**vars(source)), Questions(), tmp_path / "data", workers=0, per_view=2, show_progress=False)
    start = save_tiny_model(tmp_path / "tiny")
    config = tmp_path / "c.yaml"
    config.write_text(
        f"out: {tmp_path / 'out'}\nstart_from: {start}\nweights: {{dense: 0.0}}\n"
        "stages: [{name: finetune, steps: 1, batch: 2, warmup: 1}]\n"
    )
    assert main(["train", "--config", str(config), "--data", str(tmp_path / "data"), "--set", "dtype=float32"]) == 0
    views = [v for p in (tmp_path / "out" / "store" / "train").rglob("*.npz") for v in read_scene(p)]
    ranges = np.concatenate([np.linalg.norm(v.scene.boxes().centers, axis=1) for v in views])
    low, high = json.loads((tmp_path / "out" / "model" / "spatialvlm.json").read_text())["ranges_m"]
    assert low == 0.3 and 5.0 < np.median(ranges) < high <= ranges.max()


class FarViews(SyntheticViews):
    """The synthetic views six times as large."""

    def views(self, scene_index: int) -> Iterator[SceneView | SkippedView]:
        for view in super().views(scene_index):
            yield enlarged(view, 6.0) if isinstance(view, SceneView) else view


def enlarged(view: SceneView, factor: float) -> SceneView:
    objects = tuple(
        replace(o, box3d=replace(o.box3d, centers=o.box3d.centers * factor, sizes=o.box3d.sizes * factor))
        for o in view.scene.objects
        if o.box3d is not None
    )
    depth = view.observation.depth
    assert depth is not None
    observation = replace(view.observation, depth=depth * np.float32(factor))
    return replace(view, scene=replace(view.scene, observation=observation, objects=objects, gaps=None, contacts=None))
