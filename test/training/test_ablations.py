"""Ablations at toy size: real runs on a real bench that resume, are judged alike, and end in a table."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from stored_scenes import scene_view

from spatialvlm_ros.cli.main import main
from spatialvlm_ros.errors import ConfigError, TrainingError
from spatialvlm_ros.evaluation.bench import Bench
from spatialvlm_ros.evaluation.bench_build import build_bench
from spatialvlm_ros.evaluation.bench_config import BenchConfig
from spatialvlm_ros.evaluation.intervals import wilson
from spatialvlm_ros.models.embedded.backend import EmbeddedBackend
from spatialvlm_ros.models.embedded.folder import read_marker
from spatialvlm_ros.scenes.observation import Observation
from spatialvlm_ros.shared_files import shared_file
from spatialvlm_ros.training import trainer
from spatialvlm_ros.training.ablations import judging
from spatialvlm_ros.training.ablations.judging import BENCH_ROWS, GENERAL, Blindfolded
from spatialvlm_ros.training.ablations.plan import Ablations, merged
from spatialvlm_ros.training.ablations.running import RESULT_FILE, read_result, run_missing
from spatialvlm_ros.training.ablations.table import PART, tables
from spatialvlm_ros.training.augmentation import Augmentation
from spatialvlm_ros.training.feed import Feed
from spatialvlm_ros.training.loader import CELL
from spatialvlm_ros.training.run import train
from spatialvlm_ros.training.view_store import scene_path, write_scene

NOUNS = (("mug", "plate", "bottle"), ("bowl", "vase", "mug"), ("jar", "cup", "tray"))
JOINT = {"name": "joint", "steps": 2, "batch": 2, "warmup": 1}
DENSE = {"name": "dense", "steps": 1, "batch": 2, "warmup": 1, "language": False}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    for k, nouns in enumerate(NOUNS):
        write_scene(scene_path(folder, k), [scene_view(nouns), scene_view(nouns[::-1])])
    return folder


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    pytest.importorskip("mujoco")
    config = BenchConfig.load(
        name="tiny", seed=3, views_per_part=3, splits=["new_scenes", "new_cameras"], out_of_range_every=2,
        least_questions=4, pack=None,
        simulation={"width": 160, "height": 120, "antialiasing": 0, "shadow_size": 0, "min_visible_pixels": 20},
    )  # fmt: skip
    return build_bench(tmp_path_factory.mktemp("bench") / "tiny", config)


def settings(store: Path, bench: Path | str = "no bench") -> dict[str, Any]:
    views = {"folder": str(store), "split": "train", "seed": 0}
    base = {
        "shape": {"width": 160, "height": 112, "vision_widths": [8, 16, 64], "vision_depths": [1, 1, 1], "hidden": 32,
                  "layers": 1, "heads": 2, "kv_heads": 2, "feedforward": 48},
        "train": views, "validate": views, "dtype": "float32",
        "plan": {"objects": 2, "pairs": 1, "relations": 4, "missing": 0.5, "texts": 0, "general": 1.0},
        "stages": [DENSE, JOINT],
    }  # fmt: skip
    groups = {
        "noise": {"title": "Label noise", "variants": {"0": {}, "0.3 m": {"noise": {"metres": 0.3}}}},
        "camera": {
            "splits": ["new_cameras"],
            "variants": {"one camera": {"camera_mode": "canonical"}, "blind": {"blind": True, "stages": [JOINT]}},
        },
    }
    judged = {"bench": str(bench), "views": 4, "queries_per_view": 6, "general_views": 6, "general_questions": 3}
    return {"base": base, "judging": judged, "groups": groups}


def written(content: dict[str, Any], folder: Path) -> Path:
    path = folder / "ablations.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def test_runs_resume_are_not_run_twice_and_end_in_a_table(store: Path, bench: Bench, tmp_path: Path) -> None:
    path = written(settings(store, bench.folder), tmp_path)
    plan = Ablations.load(path)
    runs = plan.runs(tmp_path / "out", [0, 1])
    assert [(r.group, r.seed) for r in runs[:4]] == [("noise", 0), ("noise", 0), ("camera", 0), ("camera", 0)]
    assert "Not measured yet" in tables(plan, runs)

    step, ask = trainer.Trainer._step, judging.ask_bench
    with pytest.MonkeyPatch.context() as patch:  # stopped in the second run's training
        steps = iter(range(4))

        def stopped(self: trainer.Trainer, *args: object) -> None:
            if next(steps, None) is None:
                raise KeyboardInterrupt
            step(self, *args)  # type: ignore[arg-type]

        patch.setattr(trainer.Trainer, "_step", stopped)
        with pytest.raises(KeyboardInterrupt):
            run_missing(runs)
    assert [read_result(r) is not None for r in runs[:2]] == [True, False]
    first = (runs[0].folder / RESULT_FILE).read_bytes()

    with pytest.MonkeyPatch.context() as patch:  # stopped in the second run's judgement, one view before its end

        def cut(model: Any, bench: Bench, views: Any, *args: Any) -> Any:
            ask(model, bench, views[:-1], *args)
            raise KeyboardInterrupt

        patch.setattr(judging, "ask_bench", cut)
        with pytest.raises(KeyboardInterrupt):
            run_missing(runs)
    assert read_result(runs[1]) is None and (runs[1].folder / "answers.jsonl").read_text().count("\n") == 4

    assert run_missing(runs) == len(runs) - 1
    assert (runs[0].folder / RESULT_FILE).read_bytes() == first
    assert not any((r.folder / "train" / "checkpoint").exists() for r in runs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer.Trainer, "_step", None)  # nothing is trained any more
        assert run_missing(runs) == 0

    results = [read_result(r) for r in runs]
    assert all(r is not None and set(r.counts) == {*BENCH_ROWS, GENERAL} for r in results)
    assert read_marker(runs[2].folder / "train" / "model").camera_mode == "canonical"
    views = [json.loads(line)["view_id"] for line in (runs[2].folder / "answers.jsonl").read_text().splitlines()[1:]]
    assert len(views) == 4 and {v.split for v in bench.views if v.view_id in views} == {"new_cameras"}

    page = tmp_path / "page.md"
    page.write_text(f"before\n{PART.begin}\nold\n{PART.end}\nafter\n")
    arguments = ["ablate", "--config", str(path), "--out", str(tmp_path / "out"), "--table", "--write", str(page)]
    assert main(arguments) == 0
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    row = next(line for line in text.splitlines() if line.startswith("| 0.3 m |"))
    of_seeds = [read_result(r) for r in runs if r.variant == "0.3 m"]
    pooled = sum((r.counts["qualitative"] for r in of_seeds[1:]), of_seeds[0].counts["qualitative"])  # type: ignore[union-attr]
    low, high = wilson(pooled.hits, pooled.n)
    each = " / ".join(f"{100 * r.counts['qualitative'].hits / r.counts['qualitative'].n:.1f}" for r in of_seeds)  # type: ignore[union-attr]
    assert f"{100 * pooled.hits / pooled.n:.1f} [{100 * low:.1f}, {100 * high:.1f}]; {each}" in row


def test_tables_of_groups_that_nobody_ran_here_stay_in_the_page(store: Path, bench: Bench, tmp_path: Path) -> None:
    """The shipped page holds hours of measurements; a page with none is written as before."""
    path = written(settings(store, bench.folder), tmp_path)
    plan = Ablations.load(path)
    runs = plan.runs(tmp_path / "out", [0, 1])
    empty = tables(plan, runs)
    measured = empty.replace("Not measured yet.", "| measured elsewhere |", 1)
    page = tmp_path / "page.md"
    page.write_text(f"before\n{PART.begin}\n{measured}{PART.end}\nafter\n")
    old = page.read_bytes()
    write = ["ablate", "--config", str(path), "--out", str(tmp_path / "out"), "--table", "--write", str(page)]
    assert main(write) == 0 and page.read_bytes() == old and empty.count("Not measured yet.") == 2
    page.write_text(f"before\n{PART.begin}\nold\n{PART.end}\nafter\n")
    assert main(write) == 0 and page.read_text() == f"before\n{PART.begin}\n{empty}{PART.end}\nafter\n"


def test_a_blind_model_is_judged_without_pictures(store: Path, tmp_path: Path) -> None:
    plan = Ablations.load(written(settings(store), tmp_path))
    run = next(r for r in plan.runs(tmp_path, [0], ["camera"]) if r.variant == "blind")
    backend = EmbeddedBackend.from_pretrained(train(run.config), dtype="float32")

    class Looks:
        name = "looks"

        def look(self, observation: Observation) -> np.ndarray:
            return backend.locate(backend.encode(observation), ["mug"]).boxes

    bright = scene_view(NOUNS[0]).observation
    dark = replace(bright, rgb=np.zeros_like(bright.rgb))
    assert np.abs(Looks().look(bright) - Looks().look(dark)).max() > 1e-3
    blind = Blindfolded(Looks())
    np.testing.assert_array_equal(blind.look(bright), blind.look(dark))


def test_general_answers_are_judged_as_the_model_says_them(store: Path, tmp_path: Path) -> None:
    content = settings(store)
    content["base"]["plan"] |= {"spatial": 0.0, "general_alone": 6.0}
    content["base"]["stages"] = [{**JOINT, "steps": 120, "batch": 4, "learning_rate": 1e-2, "warmup": 10}]
    content["groups"] = {"one": {"variants": {"one": {}}}}
    run = Ablations.load(written(content, tmp_path)).runs(tmp_path, [0])[0]
    folder = train(run.config)
    backend = EmbeddedBackend.from_pretrained(folder, dtype="float32")
    asked, hits = next(judging._answered(run, folder))
    samples = Feed(store, run.config.shape, CELL, Augmentation.none(), 0).batch(0, 6)
    per_view = iter(asked)
    compared, right = 0, iter(hits)
    rng = np.random.default_rng([0, 6])
    for sample in samples:
        encoded = backend.encode(Observation(sample.pixels, sample.camera))
        for question in judging.general_questions(sample, (), 3, read_marker(folder).nouns, rng):
            assert next(per_view).text == question.text
            hit = next(right)
            if question.box is None:
                compared += 1
                assert (backend.ask(encoded, question.text) == question.answer) is hit
    assert compared > 5 and 0 < sum(hits) < len(hits) and next(per_view, None) is None
    count, frequent = judging._general_counts(run, folder)
    assert (count.hits, count.n) == (sum(hits), len(hits)) and 0 < frequent.hits <= frequent.n == len(hits)


def test_a_variant_changes_what_it_names_and_another_setting_is_another_run(store: Path, tmp_path: Path) -> None:
    assert merged({"a": {"b": 1, "c": [1, 2]}, "d": 3}, {"a": {"c": [4]}}) == {"a": {"b": 1, "c": [4]}, "d": 3}
    content = settings(store)
    here = Ablations.load(written(content, tmp_path)).runs("out", [0], ["noise"])
    plain, noisy = (r.config for r in here)
    assert (plain.noise.metres, noisy.noise.metres) == (0.0, 0.3)
    assert replace(noisy, noise=plain.noise, out="") == replace(plain, out="")
    content["judging"]["views"] = 5
    there = Ablations.load(written(content, tmp_path)).runs("out", [0], ["noise"])
    assert {r.folder for r in here}.isdisjoint(r.folder for r in there)
    assert len({r.folder for r in Ablations.load(tmp_path / "ablations.yaml").runs("out", [0, 1])}) == 8


def test_a_setting_that_says_what_holds_anyway_leaves_a_finished_run_what_it_is(store: Path, tmp_path: Path) -> None:
    content = settings(store)
    before = {r.folder for r in Ablations.load(written(content, tmp_path)).runs("out", [0])}
    # As if they had been added to the code after the runs: defaults of the run, of a stage, and of a part.
    content["base"] |= {"clip": 1.0, "noise": {"share": 0.0}, "stages": [DENSE, {**JOINT, "vision_share": 1.0}]}
    content["groups"]["camera"]["variants"]["blind"]["stages"] = [{**JOINT, "frozen_vision": False}]
    assert {r.folder for r in Ablations.load(written(content, tmp_path)).runs("out", [0])} == before
    content["base"]["stages"] = [DENSE, {**JOINT, "vision_share": 0.5}]
    after = {r.folder for r in Ablations.load(written(content, tmp_path)).runs("out", [0])}
    assert len(after & before) == 1  # the blind one has stages of its own


@pytest.mark.parametrize(
    ("place", "value", "fault"),
    [
        (("groups", "noise", "variants", "0.3 m"), {"stages": [DENSE, {**JOINT, "steps": 9}]}, "unequal steps"),
        (("base", "stages"), [{**JOINT, "minutes": 3.0}], "minutes"),
        (("groups", "noise", "variants", "0.3 m"), {"nose": 1}, "nose"),
        (("groups", "noise", "titel"), "x", "titel"),
        (("judging", "wiews"), 3, "wiews"),
        (("base", "stages"), [{**JOINT, "weights": {"dept": 0}}], "dept"),
    ],
)
def test_a_bad_plan_names_its_fault(store: Path, tmp_path: Path, place: tuple, value: Any, fault: str) -> None:
    content = settings(store)
    there = content
    for name in place[:-1]:
        there = there[name]
    there[place[-1]] = value
    with pytest.raises(ConfigError, match=fault):
        Ablations.load(written(content, tmp_path))


def test_unknown_groups_damaged_results_and_pages_without_a_place_are_named(store: Path, tmp_path: Path) -> None:
    plan = Ablations.load(written(settings(store), tmp_path))
    with pytest.raises(ConfigError, match="nosie"):
        plan.runs(tmp_path, [0], ["nosie"])
    run = plan.runs(tmp_path, [0])[0]
    run.folder.mkdir(parents=True)
    (run.folder / RESULT_FILE).write_text('{"rows": {')
    with pytest.raises(TrainingError, match=RESULT_FILE):
        read_result(run)
    page = tmp_path / "page.md"
    page.write_text("no markers")
    with pytest.raises(ConfigError, match="no place"):
        PART.write(page, "text")


def test_the_shipped_plan_has_the_ablations_of_the_paper() -> None:
    plan = Ablations.load(shared_file("config/ablations.yaml"))
    runs = plan.runs("out", [0, 1])
    assert list(plan.groups) == ["encoder", "noise", "share", "camera"] and len({r.folder for r in runs}) == len(runs)
    frozen = {v: [s.frozen_vision for s in c.stages] for v, c in plan.groups["encoder"].variants.items()}
    assert sorted(map(tuple, frozen.values())) == [(False, False)] * 2 + [(False, True)] * 2
    noise = [(c.noise.metres, c.noise.share) for c in plan.groups["noise"].variants.values()]
    assert noise == [(0.0, 0.0), (0.1, 0.1), (0.2, 0.2), (0.3, 0.3)]
    assert [c.plan.spatial for c in plan.groups["share"].variants.values()] == [0.0, 0.05, 0.5, 1.0]
    camera = plan.groups["camera"]
    assert {c.camera_mode for c in camera.variants.values()} == {"rays", "focal_token", "canonical"}
    assert camera.splits == ("new_cameras",) and [c.blind for c in camera.variants.values()].count(True) == 1
    for name in ("noise", "share"):  # metres come from questions alone
        assert all(
            c.weights.depth == c.weights.range == c.weights.size == 0 for c in plan.groups[name].variants.values()
        )
