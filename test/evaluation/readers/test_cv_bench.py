"""CV-Bench-3D: choices, letters, the published accuracy."""

from __future__ import annotations

import pytest
from published_files import cv_row, picture_bytes, write_lines, write_picture

from spatialvlm_ros.errors import EvaluationError
from spatialvlm_ros.evaluation.readers.predictions import read_choice
from spatialvlm_ros.evaluation.readers.records import ItemKind
from spatialvlm_ros.evaluation.readers.registry import READERS, read_benchmark, score_benchmark


@pytest.fixture
def folder(tmp_path):
    rows = [
        cv_row(0, "Depth", ["bed", "lamp"], "(A)"),
        cv_row(1, "Depth", ["desk", "lamp"], "(B)"),
        cv_row(2, "Distance", ["books", "sink"], "(B)"),
        cv_row(3, "Distance", ["door", "sink"], "(A)"),
        {**cv_row(4, "Count", ["1", "2"], "(A)"), "type": "2D", "source": "COCO"},
    ]
    for r in rows:
        write_picture(tmp_path / "img" / r["filename"])
    write_lines(tmp_path / "test.jsonl", rows)
    return tmp_path


def test_items(folder):
    bench = read_benchmark("cv_bench_3d", folder)
    assert len(bench) == 4 and not bench.skipped  # 2D questions belong to the other half
    first = bench.items[0]
    assert first.kind is ItemKind.CHOICE and first.choices == ("bed", "lamp") and first.answer_index == 0
    assert first.category == "Depth" and first.split == "Omni3D Hypersim" and first.extra["bbox"] == [[1, 2, 3, 4]]
    assert first.images[0].load().shape == (48, 64, 3)
    assert len(read_benchmark("cv_bench_3d", folder, limit=2)) == 2


def test_parquet_as_the_hub_holds_it(tmp_path):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = [cv_row(0, "Depth", ["bed", "lamp"], "(A)", image={"bytes": picture_bytes((9, 8, 7)), "path": None})]
    parquet.write_table(arrow.Table.from_pylist(rows), tmp_path / "test_3d.parquet")
    bench = read_benchmark("cv_bench_3d", tmp_path)
    assert list(bench.items[0].images[0].load()[0, 0]) == [9, 8, 7]


def test_the_folder_is_read_by_datasets_as_from_the_hub(tmp_path, folder):
    pytest.importorskip("datasets")
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = [
        cv_row(i, "Depth", ["bed", "lamp"], "(B)", image={"bytes": picture_bytes(), "path": None}) for i in range(3)
    ]
    place = tmp_path / "repository"
    place.mkdir()
    parquet.write_table(arrow.Table.from_pylist(rows), place / "test_3d.parquet")
    (place / "README.md").write_text(
        "---\nconfigs:\n- config_name: 3D\n  data_files:\n  - split: test\n    path: test_3d.parquet\n---\n"
    )
    bench = read_benchmark("cv_bench_3d", f"hub:{place}")
    assert len(bench) == 3 and bench.items[2].answer_index == 1 and bench.items[0].images[0].load().shape == (48, 64, 3)


def test_a_hub_that_cannot_be_reached_is_an_error_with_a_remedy(monkeypatch, tmp_path):
    pytest.importorskip("datasets")
    with pytest.raises(EvaluationError, match="cannot be loaded from the hub.*give the folder"):
        read_benchmark("cv_bench_3d", f"hub:{tmp_path / 'nowhere'}")


def test_damage(folder):
    good = cv_row(0, "Depth", ["bed", "lamp"], "(A)")
    rows = [
        good,
        {**good, "answer": "(C)"},
        {**good, "answer": "bed"},
        {**good, "choices": ["bed"]},
        {**good, "choices": "bed lamp"},
        {**good, "filename": "3D/depth/gone.png"},
        {**good, "type": "4D"},
        {k: v for k, v in good.items() if k != "task"},
    ]
    write_lines(folder / "test.jsonl", rows)
    assert read_benchmark("cv_bench_3d", folder).skipped == {
        "answer is none of the choices": 2,
        "no choices": 2,
        "missing image": 1,
        "unknown type": 1,
        "no task": 1,
    }


def test_score(folder):
    bench = read_benchmark("cv_bench_3d", folder)
    scores = score_benchmark(bench, ["(A)", "lamp", "It is hard to say", 1])
    assert scores["accuracy"] == 0.5 and scores["accuracy/Depth"] == 1 and scores["accuracy/Distance"] == 0
    assert scores["accuracy/Omni3D Hypersim"] == 0.5


@pytest.mark.parametrize(
    ("said", "index"),
    [
        ("B", 1),
        ("(B)", 1),
        ("B.", 1),
        ("(B) the lamp", 1),
        ("B: lamp", 1),
        ("lamp", 1),
        ("Lamp.", 1),
        ("The lamp is closer.", 1),
        ("The answer is (B), not (A).", 1),
        ("Answer: b", 1),
        ("**B**", 1),
        ("<think>A or B? A.</think> B", 1),
        ("Between the two, (B).", 1),
        ("A lamp", 1),  # an article, not the first letter
        ("The bed and the lamp are equally far.", None),
        ("(A) or (B)", 0),
        ("C", None),
        ("", None),
        ("I cannot tell", None),
        ("bedroom", None),
    ],
)
def test_choices_in_text(said, index):
    assert read_choice(said, ("bed", "lamp")) == index


@pytest.mark.parametrize("name", READERS)
def test_no_table_no_benchmark(name, tmp_path):
    with pytest.raises(EvaluationError, match="holds no table"):
        read_benchmark(name, tmp_path)
    with pytest.raises(EvaluationError, match="no such benchmark"):
        read_benchmark(name, tmp_path / "nowhere")
    (tmp_path / "test.jsonl").write_text("")
    with pytest.raises(EvaluationError, match="no usable row.*empty"):
        read_benchmark(name, tmp_path)
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(EvaluationError, match="not a table"):
        read_benchmark(name, tmp_path / "notes.txt")


@pytest.mark.parametrize("suffix", ["json", "parquet"])
def test_a_damaged_table_is_an_error(tmp_path, suffix):
    pytest.importorskip("pyarrow")
    (tmp_path / f"test.{suffix}").write_bytes(b"\x00\x01 nothing")
    with pytest.raises(EvaluationError, match="table of a benchmark is damaged"):
        read_benchmark("cv_bench_3d", tmp_path)


def test_unknown_benchmark(tmp_path):
    with pytest.raises(EvaluationError, match="unknown benchmark.*q_spatial, spatial_rgpt, vsi_bench, cv_bench_3d"):
        read_benchmark("imagenet", tmp_path)
