"""`spatialvlm finetune`, as a user types it: a data set and a hub model in, an adapter out that measures."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("peft")
pytest.importorskip("accelerate")

from spatialvlm_ros.cli.main import main  # noqa: E402
from spatialvlm_ros.datasets.reader import open_dataset  # noqa: E402
from spatialvlm_ros.models.hub.quantity_tokens import quantity_ids  # noqa: E402
from spatialvlm_ros.models.query import Query  # noqa: E402
from spatialvlm_ros.models.spatial_vlm import SpatialVLM  # noqa: E402
from spatialvlm_ros.training.lora.records import measurement_records, read_records  # noqa: E402
from spatialvlm_ros.training.lora.settings import LoraSettings  # noqa: E402

QUICK = (
    "steps=8",
    "batch_size=1",
    "warmup=1",
    "learning_rate=0.01",
    "rank=4",
    "dtype=float32",
    "device=cpu",
    "turns=2",
)
SETTINGS = [word for setting in QUICK for word in ("--set", setting)]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("views") / "set"
    small = "--source synthetic --workers 0 --set width=64 --set height=48 --set views_per_scene=2".split()
    assert main(["generate", "--out", str(out), *small, "--no-progress", "--views", "4", "--per-view", "12"]) == 0
    return out


@pytest.mark.parametrize("form", ["digits", "tokens"])
def test_an_adapter_is_trained_and_measures(lora_base, dataset, tmp_path, capsys, form):
    base, out = str(lora_base("llava_digits")), tmp_path / "adapter"
    command = ["finetune", base, "--data", str(dataset), "--out", str(out), *SETTINGS, "--no-progress"]
    command += ["--set", f"quantity_tokens={'true' if form == 'tokens' else 'false'}"]
    assert main(command) == 0
    count = len(list(measurement_records(open_dataset(dataset), turns=2)))
    said = capsys.readouterr().out
    assert count > 4 and f"{count} conversations, 8 steps" in said and str(out) in said
    first, last = re.search(r"loss (\d+\.\d+) -> (\d+\.\d+)", said).groups()
    assert float(last) < float(first)
    assert not list(out.glob("*.bin")) and (out / "adapter_model.safetensors").is_file()

    view, _ = next(open_dataset(dataset).views(masks=False))
    query = Query(view.scene.objects[0].label, None, "height")
    values = {}
    for spec in (base, str(out)):
        model = SpatialVLM.from_pretrained(spec, dtype="float32", device="cpu", decimals=1)
        values[spec] = float(model.look(view.observation).readouts([query]).values[0])
        has_tokens = quantity_ids(model.backend.loaded.tokenizer) is not None
        assert has_tokens is (form == "tokens" and spec == str(out))
    assert all(value > 0 for value in values.values()) and values[base] != values[str(out)]
    assert main(command) == 0  # again: nothing to do
    assert f"{count} conversations, 8 steps" in capsys.readouterr().out


def test_exported_conversations_are_mixed_in(lora_base, dataset, tmp_path, capsys):
    assert main(["export", str(dataset), "--out", str(tmp_path / "chat"), "--turns", "2"]) == 0
    chat = tmp_path / "chat" / "train.jsonl"
    lines = chat.read_text(encoding="utf-8").splitlines()
    assert len(read_records(chat)) == len(lines)
    both = ["--data", str(dataset), "--data", str(chat)]
    out = ["--out", str(tmp_path / "adapter"), "--no-progress"]
    assert main(["finetune", str(lora_base("llava")), *both, *out, *SETTINGS]) == 0
    count = len(lines) + len(list(measurement_records(open_dataset(dataset), turns=2)))
    assert f"{count} conversations" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["--set", "stops=3"], "stops"),
        (["--set", "steps=many"], "steps"),
        (["--set", "targets=q_proj"], "targets"),
        (["--data", "nowhere.jsonl"], "nowhere.jsonl"),
        (["--split", "other"], "other"),
    ],
)
def test_mistakes_are_one_line(lora_base, dataset, tmp_path, capsys, changes, words):
    command = ["finetune", str(lora_base("llava")), "--data", str(dataset), "--out", str(tmp_path), "--no-progress"]
    capsys.readouterr()  # making the tiny model, the first time, shows a progress bar
    assert main([*command, *changes]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and words in said


def test_the_embedded_model_has_a_command_of_its_own(dataset, tmp_path, capsys):
    assert main(["finetune", "embedded", "--data", str(dataset), "--out", str(tmp_path)]) == 1
    assert "spatialvlm train --config config/train/finetune.yaml" in capsys.readouterr().err


def test_the_shipped_settings_are_the_defaults_and_complete():
    from spatialvlm_ros.shared_files import read_yaml, shared_file

    assert LoraSettings.load() == LoraSettings()
    written = read_yaml(shared_file("config/train/lora.yaml"))
    assert set(written) == set(LoraSettings().as_dict())
    assert json.loads(json.dumps(LoraSettings().as_dict())) == written
