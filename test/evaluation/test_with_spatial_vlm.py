"""The judge and `SpatialVLM` fit together: a backend that always says the same is judged through the real API."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spatialvlm_ros.errors import EvaluationError
from spatialvlm_ros.evaluation.evaluate import chosen_views, evaluate
from spatialvlm_ros.models.backend import FrameReading, Locations, Readings
from spatialvlm_ros.models.calibration import Calibration, LocationCalibration
from spatialvlm_ros.models.quantities import N_BINS, bin_index, bin_values
from spatialvlm_ros.models.spatial_vlm import SpatialVLM

sys.path.insert(0, str(Path(__file__).parents[1] / "models" / "embedded"))


class Flat:
    """Sees everything, in the middle of the picture, at 1 m; every length is about 1 m, every predicate is true."""

    name = "flat"

    def encode(self, observation):
        return observation

    def read(self, encoded, queries):
        n = len(queries)
        values = bin_values()
        with np.errstate(divide="ignore", invalid="ignore"):
            p = np.exp(-0.5 * (np.log(np.where(values > 0, values, np.nan)) / 0.5) ** 2)
        p = np.nan_to_num(p) / np.nansum(p)
        predicate = np.array([q.unit == "probability" for q in queries])
        lengths = np.where(predicate[:, None], np.nan, np.tile(p, (n, 1)))
        unknown = self.locate(encoded, [None] * n)
        return Readings(lengths, np.where(predicate, 0.7, np.nan), unknown, unknown)

    def locate(self, encoded, objects):
        n = len(objects)
        places = Locations.unknown(n)
        size = np.array([encoded.camera.width, encoded.camera.height])
        box = np.concatenate([0.25 * size, 0.75 * size])
        places.presence[:] = [0.98, 0.01, 0.01]
        places.boxes[:], places.box_stds[:] = box, 2.0
        return places

    def frame(self, encoded):
        return FrameReading(np.array([0.0, -0.9, -np.sqrt(0.19)]), 0.2, 0.0, 0.3)

    def ask(self, encoded, question, max_new_tokens=48):
        return "About 1 meter."


@pytest.mark.parametrize("control", [(), ("no picture",)])
def test_a_flat_model_is_judged(bench, settings, tmp_path, control):
    settings = replace(settings, limit=6, controls=(*control, "median by family"))
    result = evaluate(SpatialVLM(Flat()), bench, tmp_path, settings)
    rows = result["rows"]
    assert result["model"] == "flat"
    assert rows["gives_number"]["value"] > 0.9 and rows["refuses_absent"]["value"] < 0.1
    assert 0.2 < rows["qualitative"]["value"] < 0.8  # balanced labels: always "true" is right half of the time
    assert result["readouts"]["direct"]["rows"]["within_2x"]["value"] == pytest.approx(
        rows["within_2x"]["value"], abs=0.05
    )
    assert np.isfinite(rows["crps_gain"]["value"]) and 0 < rows["coverage"]["value"] <= 1
    assert result["text"]["ask"]["rows"]["gives_number"]["value"] == 1.0
    if control:
        assert result["controls"]["no picture"]["rows"]["within_25"] == rows["within_25"]
        assert not result["against_controls"]["within_25"]["beaten"]


def test_a_model_is_asked_once(bench, settings, tmp_path):
    """Its estimates and its read-outs are of one reading: a server costs by the request, and never says the same."""

    class Counting(Flat):
        def __init__(self):
            self.asked = []

        def read(self, encoded, queries):
            self.asked.append(tuple(queries))
            return super().read(encoded, queries)

    backend = Counting()
    result = evaluate(SpatialVLM(backend), bench, tmp_path, replace(settings, limit=4, text_per_view=0, controls=()))
    assert set(result["readouts"]) == {"direct", "combined"}
    looks = 4 + sum(any(i.zoom != 1 for i in v.items) for v in chosen_views(bench, 4))
    assert len(backend.asked) == looks


def test_the_flat_model_says_one_metre():
    """What the test above rests on."""
    values = bin_values()
    assert values[bin_index(1.0)] == pytest.approx(1.0, rel=0.03) and len(values) == N_BINS


def with_other_weights(folder):
    """Puts other weights into the folder of a model, under the same name."""
    from safetensors.torch import load_file, save_file

    path = next(folder.glob("*.safetensors"))
    weights = {name: 0.5 * w if w.is_floating_point() else w for name, w in load_file(path).items()}
    save_file(weights, path, {"format": "pt"})


def test_answers_of_other_weights_or_another_calibration_are_refused(bench, settings, tmp_path):
    """The folder keeps its name: what lies in it is what counts."""
    pytest.importorskip("transformers")
    from tiny import save_tiny_model

    settings = replace(settings, limit=2, text_per_view=0, controls=())
    folder, out = save_tiny_model(tmp_path / "model"), tmp_path / "out"

    def judged(place):
        return evaluate(SpatialVLM.from_pretrained(str(folder)), bench, place, settings)

    first = judged(out)
    assert set(first["identity"]) == {"weights"} and judged(out) == first
    Calibration(views=9, fingerprint=first["identity"]["weights"]).save(folder)
    with pytest.raises(EvaluationError, match=r"\(calibration\)"):
        judged(out)
    (folder / "calibration.json").unlink()
    with_other_weights(folder)
    with pytest.raises(EvaluationError, match=r"\(weights\)"):
        judged(out)
    second = judged(tmp_path / "other")
    assert second["model"] == first["model"] and second["identity"] != first["identity"]


def test_a_calibration_has_the_same_digest_in_its_file(tmp_path):
    made = Calibration(views=9, location=LocationCalibration(range_bias=1 / 3))
    assert Calibration.load(made.save(tmp_path)).digest() == made.digest() != Calibration(views=9).digest()
