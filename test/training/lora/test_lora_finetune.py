"""LoRA on tiny random models: the loss falls, adapters load again with equal logits, resumed runs equal whole ones."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("peft")
pytest.importorskip("accelerate")

from spatialvlm_ros.errors import ConfigError, ModelError, TrainingError  # noqa: E402
from spatialvlm_ros.geometry.cameras import Camera  # noqa: E402
from spatialvlm_ros.models.hub.backend import HubBackend  # noqa: E402
from spatialvlm_ros.models.hub.loading import HubSource  # noqa: E402
from spatialvlm_ros.models.hub.quantity_tokens import quantity_ids, quantity_token  # noqa: E402
from spatialvlm_ros.models.quantities import N_BINS, bin_index  # noqa: E402
from spatialvlm_ros.models.query import Query  # noqa: E402
from spatialvlm_ros.scenes.observation import Observation  # noqa: E402
from spatialvlm_ros.training.lora.adapting import adapt  # noqa: E402
from spatialvlm_ros.training.lora.finetune import finetune  # noqa: E402
from spatialvlm_ros.training.lora.records import ChatRecord  # noqa: E402
from spatialvlm_ros.training.lora.settings import LoraSettings  # noqa: E402

QUICK = LoraSettings(
    steps=8,
    batch_size=2,
    learning_rate=1e-2,
    warmup=1,
    rank=4,
    alpha=8,
    dropout=0.1,
    dtype="float32",
    device="cpu",
    save_every=3,
)


def changed(**changes):
    return LoraSettings.from_dict({**QUICK.as_dict(), **changes})


def adapter_weights(folder):
    from safetensors.torch import load_file

    return load_file(folder / "adapter_model.safetensors")


@pytest.mark.parametrize("kind", ["llava", "qwen", "paligemma"])
def test_the_loss_falls_and_the_adapter_loads_with_equal_logits(lora_base, colour_records, tmp_path, kind):
    base, out = str(lora_base(kind)), tmp_path / "adapter"
    result = finetune(base, colour_records, out, changed(steps=12, dropout=0.0))
    assert result.step == 12 and len(result.losses) == 12 and result.skipped == {}
    assert np.mean(result.losses[-3:]) < 0.7 * np.mean(result.losses[:3])
    assert not list(out.glob("*.bin")) and not list(out.glob("*.pt"))

    adapted = adapt(HubSource(base, "cpu", "float32"), changed(steps=12, dropout=0.0))
    from safetensors.torch import load_file

    state = load_file(out / "training_state.safetensors")
    with torch.no_grad():
        for name, parameter in adapted.trained().items():
            parameter.copy_(state[f"weight/{name}"])
    loaded = HubBackend.from_pretrained(str(out), dtype="float32", device="cpu", decimals=1)
    picture, question = colour_records[0].image(), "How tall is the mug?"
    inputs = loaded.runner.tensors(loaded.template.inputs(picture, question))
    with torch.no_grad():
        expected = adapted.model.eval()(**inputs).logits
        found = loaded.loaded.model(**inputs).logits
        plain = (
            HubBackend.from_pretrained(base, dtype="float32", device="cpu", decimals=1).loaded.model(**inputs).logits
        )
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert (found - plain).abs().max() > 0.1


def test_a_resumed_run_equals_an_uninterrupted_one(lora_base, colour_records, tmp_path):
    base = str(lora_base("llava"))
    whole = finetune(base, colour_records, tmp_path / "whole", QUICK)

    def stop(step, loss):
        if step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finetune(base, colour_records, tmp_path / "parts", QUICK, progress=stop)
    steps = []
    resumed = finetune(base, colour_records, tmp_path / "parts", QUICK, progress=lambda step, loss: steps.append(step))
    assert steps == [4, 5, 6, 7, 8]  # from the state of step 3
    assert resumed.losses == whole.losses
    expected, found = adapter_weights(tmp_path / "whole"), adapter_weights(tmp_path / "parts")
    assert set(expected) == set(found)
    for name, value in expected.items():
        assert torch.equal(found[name], value), name
    assert finetune(base, colour_records, tmp_path / "parts", QUICK).losses == whole.losses  # nothing left to do


def test_gradients_of_small_batches_add_up(lora_base, colour_records, tmp_path):
    base, still = str(lora_base("llava")), {"steps": 3, "dropout": 0.0}
    one_turn = [ChatRecord(r.record_id, r.picture, r.turns[:1]) for r in colour_records]  # equal numbers of tokens
    large = finetune(base, one_turn, tmp_path / "large", changed(**still))
    small = finetune(base, one_turn, tmp_path / "small", changed(**still, batch_size=1, accumulate=2))
    np.testing.assert_allclose(small.losses, large.losses, rtol=1e-3)


def test_quantity_tokens_are_added_trained_and_read(lora_base, tmp_path, colour_records):
    base, out = str(lora_base("llava_digits")), tmp_path / "tokens"
    near, far = 0.25, 1.5
    camera = Camera(56, 56, 60.0, 60.0, 27.5, 27.5)
    query = Query("mug", None, "height")
    from spatialvlm_ros.models.hub.numbers import NumberGrammar
    from spatialvlm_ros.models.hub.wording import camera_words, query_words

    question = f"{camera_words(camera)} {query_words(query, camera, NumberGrammar(), True)}"
    records = [
        ChatRecord(record.record_id, record.picture, ((question, quantity_token(value)),))
        for record, value in zip(colour_records, (near, far), strict=True)
    ]
    settings = changed(steps=30, dropout=0.0, quantity_tokens=True, save_every=0)
    result = finetune(base, records, out, settings)
    assert result.losses[-1] < 0.3 * result.losses[0]
    backend = HubBackend.from_pretrained(str(out), dtype="float32", device="cpu")
    assert len(quantity_ids(backend.loaded.tokenizer)) == N_BINS
    for record, value in zip(records, (near, far), strict=True):
        rgb = np.asarray(record.image())
        lengths = backend.read(backend.encode(Observation(rgb, camera)), [query]).lengths[0]
        assert lengths.sum() == pytest.approx(1)
        assert int(lengths.argmax()) == int(bin_index(value))


def test_only_lora_and_new_embeddings_are_trained(lora_base):
    plain = adapt(HubSource(str(lora_base("llava")), "cpu", "float32"), QUICK)
    assert plain.new_tokens == () and all("lora_" in name for name in plain.trained())
    assert all("vision" not in name for name in plain.trained())
    tokens = adapt(HubSource(str(lora_base("llava")), "cpu", "float32"), changed(quantity_tokens=True))
    others = [p for name, p in tokens.trained().items() if "lora_" not in name]
    assert {tuple(p.shape) for p in others} == {(N_BINS, 32)}


def test_bad_conversations_are_skipped_and_counted(lora_base, colour_records, tmp_path):
    broken = ChatRecord("broken", b"no picture", (("What?", "A mug."),))
    long = ChatRecord("long", colour_records[0].picture, (("What? " * 300, "A mug."),))
    settings = changed(steps=2, most_tokens=200)
    result = finetune(str(lora_base("llava")), [broken, *colour_records, long], tmp_path / "out", settings)
    assert set(result.skipped) <= {"a picture cannot be read", "a conversation is too long"} and result.skipped
    with pytest.raises(TrainingError, match="not one conversation"):
        finetune(str(lora_base("llava")), [broken], tmp_path / "none", settings)


def test_another_revision_or_other_records_of_equal_number_are_refused(lora_base, colour_records, tmp_path):
    base, out = str(lora_base("llava")), tmp_path / "run"
    first, second = colour_records
    finetune(base, colour_records, out, changed(steps=1), revision="main")
    other_picture = replace(first, picture=second.picture)
    other_answer = replace(first, turns=((first.turns[0][0], "0.35"), *first.turns[1:]))
    for changed_record in (other_picture, other_answer):
        with pytest.raises(TrainingError, match="other settings.*content"):
            finetune(base, [changed_record, second], out, changed(steps=2), revision="main")
    with pytest.raises(TrainingError, match="other settings.*revision"):
        finetune(base, colour_records, out, changed(steps=2), revision="v2")
    assert finetune(base, colour_records, out, changed(steps=2), revision="main").step == 2


def test_an_adapter_on_another_base_has_another_fingerprint(lora_base, colour_records, tmp_path):
    """A calibration of the one says nothing of the other."""
    from safetensors.torch import load_file, save_file

    base, out = lora_base("llava"), tmp_path / "adapter"
    finetune(str(base), colour_records, out, changed(steps=1))
    other = Path(shutil.copytree(base, tmp_path / "other"))
    path = next(other.glob("*.safetensors"))
    save_file({name: 0.9 * w for name, w in load_file(path).items()}, path, {"format": "pt"})

    def fingerprint(folder, **options):
        return HubBackend.from_pretrained(str(folder), dtype="float32", device="cpu", decimals=1, **options).fingerprint

    prints = [fingerprint(out), fingerprint(out, base_model=str(other)), fingerprint(base)]
    assert len(set(prints)) == 3 and fingerprint(out, base_model=str(base)) == prints[0]


def test_a_run_from_before_contents_were_kept_goes_on(lora_base, colour_records, tmp_path):
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    base, path = str(lora_base("llava")), tmp_path / "training_state.safetensors"
    finetune(base, colour_records, tmp_path, changed(steps=1))
    with safe_open(path, framework="pt") as file:
        known = file.metadata()
    run = json.loads(known["run"])
    run["identity"] = {k: v for k, v in run["identity"].items() if k not in ("revision", "content")}
    save_file(load_file(path), path, {**known, "run": json.dumps(run)})
    assert len(finetune(base, colour_records, tmp_path, changed(steps=2)).losses) == 2


def test_faults_are_named(lora_base, colour_records, tmp_path):
    base = str(lora_base("llava"))
    with pytest.raises(TrainingError, match="nothing to train on"):
        finetune(base, [], tmp_path / "a", QUICK)
    with pytest.raises(TrainingError, match="none of the modules"):
        finetune(base, colour_records, tmp_path / "b", changed(targets=["no_such_layer"]))
    with pytest.raises(ModelError):
        finetune(str(tmp_path / "nowhere" / "model"), colour_records, tmp_path / "c", QUICK)
    finetune(base, colour_records, tmp_path / "d", changed(steps=1))
    with pytest.raises(TrainingError, match="other settings.*learning_rate"):
        finetune(base, colour_records, tmp_path / "d", changed(learning_rate=1e-3))
    with pytest.raises(TrainingError, match="of another model or other LoRA settings"):
        finetune(base, colour_records, tmp_path / "d", changed(rank=2))
    (tmp_path / "d" / "training_state.safetensors").write_bytes(b"not this")
    with pytest.raises(TrainingError, match="damaged"):
        finetune(base, colour_records, tmp_path / "d", changed(steps=1))


def test_an_adapter_needs_its_base(lora_base, colour_records, tmp_path):
    finetune(str(lora_base("llava")), colour_records, tmp_path / "out", changed(steps=1))
    config = tmp_path / "out" / "adapter_config.json"
    text = config.read_text()
    config.write_text(text.replace(str(lora_base("llava")), str(tmp_path / "gone" / "base")))
    with pytest.raises(ModelError, match="gone/base"):
        HubBackend.from_pretrained(str(tmp_path / "out"), local_files_only=True)
    again = HubBackend.from_pretrained(str(tmp_path / "out"), base_model=str(lora_base("llava")), decimals=1)
    assert again.name == str(tmp_path / "out")


@pytest.mark.parametrize(
    "wrong",
    [{"steps": 0}, {"rank": 0}, {"dropout": 1.0}, {"learning_rate": 0.0}, {"warmup": -1}, {"targets": []}, {"x": 1}],
)
def test_wrong_settings_are_named(wrong):
    with pytest.raises(ConfigError):
        LoraSettings.from_dict(wrong)
