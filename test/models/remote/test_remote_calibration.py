"""A model behind a server is calibrated by what it is asked; its calibration is found however it is spelled."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("httpx")
pytest.importorskip("pyarrow")

from scripted_server import Reply, completion  # noqa: E402

from spatialvlm_ros.cli.main import main  # noqa: E402
from spatialvlm_ros.datasets.engine import generate  # noqa: E402
from spatialvlm_ros.datasets.synthetic import SyntheticViews  # noqa: E402
from spatialvlm_ros.errors import CalibrationError  # noqa: E402
from spatialvlm_ros.models.calibration_place import calibration_path  # noqa: E402
from spatialvlm_ros.models.query import Query  # noqa: E402
from spatialvlm_ros.models.spatial_vlm import SpatialVLM  # noqa: E402

QUERY = Query("mug", "bowl", "distance")


@pytest.fixture(scope="module")
def views(tmp_path_factory):
    folder = tmp_path_factory.mktemp("views")
    source = SyntheticViews(scenes=12, views_per_scene=1, width=112, height=84, split="calibrate")
    generate(source, None, folder, workers=0, per_view=0, split="calibrate", show_progress=False)
    return str(folder)


def answer(request):
    """Half a metre to every length, yes to every question, one box for everything."""
    text = request.text
    said = "[100, 200, 300, 400]" if "JSON" in text else "Yes." if "yes or no" in text else "0.5 m"
    return Reply(completion(*[said] * request.body.get("n", 1)))


@pytest.fixture
def spec(server, views, tmp_path, monkeypatch):
    """The spec of a server whose model was calibrated with two samples."""
    monkeypatch.setenv("SPATIALVLM_CACHE", str(tmp_path))
    server.answer = answer
    spec = f"openai:{server.url}#tiny"
    assert main(["calibrate", spec, views, "--views", "12", "--no-progress", "--set", "samples=2"]) == 0
    return spec


def test_a_calibration_is_found_and_used(spec, observation):
    model = SpatialVLM.from_pretrained(spec, samples=2)
    assert model.calibration.views >= 5
    before = SpatialVLM(model.backend).look(observation).readouts([QUERY])
    after = model.look(observation).readouts([QUERY])
    assert abs(np.log((after.high - after.low) / (before.high - before.low))[0]) > 0.1


@pytest.mark.parametrize("how", ["in the spec", "another pace", "without the path"])
def test_the_spelling_does_not_matter(spec, how):
    spelled = {
        "in the spec": (f"{spec}?samples=2", {}),
        "another pace": (spec, {"samples": 2, "concurrency": 2}),
        "without the path": (spec.replace("/v1#", "#"), {"samples": 2}),
    }
    text, options = spelled[how]
    assert SpatialVLM.from_pretrained(text, **options).calibration.views >= 5


def test_another_server_with_the_same_model_shares_it(spec):
    assert SpatialVLM.from_pretrained("openai:http://localhost:1/v1#tiny", samples=2).calibration.views >= 5


@pytest.mark.parametrize("options", [{"samples": 3}, {"samples": 2, "temperature": 0.1}])
def test_other_options_have_no_calibration_and_refuse_that_one(spec, options, caplog):
    model = SpatialVLM.from_pretrained(spec, **options)
    assert model.calibration.views == 0 and "not calibrated" in caplog.text
    path = calibration_path(spec, SpatialVLM.from_pretrained(spec, samples=2).backend)
    assert path.is_file()
    with pytest.raises(CalibrationError, match="not for"):
        SpatialVLM.from_pretrained(spec, calibration=path, **options)
