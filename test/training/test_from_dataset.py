"""Recordings as training views: boxes, depth and cameras shrink together, and fine-tuning on them runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from spatialvlm_ros.cli.main import main
from spatialvlm_ros.errors import TrainingError
from spatialvlm_ros.training.from_dataset import store_dataset
from spatialvlm_ros.training.view_store import read_scene

pytest.importorskip("pyarrow")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from spatialvlm_ros.datasets.engine import generate
    from spatialvlm_ros.datasets.questions import Questions
    from spatialvlm_ros.datasets.synthetic import SyntheticViews

    folder = tmp_path_factory.mktemp("data")
    source = SyntheticViews(scenes=20, views_per_scene=2, width=400, height=240)
    generate(source, Questions(), folder, workers=0, per_view=2, show_progress=False)
    return folder


def test_pictures_shrink_with_their_truth(dataset: Path, tmp_path: Path) -> None:
    from spatialvlm_ros.datasets.reader import open_dataset

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


def test_a_data_set_without_3d_is_refused(tmp_path: Path, dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

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
