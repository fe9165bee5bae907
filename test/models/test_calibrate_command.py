"""`spatialvlm calibrate` on simulated views and on a view store."""

import math
import re

import numpy as np
import pytest

from spatialvlm_ros.cli.main import main
from spatialvlm_ros.errors import CalibrationError
from spatialvlm_ros.models import loading
from spatialvlm_ros.models.backend import Locations, Readings
from spatialvlm_ros.models.calibration import Calibration
from spatialvlm_ros.models.calibration_place import calibration_path
from spatialvlm_ros.models.calibration_views import calibration_views
from spatialvlm_ros.models.quantities import N_BINS, bin_index
from spatialvlm_ros.scenes.relations import RELATIONS

SMALL = {"width": 128, "height": 96, "antialiasing": 0, "shadow_size": 0, "views_per_layout": 3}


class HalfMetre:
    """Says half a metre to everything, and does not locate."""

    name, fingerprint = "half a metre", "half"

    def encode(self, observation):
        assert observation.rgb.dtype == np.uint8
        return observation

    def read(self, encoded, queries):
        bins, p_true = np.full((len(queries), N_BINS), np.nan), np.full(len(queries), np.nan)
        for n, query in enumerate(queries):
            if RELATIONS[query.kind].predicate:
                p_true[n] = 0.5
            else:
                bins[n] = np.eye(N_BINS)[bin_index(0.5)]
        unknown = Locations.unknown(len(queries))
        return Readings(bins, p_true, unknown, unknown)

    def locate(self, encoded, objects):
        return Locations.unknown(len(objects))

    def frame(self, encoded):
        return None

    def ask(self, encoded, question, max_new_tokens=48):
        return "Half a meter."


@pytest.fixture
def model(monkeypatch, tmp_path):
    monkeypatch.setattr(loading, "load_backend", lambda spec, **options: HalfMetre())
    monkeypatch.setenv("SPATIALVLM_CACHE", str(tmp_path))
    return "org/half-metre"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    pytest.importorskip("mujoco")
    from spatialvlm_ros.training.rendering import render_store

    folder = tmp_path_factory.mktemp("store")
    render_store(folder, {**SMALL, "scenes": 4}, split="calibrate", pack=None, processes=1)
    return folder


def test_a_view_store_gives_pictures_with_their_truth(store):
    views = list(calibration_views(str(store), 5))
    assert len(views) == 5
    for observation, scene in views:
        assert observation.rgb.shape == (96, 128, 3) and observation.rgb.std() > 1
        assert observation.up is not None and scene.objects
        item = max(scene.objects, key=lambda o: o.visible_fraction)
        u, v = observation.camera.project(item.box3d.centers)[0]
        x0, y0, x1, y1 = item.box2d
        assert x0 - 20 < u < x1 + 20 and y0 - 20 < v < y1 + 20


def test_the_command_writes_what_the_model_loads(store, model, caplog):
    with caplog.at_level("INFO"):
        assert main(["calibrate", model, str(store), "--views", "8", "--no-progress"]) == 0
    path = calibration_path(model, HalfMetre())
    calibration = Calibration.load(path)
    said = float(re.search(r"scale off by ([+-][0-9]+)%", caplog.text)[1])
    assert said == pytest.approx(100 * (math.exp(calibration.location.range_bias) - 1), abs=1) and said > -100
    assert calibration.views >= 5 and calibration.fingerprint == "half"
    calibration.check("half a metre", "half")
    widths = calibration.length(next(r for r in RELATIONS if r.value == "width"), "monocular")
    assert widths.direct_factor > 2  # a spike on half a metre is no honest distribution


def test_simulated_views_come_with_sensor_depth(model):
    pytest.importorskip("mujoco")
    (observation, scene), *_ = calibration_views("calibrate", 1, SMALL, pack="primitives")
    assert observation.depth is not None and np.isfinite(observation.depth).any()
    assert scene.objects and all(o.box3d is not None for o in scene.objects)


def test_primitives_never_stand_in_for_a_missing_pack(tmp_path, model, capsys, monkeypatch):
    pytest.importorskip("mujoco")
    monkeypatch.setenv("SPATIALVLM_ASSETS", str(tmp_path / "nothing here"))
    assert main(["calibrate", model, "--views", "1", "--no-progress"]) == 1
    assert "nothing here" in capsys.readouterr().err
    out = tmp_path / "calibration.json"
    small = ["--views", "12", "--width", "96", "--out", str(out), "--no-progress"]
    assert main(["calibrate", model, *small, "--pack", "primitives"]) == 0
    assert Calibration.load(out).views >= 5


def test_what_is_missing_is_named(tmp_path, model, capsys):
    (tmp_path / "store.json").write_text("{}")
    with pytest.raises(CalibrationError, match="empty"):
        list(calibration_views(str(tmp_path), 3))
    assert main(["calibrate", model, str(tmp_path), "--views", "0"]) == 1
    assert "at least 1" in capsys.readouterr().err
    assert main(["calibrate", model, "no such split", "--pack", "primitives", "--no-progress"]) == 1
    assert "split" in capsys.readouterr().err
