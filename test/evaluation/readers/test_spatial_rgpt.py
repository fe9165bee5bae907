"""SpatialRGPT-Bench: numbered regions, answers in sentences, success within 25%."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest
from published_files import picture_bytes, rgpt_row, write_lines, write_picture

from spatialvlm_ros.errors import EvaluationError
from spatialvlm_ros.evaluation.readers.masks import decode_rle
from spatialvlm_ros.evaluation.readers.records import ItemKind
from spatialvlm_ros.evaluation.readers.registry import read_benchmark, score_benchmark
from spatialvlm_ros.evaluation.readers.spatial_rgpt import clock_error, clock_hour, named_region, within_tolerance


@pytest.fixture
def bench(tmp_path, rgpt_rows):
    (tmp_path / "SpatialRGPT-Bench_v1.json").write_text(json.dumps(rgpt_rows))
    write_picture(tmp_path / "images" / "a" / "0.png", size=(9, 7))
    return read_benchmark("spatial_rgpt", tmp_path)


def test_items(bench):
    assert not bench.skipped
    far, wide, vertical, direction, left, tall, tall_choice, behind = bench
    assert far.kind is ItemKind.NUMBER and far.metres == pytest.approx(11.4 * 0.3048) and far.split == "quantitative"
    assert wide.metres == pytest.approx(0.7756) and vertical.metres == pytest.approx(0.508)
    assert (direction.answer_value, direction.answer_unit, direction.metres) == (11, "o'clock", None)
    assert left.kind is ItemKind.PREDICATE and left.answer_truth is True and tall.answer_truth is False
    assert tall_choice.kind is ItemKind.CHOICE and tall_choice.choices == ("Region [0]", "Region [1]")
    assert tall_choice.answer_index == 1 and behind.answer_index == 0
    assert far.question == "How far apart are Region [0] and Region [1]?" and far.extra["answer"].endswith("apart.")


def test_regions_are_boxes_clipped_to_the_picture_and_masks(bench):
    first, second = bench.items[0].regions
    assert first.box == (2, 1, 6, 5) and second.box == (0, 0, 9, 7) and second.mask() is None
    expected = np.zeros((7, 9), bool)
    expected[1:5, 2:6] = True
    expected[6, 8] = True
    np.testing.assert_array_equal(first.mask(), expected)


def test_runs_as_numbers_are_the_same_mask():
    columns = np.zeros((7, 9), bool)
    columns[1:5, 2:6] = True
    columns[6, 8] = True
    flat = columns.T.ravel()
    edges = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff([0, *edges, flat.size]).tolist()
    np.testing.assert_array_equal(decode_rle(7, 9, runs), decode_rle(7, 9, "?4300000c0M"))


@pytest.mark.parametrize("counts", ["?43", "?4300000c0Mo", "?4 00", "", [60, 4], [-5, 68], "\u00e9"])
def test_damaged_masks_are_errors(counts):
    with pytest.raises(EvaluationError, match="mask"):
        decode_rle(7, 9, counts)


def test_pictures_in_a_zip_file(tmp_path, rgpt_rows):
    write_lines(tmp_path / "SpatialRGPT-Bench.jsonl", rgpt_rows)
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        archive.writestr("images/a/0.png", picture_bytes((1, 2, 3), (9, 7)))
    bench = read_benchmark("spatial_rgpt", tmp_path)
    assert len(bench) == 8 and list(bench.items[0].images[0].load()[0, 0]) == [1, 2, 3]


def test_damage(tmp_path):
    write_picture(tmp_path / "a" / "0.png", size=(9, 7))
    good = rgpt_row(0, "width_data", "How wide is Region [0]?", "It is 2 m wide.")
    rows = [
        good,
        {**good, "qa_info": None},
        {**good, "qa_info": {"type": "quantitative", "category": "smell"}},
        {**good, "conversations": good["conversations"][:1]},
        {**good, "image_info": {**good["image_info"], "file_path": "b/0.png"}},
        {**good, "image_info": {**good["image_info"], "width": None}},
        {**good, "bbox": [[1, 2, 3]]},
        {**good, "rle": [{"size": [7], "counts": "?"}]},
        {**good, "rle": [{"size": [7, 9], "counts": None}]},
        rgpt_row(1, "width_data", "How wide is Region [0]?", "It is wide."),
        rgpt_row(2, "direction", "Where?", "Over there."),
        rgpt_row(3, "left_predicate", "Is it?", "Region [0]."),
    ]
    write_lines(tmp_path / "SpatialRGPT.jsonl", rows)
    bench = read_benchmark("spatial_rgpt", tmp_path)
    assert len(bench) == 1
    assert bench.skipped == {
        "no qa_info or image_info": 1,
        "unknown category": 1,
        "no conversations": 1,
        "missing image": 1,
        "width is no number": 1,
        "regions cannot be read": 3,
        "answer cannot be read": 3,
    }


def test_hours():
    assert clock_hour("at 2 o'clock") == 2 and clock_hour("the 12 o\u2019clock direction") == 12
    assert clock_hour("not 3 o'clock but 10:00 o'clock") == 10 and clock_hour("13 meters") is None
    assert [clock_error(a, b) for a, b in ((12, 1), (1, 12), (11, 2), (6, 12), (3, 3))] == [1, 1, 3, 6, 0]


def test_a_region_by_name_or_by_grammar():
    options = ("Region [0]", "Region [1]")
    assert named_region("It is Region [1].", options, "tall_choice") == 1
    assert named_region("Region [0] is taller than Region [1].", options, "tall_choice") == 0
    assert named_region("region 1", options, "tall_choice") == 1
    assert named_region("Both.", options, "tall_choice") is None


def test_success_is_within_a_quarter_of_the_truth():
    assert [within_tolerance(p, 2.0) for p in (1.5, 2.0, 2.5)] == [True] * 3
    assert [within_tolerance(p, 2.0) for p in (1.49, 2.51, None)] == [False] * 3


def test_score(bench):
    said = [
        "12 feet",
        "1 meter",
        "I don't know",
        "12 o'clock",
        "Yes.",
        "Yes, it is.",
        "Region [1]",
        "Region [1] is behind",
    ]
    scores = score_benchmark(bench, said)
    assert scores["quantitative"] == 0.5 and scores["qualitative"] == 0.5
    assert scores["quantitative/distance"] == 1 and scores["quantitative/width"] == 0
    assert scores["quantitative/direction"] == 1 and scores["error/direction"] == 1
    assert scores["error/width"] == pytest.approx((1 - 0.7756) / (0.7756 + 1e-4))
    assert "error/vertical_distance" not in scores and scores["quantitative/vertical_distance"] == 0
    assert scores["qualitative/left/right"] == 1 and scores["qualitative/tall/short"] == 0.5
    numbers = score_benchmark(bench, [11.4 * 0.3048, 0.8, 0.5, 11, 0.9, 0.1, 1, 0])
    assert numbers["quantitative"] == 1 and numbers["qualitative"] == 1
    truth = score_benchmark(bench, [item.extra["answer"] for item in bench])
    assert truth["quantitative"] == 1 and truth["qualitative"] == 1
