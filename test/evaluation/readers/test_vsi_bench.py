"""VSI-Bench: videos in folders and zip files, numbers by mean relative accuracy, choices by letter."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
from published_files import write_lines, write_video

from spatialvlm_ros.errors import EvaluationError
from spatialvlm_ros.evaluation.readers.records import ItemKind
from spatialvlm_ros.evaluation.readers.registry import read_benchmark, score_benchmark
from spatialvlm_ros.evaluation.readers.vsi_bench import mean_relative_accuracy

FOUR = ["A. chair", "B. table", "C. sofa", "D. stove"]


def row(i, kind, truth, options=None, **more):
    return {
        "id": i,
        "dataset": "scannet",
        "scene_name": "scene0001_00",
        "question_type": kind,
        "question": f"Question {i}?",
        "ground_truth": truth,
        "options": options,
        **more,
    }


ROWS = [
    row(0, "object_abs_distance", "2.0"),
    row(1, "object_counting", "4"),
    row(2, "object_size_estimation", "150"),
    row(3, "room_size_estimation", "20"),
    row(4, "object_rel_distance", "C", FOUR),
    row(5, "object_rel_direction_easy", "B", ["A. left", "B. right"]),
    row(6, "object_rel_direction_hard", "A", ["A. front-left", "B. front-right", "C. back-left", "D. back-right"]),
    row(7, "obj_appearance_order", "D", ["A. a, b", "B. b, a", "C. c, a", "D. a, c"]),
]


@pytest.fixture
def folder(tmp_path):
    write_lines(tmp_path / "test.jsonl", ROWS)
    write_video(tmp_path / "scannet" / "scene0001_00.mp4")
    return tmp_path


def test_items(folder):
    bench = read_benchmark("vsi_bench", folder)
    assert len(bench) == 8 and not bench.skipped
    assert [i.answer_unit for i in bench][:4] == ["m", "count", "cm", "m2"]
    assert bench.items[2].metres == 1.5 and bench.items[3].metres is None
    assert bench.items[4].kind is ItemKind.CHOICE and bench.items[4].choices == ("chair", "table", "sofa", "stove")
    assert bench.items[4].answer_index == 2 and bench.items[0].images == () and bench.items[0].split == "scannet"


def test_frames_are_spread_over_the_video(folder):
    frames = read_benchmark("vsi_bench", folder).items[0].video.frames(3)
    assert [f.shape for f in frames] == [(48, 64, 3)] * 3
    np.testing.assert_allclose([f.mean() for f in frames], [10, 130, 230], atol=14)
    assert len(read_benchmark("vsi_bench", folder).items[0].video.frames(500)) == 12


def test_videos_in_a_zip_file(folder):
    video = folder / "scannet" / "scene0001_00.mp4"
    with zipfile.ZipFile(folder / "scannet.zip", "w") as archive:
        archive.write(video, "scannet/scene0001_00.mp4")
    video.unlink()
    bench = read_benchmark("vsi_bench", folder)
    assert len(bench) == 8 and len(bench.items[0].video.frames(4)) == 4


def test_damage(folder):
    good = ROWS[4]
    rows = [
        good,
        {**good, "scene_name": "gone"},
        {**good, "scene_name": "../../scannet/scene0001_00"},
        {**good, "question_type": "object_smell"},
        {**good, "ground_truth": "E"},
        {**good, "options": None},
        {**ROWS[0], "ground_truth": "far"},
        {**good, "dataset": None},
    ]
    write_lines(folder / "test.jsonl", rows)
    bench = read_benchmark("vsi_bench", folder)
    assert len(bench) == 1
    assert bench.skipped == {
        "missing video": 2,
        "unknown question type": 1,
        "answer is none of the choices": 1,
        "no choices": 1,
        "ground_truth is no number": 1,
        "no dataset": 1,
    }


def test_a_damaged_video_is_an_error_when_it_is_decoded(folder):
    (folder / "scannet" / "scene0001_00.mp4").write_bytes(b"no video")
    video = read_benchmark("vsi_bench", folder).items[0].video
    with pytest.raises(EvaluationError, match="cannot be decoded"):
        video.frames(2)
    with pytest.raises(EvaluationError, match="must be positive"):
        video.frames(0)


def test_mean_relative_accuracy():
    assert mean_relative_accuracy(2.0, 2.0) == 1 and mean_relative_accuracy(None, 2.0) == 0
    assert mean_relative_accuracy(3.1, 2.0) == 0  # 55% off: worse than the first threshold allows
    assert mean_relative_accuracy(2.5, 2.0) == pytest.approx(0.6)  # 25% off: thresholds .50 to .75
    assert mean_relative_accuracy(1.56, 2.0) == pytest.approx(0.6)  # 22% off
    assert mean_relative_accuracy(0, 0) == 1 and mean_relative_accuracy(1, 0) == 0


def test_score_weighs_tasks_and_takes_directions_as_one(folder):
    bench = read_benchmark("vsi_bench", folder)
    said = ["2.5", "four", "150 cm", "The room is 20", "C", "A", "A. front-left", "I think (D)"]
    scores = score_benchmark(bench, said)
    assert scores["object_abs_distance"] == pytest.approx(0.6)
    assert scores["object_counting"] == scores["object_size_estimation"] == scores["room_size_estimation"] == 1
    assert (scores["object_rel_direction_easy"], scores["object_rel_direction_hard"]) == (0, 1)
    assert scores["object_rel_direction"] == 0.5
    assert scores["overall"] == pytest.approx((0.6 + 1 + 1 + 1 + 1 + 0.5 + 1) / 7)
    measured = score_benchmark(bench, [2.0, 4, 1.5, 20.0, 2, 1, 0, 3])  # a length is in metres
    assert measured["overall"] == 1
    assert score_benchmark(bench, [None] * 8)["overall"] == 0
    in_metres = score_benchmark(bench, ["200 cm", "4", "1.5 m", "20", "C", "B", "A", "D"])
    assert in_metres["overall"] == 1
