"""What the embedded model does with bad input: an error that names the fault, or an answer with a reason."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file
from tiny import picture, save_tiny_model

from spatialvlm_ros.errors import ModelError, ObservationError, QueryError, RelationError
from spatialvlm_ros.models.embedded.backend import EmbeddedBackend
from spatialvlm_ros.models.estimate import Reason
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.models.spatial_vlm import SpatialVLM
from spatialvlm_ros.models.view import View

SPECIAL_TOKENS = 768


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def view(folder: Path) -> View:
    return SpatialVLM.from_pretrained(str(folder), dtype="float32").look(picture())


# ---- pictures ----


@pytest.mark.parametrize("kind", [np.float32, np.int16, np.uint16, bool])
def test_a_picture_of_another_type_is_refused(kind: type) -> None:
    with pytest.raises(ObservationError, match="uint8"):
        replace(picture(), rgb=picture().rgb.astype(kind))


def test_an_empty_picture_is_refused() -> None:
    with pytest.raises(ObservationError, match="empty"):
        replace(picture(), rgb=np.zeros((0, 200, 3), np.uint8))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("depth", [[1.0] * 200] * 150),
        ("depth", np.ones((150, 200))),
        ("depth", np.ones((150, 200), np.uint16)),
        ("depth", np.ones((75, 100), np.float32)),
        ("up", "down"),
        ("up", (0.0, np.nan, -1.0)),
        ("camera_height", "one metre"),
        ("camera_height", np.inf),
    ],
)
def test_what_comes_with_a_picture_is_checked(name: str, value: object) -> None:
    with pytest.raises(ObservationError, match="depth" if name == "depth" else "up vector|camera height"):
        replace(picture(), **{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("fill", [np.nan, np.inf, 0.0, -1.0])
def test_depth_without_a_valid_pixel_leaves_the_model_alone(folder: Path, view: View, fill: float) -> None:
    model = SpatialVLM.from_pretrained(str(folder), dtype="float32")
    blind = model.look(replace(picture(), depth=np.full((150, 200), fill, np.float32)))
    queries = [Query((40, 30, 120, 110), None, "height"), Query((40, 30, 120, 110), "camera", "distance")]
    for with_depth, without in zip(blind.measure_many(queries), view.measure_many(queries), strict=True):
        assert "depth_sensor" not in {str(s) for s in with_depth.sources}
        if without.valid:
            assert with_depth.value == pytest.approx(without.value, rel=1e-4)


# ---- what is asked ----


@pytest.mark.parametrize("relation", ["teleport", None, 3, [], "Distance "])
def test_an_unknown_relation_is_refused(view: View, relation: object) -> None:
    with pytest.raises(RelationError, match="unknown relation"):
        view.measure("mug", "plate", relation)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        (" ".join(["mug"] * 500), "500 words"),
        ("m" * 5000, "5000 letters"),
        (" ".join(["mu" * 200] * 11 + ["mug"]), "4414 letters"),
        ("", "no name"),
        (None, "a name, a box or a point"),
        (("a", "b", "c", "d"), "numbers"),
        (((1, 2), 3), "numbers"),
        ((1.0, 2.0, 3.0), "four numbers"),
    ],
)
def test_a_name_or_region_that_is_none_is_refused(view: View, name: object, fault: str) -> None:
    for ask in (
        lambda: view.measure(name, "plate"),  # type: ignore[arg-type]
        lambda: view.measure("plate", name) if name is not None else Query(name),  # type: ignore[arg-type]
        lambda: view.locate(name),  # type: ignore[arg-type]
    ):
        with pytest.raises(QueryError, match=fault):
            ask()


def test_a_question_that_is_too_long_is_not_read(view: View) -> None:
    answer = view.ask(" ".join(["Is the mug left of the plate and"] * 500))
    assert not answer.valid and answer.reason is Reason.MODEL_ERROR
    assert "tokens" in answer.detail and "shorter" in answer.detail


def test_no_words_are_no_answer(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = SpatialVLM.from_pretrained(str(folder), dtype="float32")
    end = model.backend.vocabulary["<end>"]  # type: ignore[attr-defined]
    monkeypatch.setattr(EmbeddedBackend, "_next_token", lambda *_: end)
    answer = model.look(picture()).ask("What is this?")
    assert not answer.valid and answer.reason is Reason.MODEL_ERROR and "no words" in answer.detail


def test_a_name_that_cannot_be_written_is_answered_with_a_reason(view: View) -> None:
    estimate = view.measure("\ud800 mug", "plate")
    assert not estimate.valid and estimate.reason is Reason.MODEL_ERROR and estimate.detail


# ---- the folder ----


def without_a_tensor(folder: Path) -> None:
    file = next(folder.glob("*.safetensors"))
    tensors = load_file(file)
    del tensors[next(name for name in sorted(tensors) if name.endswith("embed_tokens.weight"))]
    save_file(tensors, file, metadata={"format": "pt"})


def without_weights(folder: Path) -> None:
    for file in folder.glob("*.safetensors"):
        file.unlink()


def with_other_words(folder: Path) -> None:
    """The same number of tokens, the words in another order: the tokenizer of another run."""
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    words = [word for word, number in content["model"]["vocab"].items() if number >= SPECIAL_TOKENS]
    numbers = [content["model"]["vocab"][word] for word in words]
    content["model"]["vocab"].update(zip(words, numbers[::-1], strict=True))
    path.write_text(json.dumps(content), encoding="utf-8")


def with_other_special_tokens(folder: Path) -> None:
    path = folder / "tokenizer.json"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("<width?>", "<wide?>"), encoding="utf-8")
    marker = folder / "spatialvlm.json"
    content = json.loads(marker.read_text(encoding="utf-8"))
    content.pop("tokenizer", None)  # as folders that are older than this entry
    marker.write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (without_weights, "cannot be loaded"),
        (without_a_tensor, "lack"),
        (with_other_words, "tokenizer"),
        (with_other_special_tokens, "tokenizer"),
    ],
)
def test_weights_or_words_of_another_model_are_refused(
    folder: Path, tmp_path: Path, damage: Callable[[Path], None], fault: str
) -> None:
    there = tmp_path / "m"
    shutil.copytree(folder, there)
    SpatialVLM.from_pretrained(str(there))
    damage(there)
    with pytest.raises(ModelError, match=fault):
        SpatialVLM.from_pretrained(str(there))


# ---- memory ----

_OUT_OF_MEMORY = """
import resource, sys
sys.path.insert(0, {here!r})
from tiny import picture
import torch
from spatialvlm_ros.errors import ModelError
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.models.spatial_vlm import SpatialVLM
torch.set_num_threads(1)
model = SpatialVLM.from_pretrained({folder!r}, dtype="float32")
view = model.look(picture())  # what the first picture needs is there
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (32 << 20), resource.RLIM_INFINITY))
try:
    model.look_many([picture()] * 800)
except ModelError as error:
    print("refused:", error)
queries = [Query((1.0, 1.0, 20.0 + k, 30.0), None, "height") for k in range(3)]
print("goes on:", sum(e.valid or bool(str(e.reason)) for e in view.measure_many(queries)))
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the size of a process is read from /proc")
def test_lack_of_memory_is_an_error_of_ours_and_the_model_goes_on(folder: Path) -> None:
    script = _OUT_OF_MEMORY.format(here=str(Path(__file__).parent), folder=str(folder))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "refused:" in done.stdout and "goes on: 3" in done.stdout
