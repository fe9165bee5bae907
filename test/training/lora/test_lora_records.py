"""From data sets and chat files to labelled tokens: labels on answers alone, questions as they are asked later."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from spatialvlm_ros.datasets.chat import export_chat  # noqa: E402
from spatialvlm_ros.datasets.engine import generate  # noqa: E402
from spatialvlm_ros.datasets.pictures import PictureFormat  # noqa: E402
from spatialvlm_ros.datasets.questions import Questions  # noqa: E402
from spatialvlm_ros.datasets.reader import open_dataset  # noqa: E402
from spatialvlm_ros.datasets.synthetic import SyntheticViews  # noqa: E402
from spatialvlm_ros.errors import ConfigError, DatasetError  # noqa: E402
from spatialvlm_ros.models.hub.loading import (  # noqa: E402
    HubSource,  # noqa: E402
    check_tokenizer,
    load_model,
)
from spatialvlm_ros.models.hub.processors import load_processor  # noqa: E402
from spatialvlm_ros.models.quantities import bin_index, bin_values  # noqa: E402
from spatialvlm_ros.training.lora.encoding import IGNORED, ChatEncoder, collate, single_turns  # noqa: E402
from spatialvlm_ros.training.lora.records import ChatRecord, measurement_records, read_chat  # noqa: E402


@pytest.fixture(scope="module")
def spatial(tmp_path_factory):
    folder = tmp_path_factory.mktemp("views")
    source = SyntheticViews(scenes=3, views_per_scene=2, width=64, height=48)
    generate(
        source,
        Questions(),
        folder,
        scenes_per_shard=3,
        workers=0,
        per_view=12,
        pictures=PictureFormat("png"),
        show_progress=False,
    )
    return open_dataset(folder)


def encoder_of(folder, **settings):
    source = HubSource(str(folder), "cpu", "float32")
    processor = load_processor(*source.located())
    return ChatEncoder(processor, check_tokenizer(str(folder), load_model(source), processor), **settings)


@pytest.mark.parametrize("kind", ["llava", "qwen", "idefics3"])
def test_labels_are_the_answers_and_the_marks_of_their_end(lora_base, colour_records, kind):
    encoder = encoder_of(lora_base(kind))
    record = colour_records[0]
    example = encoder.encode(record)
    ids, labels = example["input_ids"][0], example["labels"][0]
    kept = labels != IGNORED
    assert torch.equal(labels[kept], ids[kept])
    said = encoder.processor.tokenizer.decode(ids[kept])
    assert said == "".join(f"{answer}<|end|>\n" for _, answer in record.turns)
    rest = encoder.processor.tokenizer.decode(ids[~kept])
    assert all(question in rest for question, _ in record.turns)
    assert (ids[kept] != encoder.image_token_id).all()


def test_labels_of_a_model_without_a_chat_template(lora_base, colour_records):
    encoder = encoder_of(lora_base("paligemma"))
    (first, second) = single_turns(colour_records[:1])
    example = encoder.encode(second)
    kept = example["labels"][0] != IGNORED
    assert encoder.processor.tokenizer.decode(example["labels"][0][kept]) == "Yes.<eos>"
    assert (first.turns, second.turns) == ((("How tall is the mug?", "0.25"),), (("Is it red?", "Yes."),))


@pytest.mark.parametrize("kind", ["llava", "qwen"])
def test_a_padded_batch_has_the_loss_of_its_conversations(lora_base, colour_records, kind):
    model = load_model(HubSource(str(lora_base(kind)), "cpu", "float32"))
    encoder = encoder_of(lora_base(kind))
    longer = ChatRecord(
        "long", colour_records[1].picture, (("Where is the mug in the picture?", "On the plate, left."),)
    )
    examples = [encoder.encode(single_turns(colour_records)[0]), encoder.encode(longer)]
    assert examples[0]["input_ids"].shape != examples[1]["input_ids"].shape
    with torch.no_grad():
        alone = [float(model(**e).loss) for e in examples]
        together = float(model(**collate(examples)).loss)
    counts = [int((e["labels"][0, 1:] != IGNORED).sum()) for e in examples]
    assert together == pytest.approx(np.average(alone, weights=counts), rel=1e-3)


def test_exported_conversations_are_read_back(spatial, tmp_path):
    export = export_chat(spatial, tmp_path, turns=5, system="Answer in metres.")
    records = read_chat(export.files[0])
    assert len(records) == export.conversations
    assert sum(len(record.turns) for record in records) == export.questions
    assert records[0].system == "Answer in metres."
    assert records[0].turns[0] == (spatial.qa(0)[0].question, spatial.qa(0)[0].answer)
    np.testing.assert_array_equal(np.asarray(records[0].image()), spatial.view(0).observation.rgb)


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '{"messages": [], "images": ["a.png"]}',
        '{"messages": [{"role": "user", "content": []}], "images": []}',
    ],
)
def test_lines_that_are_no_conversations_are_named(tmp_path, line):
    path = tmp_path / "train.jsonl"
    good = {
        "images": ["a.png"],
        "messages": [{"role": r, "content": [{"type": "text", "text": "x"}]} for r in ("user", "assistant")],
    }
    path.write_text(json.dumps(good) + "\n" + line + "\n")
    with pytest.raises(DatasetError, match="line 2"):
        read_chat(path)
    with pytest.raises(DatasetError, match="cannot read"):
        read_chat(tmp_path / "missing.jsonl")


def test_measurements_are_asked_as_they_are_read_out_with_exact_answers(spatial):
    exact = {round(qa.value, 2) for k in range(len(spatial)) for qa in spatial.qa(k)}
    digits = [turn for record in measurement_records(spatial, "digits") for turn in record.turns]
    tokens = [turn for record in measurement_records(spatial, "tokens") for turn in record.turns]
    assert len(digits) == len(tokens) > 10
    numbers = 0
    for (question, answer), (asked, token) in zip(digits, tokens, strict=True):
        assert question.startswith("The picture is 64 x 48 pixels")
        if "yes or no" in question:
            assert answer == token and answer in ("Yes", "No") and asked == question
            continue
        numbers += 1
        assert any(abs(float(answer) - value) < 0.011 for value in exact)
        middle = bin_values()[int(token.removeprefix("<length ").removesuffix(">"))]
        if abs(float(answer)) > 0.2:
            assert abs(int(bin_index(float(answer))) - int(bin_index(middle))) <= 1
    assert numbers > 3


def test_the_wording_is_that_of_the_backend(spatial):
    from spatialvlm_ros.models.hub import wording
    from spatialvlm_ros.models.hub.numbers import NumberGrammar
    from spatialvlm_ros.models.query import Query
    from spatialvlm_ros.questions.families import FAMILIES

    asked = {turn[0] for record in measurement_records(spatial) for turn in record.turns}
    matched = 0
    for index in range(len(spatial)):
        view, camera = spatial.view(index), spatial.view(index).observation.camera
        names = [thing.label for thing in view.scene.objects]
        for pair in spatial.qa(index):
            family = FAMILIES[pair.family]
            if family.kind.value != "number" or family.objects != 1:
                continue
            query = Query(names[pair.subject], None, family.relation)
            grammar = NumberGrammar(2, signed=family.signed)
            matched += f"{wording.camera_words(camera)} {wording.query_words(query, camera, grammar)}" in asked
    assert matched > 0


def test_labels_that_mean_the_same_name_are_left_out(spatial):
    """A detector writes "Mug" and "mug": no query can tell them apart, and none of them stops the others."""
    row = dict(next(iter(spatial)))
    row["objects"] = [{"label": label} for label in ("Mug", "the mug", "bowl", "tray")]
    asked = [("distance", 0, 1), ("distance", 2, 3), ("distance", 0, 2), ("height", 1, -1), ("height", 3, -1)]
    words = "the Mug, the mug, the bowl and the tray"
    row["qa"] = [
        {"family": f, "subject": s, "reference": r, "question": words, "value": 0.5, "answer": ""} for f, s, r in asked
    ]
    (record,) = measurement_records([row])
    assert len(record.turns) == 2
    assert all("mug" not in question.lower() for question, _ in record.turns)


def test_wrong_forms_are_named(spatial):
    with pytest.raises(ConfigError, match="form"):
        next(measurement_records(spatial, "words"))
    with pytest.raises(ConfigError, match="needs a question"):
        next(measurement_records(spatial, turns=0))
