"""Export as chat messages."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from spatialvlm_ros.datasets import reader
from spatialvlm_ros.datasets.chat import _PictureNames, conversations, export_chat
from spatialvlm_ros.datasets.reader import open_dataset
from spatialvlm_ros.errors import ConfigError, DatasetError


def test_every_question_is_in_one_conversation_with_its_picture(dataset_folder, tmp_path):
    dataset = open_dataset(dataset_folder)
    export = export_chat(dataset, tmp_path, turns=4)
    assert (export.pictures, export.questions, export.conversations) == (10, 60, 20)
    lines = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text().splitlines()]
    assert len(lines) == 20
    asked = {}
    for line in lines:
        picture = cv2.imread(str(tmp_path / line["images"][0]))[..., ::-1]
        asked.setdefault(line["id"].split("#")[0], []).append(line)
        roles = [message["role"] for message in line["messages"]]
        assert roles == ["user", "assistant"] * (len(roles) // 2)
        placeholders = [part["type"] for message in line["messages"] for part in message["content"]].count("image")
        assert placeholders == len(line["images"]) == 1
        assert line["messages"][0]["content"][0] == {"type": "image"}
        index = [row["view_id"] for row in dataset.rows(["view_id"])].index(line["id"].split("#")[0])
        np.testing.assert_array_equal(picture, dataset.view(index).observation.rgb)
    for index in range(10):
        texts = [
            part["text"]
            for line in asked[dataset[index]["view_id"]]
            for message in line["messages"]
            for part in message["content"]
            if part["type"] == "text"
        ]
        assert texts == [text for pair in dataset.qa(index) for text in (pair.question, pair.answer)]


def test_a_system_message_comes_first(dataset_folder):
    row = open_dataset(dataset_folder)[0]
    chat = next(conversations(row, "images/a.png", 2, system="Answer in metres."))
    assert chat["messages"][0] == {"role": "system", "content": [{"type": "text", "text": "Answer in metres."}]}
    assert chat["messages"][1]["content"][0] == {"type": "image"}


def test_it_loads_with_datasets(dataset_folder, tmp_path):
    datasets = pytest.importorskip("datasets")
    export_chat(open_dataset(dataset_folder), tmp_path / "chat")
    loaded = datasets.load_dataset(
        "json", data_files=str(tmp_path / "chat" / "train.jsonl"), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert len(loaded) == 10 and loaded[0]["messages"][1]["role"] == "assistant"


def test_view_ids_that_clean_up_to_the_same_name_keep_their_pictures(dataset_folder, tmp_path, monkeypatch):
    dataset = open_dataset(dataset_folder)
    rows = [{**dataset[0], "view_id": "a/b"}, {**dataset[1], "view_id": "a b"}]
    monkeypatch.setattr(type(dataset), "rows", lambda self, columns=None: iter(rows))
    export_chat(dataset, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text().splitlines()]
    assert len({line["images"][0] for line in lines}) == 2


def test_errors(dataset_folder, tmp_path):
    with pytest.raises(ConfigError):
        export_chat(open_dataset(dataset_folder), tmp_path, turns=0)
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="cannot write the export"):
        export_chat(open_dataset(dataset_folder), tmp_path / "file")


def test_only_what_is_exported_is_read(dataset_folder, tmp_path, monkeypatch):
    read = []
    groups = reader._read_group
    monkeypatch.setattr(reader, "_read_group", lambda *of: (read.append(of[2]), groups(*of))[1])
    export_chat(open_dataset(dataset_folder), tmp_path)
    assert read and all(columns is not None and not {"depth", "instances"} & set(columns) for columns in read)


def test_a_thousand_pictures_of_one_name_are_each_tried_once():
    class Counting(set):
        asked = 0

        def __contains__(self, name):
            Counting.asked += 1
            return super().__contains__(name)

    names = _PictureNames()
    names._used = Counting()
    row = {"rgb": {"bytes": b"\x89PNG"}}
    made = [names.of({**row, "view_id": "図"}) for _ in range(1000)]
    assert made[:3] == ["images/view.png", "images/view-1.png", "images/view-2.png"] and len(set(made)) == 1000
    assert Counting.asked < 3 * 1000
