"""Which backend a specification means, and where its calibration lies."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from spatialvlm_ros.cli.ask import parsed_query
from spatialvlm_ros.cli.main import main
from spatialvlm_ros.errors import CalibrationError, ConfigError, ModelError, QueryError, RelationError
from spatialvlm_ros.models import loading
from spatialvlm_ros.models.calibration import Calibration
from spatialvlm_ros.models.calibration_place import calibration_path
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.models.spatial_vlm import SpatialVLM


@pytest.fixture
def folders(tmp_path):
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "spatialvlm.json").write_text("{}")
    (tmp_path / "theirs").mkdir()
    return tmp_path


def test_the_kinds(folders):
    kinds = {
        "embedded": "embedded",
        str(folders / "ours"): "folder",
        str(folders / "theirs"): "hub folder",
        "Qwen/Qwen2.5-VL-3B-Instruct": "hub",
        "openai:http://localhost:8000/v1#llava": "remote",
    }
    for spec, kind in kinds.items():
        assert loading.find_loader(spec).kind == kind


@pytest.mark.parametrize("spec", ["", "  ", "no such/folder/at all", "a b", 3, None, "embeded", "llava"])
def test_other_specifications_are_refused(spec):
    with pytest.raises(ModelError):
        SpatialVLM.from_pretrained(spec)


def test_calibrations_lie_beside_the_weights_or_in_the_cache(folders, monkeypatch):
    monkeypatch.setenv("SPATIALVLM_CACHE", str(folders / "cache"))

    def path(spec, **of_the_backend):
        return calibration_path(spec, SimpleNamespace(name=spec, **of_the_backend))

    ours = str(folders / "ours")
    assert path(ours, fingerprint="1") == folders / "ours" / "calibration.json"
    assert path(ours, fingerprint="1", way_of_asking="0f") == folders / "ours" / "calibration-0f.json"
    hub, other = (path("org/name", fingerprint=f) for f in ("org/name@1", "org/name@2"))
    assert hub.parent == folders / "cache" / "calibrations" and hub != other and hub.name.startswith("org-name-")
    assert path("org/a-name") != path("org/a_name")  # by the name where there is no fingerprint
    remote = path("openai:http://host:1/v1#a/b?c", fingerprint="f")
    assert remote.parent == hub.parent and "/" not in remote.name and "host" not in remote.name
    assert remote == path("openai:https://elsewhere/v1#a/b?c", fingerprint="f")


def test_a_part_that_is_not_installed_is_named():
    with pytest.raises(ModelError, match="no such kind"):
        loading.resolve("spatialvlm_ros.models.nowhere:Backend.load")


class Fixed:
    """A backend of the registry under test."""

    name, fingerprint = "fixed", "abc"

    @staticmethod
    def load(spec, **options):
        made = Fixed()
        made.spec, made.options = spec, options
        return made


@pytest.fixture
def registered(monkeypatch, folders):
    monkeypatch.setenv("SPATIALVLM_CACHE", str(folders / "cache"))
    loader = loading.Loader("fixed", lambda s: s.startswith("fixed:"), f"{__name__}:Fixed.load")
    monkeypatch.setattr(loading, "resolve", lambda target: Fixed.load)
    monkeypatch.setattr(loading, "LOADERS", [loader, *loading.LOADERS])
    return "fixed:one"


def test_options_reach_the_backend_and_a_calibration_is_found(registered, folders, caplog):
    model = SpatialVLM.from_pretrained(registered, dtype="bf16")
    assert model.backend.options == {"dtype": "bf16"} and model.name == "fixed"
    assert "not calibrated" in caplog.text
    Calibration(model="fixed", fingerprint="abc", views=7).save(calibration_path(registered, Fixed()))
    assert SpatialVLM.from_pretrained(registered).calibration.views == 7
    Calibration(model="else", fingerprint="xyz", views=7).save(calibration_path(registered, Fixed()))
    with pytest.raises(CalibrationError, match="else"):
        SpatialVLM.from_pretrained(registered)
    with pytest.raises(CalibrationError, match="no calibration"):
        SpatialVLM.from_pretrained(registered, calibration=folders / "none.json")


def test_an_option_of_another_kind_of_model_is_named():
    with pytest.raises(ConfigError, match="samples.*Known: .*dtype"):
        SpatialVLM.from_pretrained("embedded", samples=8)


def test_other_weights_have_another_fingerprint(tmp_path):
    assert loading.weights_fingerprint(tmp_path) == ""
    (tmp_path / "model-00001-of-00002.safetensors").write_bytes(b"1" * 100)
    (tmp_path / "model-00002-of-00002.safetensors").write_bytes(b"2" * 100)
    before = loading.weights_fingerprint(tmp_path)
    (tmp_path / "README.md").write_text("words do not matter")
    assert loading.weights_fingerprint(tmp_path) == before
    (tmp_path / "model-00002-of-00002.safetensors").write_bytes(b"2" * 99 + b"3")
    assert loading.weights_fingerprint(tmp_path) != before


def test_measurements_on_the_command_line():
    assert parsed_query("distance:red mug:bowl") == Query("red mug", "bowl", "distance")
    assert parsed_query("height: lamp") == Query("lamp", None, "height")
    assert parsed_query("gap:10,20,30,40:bowl") == Query((10, 20, 30, 40), "bowl", "gap")
    for text in ("distance", "a:b:c:d", "distance::bowl"):
        with pytest.raises(QueryError):
            parsed_query(text)
    with pytest.raises(RelationError, match="teleport"):
        parsed_query("teleport:mug:bowl")


@pytest.mark.parametrize("command", ["ask", "reason"])
@pytest.mark.parametrize(
    "options, message",
    [
        (("--hfov", "400"), "between 5 and 170 degrees"),
        (("--hfov", "1.2"), "not radians: is it 68.8"),
        (("--focal", "1.2"), "in pixels"),
        (("--focal", "0"), "positive"),
    ],
)
def test_a_camera_that_cannot_be_is_refused_before_a_model_is_loaded(tmp_path, capsys, command, options, message):
    picture = tmp_path / "p.png"
    Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(picture)
    assert main([command, str(picture), "How far is the mug?", *options, "--model", str(tmp_path / "none")]) == 1
    assert message in capsys.readouterr().err


def test_the_command_names_what_is_missing(tmp_path, capsys):
    picture = tmp_path / "p.png"
    Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(picture)
    assert main(["ask", str(picture)]) == 1
    assert "nothing is asked" in capsys.readouterr().err
    assert main(["ask", str(picture), "How far is the mug?"]) == 1
    assert "--hfov" in capsys.readouterr().err
    assert main(["ask", str(tmp_path / "none.png"), "Where?", "--hfov", "60"]) == 1
    assert "cannot be read" in capsys.readouterr().err
    picture.write_text(json.dumps({}))
    assert main(["ask", str(picture), "Where?", "--hfov", "60"]) == 1
    assert "cannot be read" in capsys.readouterr().err
