"""Q-Spatial Bench: units, pictures in files and in tables, damage, success within a factor of two."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from published_files import picture_bytes, write_lines

from spatialvlm_ros.errors import EvaluationError
from spatialvlm_ros.evaluation.readers.q_spatial import within_factor
from spatialvlm_ros.evaluation.readers.records import ItemKind
from spatialvlm_ros.evaluation.readers.registry import read_benchmark, score_benchmark


def parquet(path, rows):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    kind = arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])
    columns = {key: [r[key] for r in rows] for key in rows[0]}
    columns["image"] = arrow.array(columns["image"], kind)
    parquet.write_table(arrow.table(columns), path)


def test_items_from_json_lines_and_a_picture_folder(tmp_path, q_spatial_rows):
    write_lines(tmp_path / "QSpatial_plus.jsonl", q_spatial_rows)
    bench = read_benchmark("q_spatial", tmp_path)
    assert len(bench) == 4 and not bench.skipped
    first, *_, last = bench
    assert first.kind is ItemKind.NUMBER and first.split == "QSpatial_plus" and first.category == "object_width"
    assert (first.answer_value, first.answer_unit, first.metres) == (96, "cm", pytest.approx(0.96))
    assert [i.metres for i in bench] == pytest.approx([0.96, 1.5, 0.3048, 0.9144])
    assert last.question.endswith("thing 3 and the wall?") and len({i.id for i in bench}) == 4
    picture = last.images[0].load()
    assert picture.shape == (48, 64, 3) and np.abs(picture.astype(int) - [120, 0, 0]).max() < 8


@pytest.mark.parametrize("as_json", ["list", "object", "lines"])
def test_json_in_its_usual_forms(tmp_path, q_spatial_rows, as_json):
    forms = {"list": json.dumps(q_spatial_rows), "object": json.dumps({"data": q_spatial_rows, "version": 1})}
    text = forms.get(as_json) or "\n".join(map(json.dumps, q_spatial_rows))
    (tmp_path / "QSpatial_plus.json").write_text(text)
    assert len(read_benchmark("q_spatial", tmp_path / "QSpatial_plus.json")) == 4


def test_parquet_with_pictures_inside_and_scannet_pictures_outside(tmp_path, q_spatial_rows):
    inside = {"bytes": picture_bytes((0, 0, 250)), "path": "0.png"}
    parquet(tmp_path / "QSpatial_plus-00000-of-00001.parquet", [{**q_spatial_rows[0], "image": inside}])
    parquet(tmp_path / "QSpatial_scannet-00000-of-00001.parquet", q_spatial_rows[1:3])
    bench = read_benchmark("q_spatial", tmp_path)
    assert [i.split for i in bench] == ["QSpatial_plus", "QSpatial_scannet", "QSpatial_scannet"]
    assert list(bench.items[0].images[0].load()[0, 0]) == [0, 0, 250]


def test_shards_of_one_split_do_not_share_ids(tmp_path, q_spatial_rows):
    for number, rows in enumerate((q_spatial_rows[:2], q_spatial_rows[2:])):
        write_lines(tmp_path / f"QSpatial_plus-0000{number}-of-00002.jsonl", rows)
    bench = read_benchmark("q_spatial", tmp_path)
    assert [i.metres for i in bench] == pytest.approx([0.96, 1.5, 0.3048, 0.9144])
    assert len({i.id for i in bench}) == 4 and {i.split for i in bench} == {"QSpatial_plus"}
    assert [i.id for i in bench] == [i.id for i in read_benchmark("q_spatial", tmp_path)]


def test_damage_is_skipped_counted_and_reported(tmp_path, q_spatial_rows, caplog):
    good = q_spatial_rows[0]
    (tmp_path / "images" / "torn.jpg").write_bytes(b"\xff\xd8 no picture")
    rows = [
        good,
        {**good, "image_path": "gone.jpg"},
        {**good, "image_path": "torn.jpg"},
        {**good, "image_path": "../../../../etc/hostname"},
        {**good, "answer_unit": "furlongs"},
        {**good, "answer_unit": None},
        {**good, "answer_value": "far"},
        {**good, "answer_value": float("nan")},
        {**good, "answer_value": 0},
        {**good, "question": " "},
    ]
    write_lines(tmp_path / "QSpatial_plus.jsonl", rows)
    with (tmp_path / "QSpatial_plus.jsonl").open("a") as out:
        out.write('{"question": "cut o\n[1, 2]\n')
    bench = read_benchmark("q_spatial", tmp_path)
    assert len(bench) == 1
    assert bench.skipped == {
        "missing image": 2,
        "damaged image": 1,
        "unknown unit": 2,
        "answer_value is no number": 2,
        "answer_value is not positive": 1,
        "no question": 1,
        "damaged row": 2,
    }
    assert "Q-Spatial Bench: left out" in caplog.text and "unknown unit" in caplog.text


def test_a_picture_that_is_cut_off_is_an_error_when_it_is_loaded(tmp_path, q_spatial_rows):
    path = tmp_path / "images" / "0.jpg"
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:-1000])
    write_lines(tmp_path / "QSpatial_plus.jsonl", q_spatial_rows[:1])
    (item,) = read_benchmark("q_spatial", tmp_path)
    with pytest.raises(EvaluationError, match="cannot be decoded.*0.jpg"):
        item.images[0].load()


def test_nothing_usable_is_an_error_with_the_reasons(tmp_path, q_spatial_rows):
    write_lines(tmp_path / "QSpatial_plus.jsonl", [{**q_spatial_rows[0], "answer_unit": "elephants"}])
    with pytest.raises(EvaluationError, match="no usable row.*unknown unit: 1"):
        read_benchmark("q_spatial", tmp_path)


def test_success_is_within_a_factor_of_two_strictly():
    assert [within_factor(p, 1.0) for p in (0.51, 1.0, 1.99)] == [True] * 3
    assert [within_factor(p, 1.0) for p in (0.5, 2.0, 0.0, -1.0, None, 40)] == [False] * 6


def test_score(tmp_path, q_spatial_rows):
    write_lines(tmp_path / "QSpatial_plus.jsonl", q_spatial_rows)
    bench = read_benchmark("q_spatial", tmp_path)  # 0.96, 1.5, 0.3048, 0.9144 m
    said = [r"It is \scalar{1} \distance_unit{meter}", "about 4 feet", "I cannot tell", "0.9"]
    scores = score_benchmark(bench, said)
    assert scores["success"] == 0.5 and scores["success/QSpatial_plus"] == 0.5 and scores["success_1.25"] == 0.5
    assert scores["success/object_width"] == 0.5 and scores["success/direct_distance"] == 0.5
    assert score_benchmark(bench, [0.96, 1.5, 0.3048, None])["success"] == 0.75  # numbers are metres
    assert score_benchmark(bench, [None] * 4)["success"] == 0
    with pytest.raises(EvaluationError, match="one prediction for each item"):
        score_benchmark(bench, ["1 m"])
