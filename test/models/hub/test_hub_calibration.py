"""A hub model is calibrated on views with truth; its calibration holds for these weights, asked this way."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow")

from spatialvlm_ros.cli.main import main  # noqa: E402
from spatialvlm_ros.datasets.engine import generate  # noqa: E402
from spatialvlm_ros.datasets.synthetic import SyntheticViews  # noqa: E402
from spatialvlm_ros.errors import CalibrationError  # noqa: E402
from spatialvlm_ros.models.calibration_place import calibration_path  # noqa: E402
from spatialvlm_ros.models.hub.fingerprint import hub_fingerprint, way_of_asking  # noqa: E402
from spatialvlm_ros.models.hub.options import HubOptions  # noqa: E402
from spatialvlm_ros.models.query import Query  # noqa: E402
from spatialvlm_ros.models.spatial_vlm import SpatialVLM  # noqa: E402

ON_CPU = {"dtype": "float32", "device": "cpu"}
QUERIES = [Query("mug", None, "height"), Query("mug", "bowl", "distance")]


@pytest.fixture(scope="module")
def views(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("views")
    source = SyntheticViews(scenes=8, views_per_scene=1, width=112, height=84, split="calibrate")
    generate(source, None, folder, workers=0, per_view=0, split="calibrate", show_progress=False)
    return str(folder)


@pytest.fixture
def llava(hub_folder, tmp_path) -> Path:
    """A folder of its own: a calibration is written into it."""
    return Path(shutil.copytree(hub_folder("llava"), tmp_path / "llava"))


def calibrate(spec, views, *options):
    on_cpu = [word for name, value in ON_CPU.items() for word in ("--set", f"{name}={value}")]
    options = [word for option in options for word in ("--set", option)]
    assert main(["calibrate", str(spec), views, "--views", "8", "--no-progress", *on_cpu, *options]) == 0


def with_other_weights(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    path = next(folder.glob("*.safetensors"))
    save_file({name: 0.9 * w for name, w in load_file(path).items()}, path, {"format": "pt"})


def test_a_calibration_holds_for_these_weights_and_options(llava, views, observation, caplog):
    calibrate(llava, views, "decimals=1")
    model = SpatialVLM.from_pretrained(str(llava), decimals=1, **ON_CPU)
    assert model.calibration.views >= 5
    path = calibration_path(str(llava), model.backend)
    assert path.parent == llava and path.is_file()
    before = SpatialVLM(model.backend).look(observation).readouts(QUERIES)
    after = model.look(observation).readouts(QUERIES)
    assert np.abs(np.log((after.high - after.low) / (before.high - before.low))).max() > 0.1

    caplog.clear()
    otherwise = SpatialVLM.from_pretrained(str(llava), decimals=2, **ON_CPU)
    assert otherwise.calibration.views == 0 and "not calibrated" in caplog.text
    with pytest.raises(CalibrationError, match="not for .* with these weights and options"):
        SpatialVLM.from_pretrained(str(llava), decimals=2, calibration=path, **ON_CPU)

    with_other_weights(llava)
    with pytest.raises(CalibrationError, match="not for"):
        SpatialVLM.from_pretrained(str(llava), decimals=1, **ON_CPU)


def test_a_calibration_of_another_revision_is_refused(llava, views, tmp_path, monkeypatch, caplog):
    """A cache as the hub's own library keeps it, with two commits of one model."""
    constants = pytest.importorskip("huggingface_hub.constants")
    place = tmp_path / "hub" / "models--org--tiny"
    first, second = "1" * 40, "2" * 40
    for commit in (first, second):
        shutil.copytree(llava, place / "snapshots" / commit)
    with_other_weights(place / "snapshots" / second)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text(first)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)  # else parts of the library ask the hub all the same
    monkeypatch.setenv("SPATIALVLM_CACHE", str(tmp_path / "cache"))

    def load(**options):
        return SpatialVLM.from_pretrained("org/tiny", decimals=1, local_files_only=True, **ON_CPU, **options)

    calibrate("org/tiny", views, "decimals=1", "local_files_only=true")
    model = load()
    path = calibration_path("org/tiny", model.backend)
    assert model.calibration.views >= 5 and path.parent == tmp_path / "cache" / "calibrations"
    assert load(revision=first).calibration.views >= 5  # the same commit by another name
    caplog.clear()
    assert load(revision=second).calibration.views == 0 and "not calibrated" in caplog.text
    with pytest.raises(CalibrationError, match="not for"):
        load(revision=second, calibration=path)


def test_what_a_fingerprint_depends_on(llava, tmp_path):
    usual, base = HubOptions(), str(llava)
    same = [replace(usual, batch_size=4), replace(usual, ask_presence=False)]
    other = [replace(usual, decimals=1), replace(usual, quantity_tokens=False), replace(usual, least_mass=0.1)]
    assert {hub_fingerprint([base], o) for o in (usual, *same)} == {hub_fingerprint([base], usual)}
    assert len({hub_fingerprint([base], o) for o in (usual, *other)}) == 4
    assert way_of_asking(usual) == "" and len({way_of_asking(o) for o in other}) == 3
    another = shutil.copytree(llava, tmp_path / "another")
    with_other_weights(another)
    adapter = "org/adapter@1"
    prints = {hub_fingerprint([str(folder), adapter], usual) for folder in (llava, another)}
    assert len({*prints, hub_fingerprint([base], usual)}) == 3
