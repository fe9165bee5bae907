"""A bench is what its name says, is rebuilt the same, and goes on where it stopped."""

import json
import lzma
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from spatialvlm_ros.errors import AssetError, ConfigError, EvaluationError
from spatialvlm_ros.evaluation import bench as bench_module
from spatialvlm_ros.evaluation.bench import BENCH_FILE, TRUTH_FILE, Bench, content_hash, write_bench
from spatialvlm_ros.evaluation.bench_build import build_bench
from spatialvlm_ros.evaluation.bench_config import BenchConfig
from spatialvlm_ros.evaluation.items import ItemKind, TruthView
from spatialvlm_ros.models.query import CAMERA_NAME
from spatialvlm_ros.questions.families import FAMILIES, Kind
from spatialvlm_ros.questions.templates import load_templates
from spatialvlm_ros.questions.uncertainty import Margin
from spatialvlm_ros.scenes.relations import Relation


def copied(bench, tmp_path) -> Bench:
    return Bench.open(shutil.copytree(bench.folder, tmp_path / "copy"))


def all_items(bench, kind):
    return [(v, i) for v in bench.views for i in v.items if i.kind is kind]


def test_parts_have_equal_numbers_of_views(bench, small_config):
    counts = {}
    for view in bench.views:
        counts[view.split, view.setting] = counts.get((view.split, view.setting), 0) + 1
    assert counts == dict.fromkeys(small_config.parts, small_config.views_per_part)


def test_the_default_bench_is_the_one_that_is_asked_for():
    config = BenchConfig.load()
    assert config.views >= 2000 and config.pack == "auto"
    assert set(config.splits) == {"new_scenes", "new_objects", "new_cameras", "new_light_and_noise"}
    assert (config.simulation["width"], config.simulation["height"]) == (640, 480)


def test_named_objects_are_there_once_and_seen_well_enough(bench, small_config):
    for view, item in all_items(bench, ItemKind.MEASURE):
        for name, index in ((item.subject, item.subject_index), (item.reference, item.reference_index)):
            if index < 0:
                continue
            thing = view.objects[index]
            assert name == thing.label and sum(o.label == name for o in view.objects if o.visible > 0.02) == 1
            assert thing.visible >= small_config.least_visible
            x0, y0, x1, y1 = thing.box2d
            assert min(x1 - x0, y1 - y0) >= small_config.least_side * view.camera[0]


def test_values_are_true_of_the_kept_boxes(bench):
    """Distances between centres, and widths to the camera's axis, follow from the objects alone."""
    checked = 0
    for view, item in all_items(bench, ItemKind.MEASURE):
        relation = FAMILIES[item.family].relation
        centers = [
            np.zeros(3) if k == -2 else np.array(view.objects[k].center)
            for k in (item.subject_index, item.reference_index)
            if k != -1
        ]
        if relation is Relation.DISTANCE:
            assert item.value == pytest.approx(np.linalg.norm(centers[0] - centers[1]), abs=3e-4)
            checked += 1
        elif relation in (Relation.ABOVE, Relation.BELOW):
            up = (centers[0] - centers[1]) @ view.up
            assert item.value == pytest.approx(up if relation is Relation.ABOVE else -up, abs=3e-4)
            checked += 1
    assert checked > 15


def test_clear_margins_only_and_both_labels(bench):
    positive = []
    for _, item in all_items(bench, ItemKind.MEASURE):
        if FAMILIES[item.family].kind is not Kind.NUMBER:
            assert abs(item.value) > Margin().tolerance(np.array([item.range_m - 1e-4]))[0] - 1e-4
            positive.append(item.value > 0)
    assert 0.35 < np.mean(positive) < 0.65


def test_questions_have_wordings_that_training_never_uses(bench):
    """Every question has the words of a reserved template around its names, and of no other."""

    def says(template, item) -> bool:
        parts = re.split(r"\{\w+\}", template.text)
        return re.fullmatch(".+?".join(map(re.escape, parts)), item.question, re.IGNORECASE) is not None

    known = load_templates()
    reserved = 0
    items = [item for _, item in all_items(bench, ItemKind.MEASURE)]
    for item in items:
        family = known[item.family]
        used = {t.id for t in family.questions if says(t, item)}
        assert not used or used & family.evaluation, (item.question, used)
        reserved += bool(used)
    assert reserved > 0.9 * len(items)  # the others have verbs that were bent for plural names


def test_absent_names_are_absent_and_ambiguous_ones_are_shared(bench):
    absent, ambiguous = all_items(bench, ItemKind.ABSENT), all_items(bench, ItemKind.AMBIGUOUS)
    assert len(absent) > 20 and len(ambiguous) >= 3
    for view, item in absent:
        labels = {o.label for o in view.objects} | {o.noun for o in view.objects}
        named = {item.subject, item.reference} - {"", CAMERA_NAME}
        assert sum(n not in labels for n in named) == 1
    for view, item in ambiguous:
        names = [{o.label, o.noun} for o in view.objects]
        counts = {n: sum(n in of for of in names) for n in {item.subject, item.reference} - {"", CAMERA_NAME}}
        assert sorted(counts.values())[-1] >= 2


def test_out_of_range_is_seen_through_a_long_lens(bench, small_config):
    far = all_items(bench, ItemKind.OUT_OF_RANGE)
    assert far
    for view, item in far:
        true = np.linalg.norm(view.objects[item.subject_index].center)
        assert item.value == pytest.approx(true * item.zoom, rel=1e-2)
        assert item.value >= small_config.out_of_range_m[0] * 0.99
        observation = bench.observation(view, zoom=item.zoom)
        assert observation.camera.fx == pytest.approx(view.camera[2] * item.zoom)


def test_observations_hold_what_is_given_and_no_more(bench):
    view = bench.views[0]
    bare, full = bench.observation(view), bench.observation(view, ("depth", "up", "camera_height"))
    assert (bare.depth, bare.up, bare.camera_height) == (None, None, None)
    assert full.depth is not None and np.nanmedian(full.depth) > 0.2
    assert full.camera_height == pytest.approx(view.camera_height)
    with pytest.raises(ConfigError, match="cannot be given"):
        bench.observation(view, ("answers",))


def test_depth_is_kept_to_the_millimetre_and_invalid_pixels_stay_invalid(tmp_path):
    depth = np.array([[0.5004, np.nan, 1.2345], [65.0, 70.0, 0.0]], np.float32)
    bench_module.write_picture(tmp_path, "p", np.zeros((2, 3, 3), np.uint8), depth)
    view = TruthView("v", "s", "a", "room", "p", (3, 2, 5, 5, 1, 1), (0, -1, 0), None, (), ())
    read = Bench(tmp_path, "n", "", {}, (view,), False).depth(view)
    assert np.allclose(read, [[0.5, np.nan, 1.234], [65.0, np.nan, np.nan]], atol=6e-4, equal_nan=True)


def test_truth_survives_its_file(bench):
    for view in bench.views:
        assert TruthView.from_json(json.loads(json.dumps(view.to_json()))).to_json() == view.to_json()


def test_building_again_in_pieces_gives_the_same_bench(bench, small_config, tmp_path):
    folder = shutil.copytree(bench.folder, tmp_path / "resumed")
    files = sorted((folder / "scenes").rglob("*.json"))
    files[0].unlink()  # interrupted before it
    files[1].write_text("[{", encoding="utf-8")  # cut off
    (folder / f"{bench.views[-1].picture}.jpg").unlink()
    (folder / BENCH_FILE).unlink()
    again = build_bench(folder, small_config)
    assert (again.sha256, again.name) == (bench.sha256, bench.name)
    assert (again.rgb(bench.views[-1]) == bench.rgb(bench.views[-1])).all()


def test_pictures_for_a_given_truth(bench, small_config, tmp_path):
    """Elsewhere, single pixels differ; the truth that is handed over decides."""
    moved = [replace(v, items=v.items[:5]) for v in bench.views]
    folder = tmp_path / "given"
    folder.mkdir()
    write_bench(folder, "t", {}, moved)
    small = replace(small_config, views_per_part=2)
    kept = [v for part in small.parts for v in [m for m in moved if (m.split, m.setting) == part][:2]]
    write_bench(folder, "t", {}, kept)
    built = build_bench(tmp_path / "built", small, truth=folder / TRUTH_FILE)
    assert [v.to_json() for v in built.views] == [v.to_json() for v in kept]
    with pytest.raises(EvaluationError, match="--views-per-part 2"):
        build_bench(tmp_path / "larger", replace(small, views_per_part=3), truth=folder / TRUTH_FILE)
    assert not (tmp_path / "larger").exists()
    wrong = [replace(v, camera=(*v.camera[:2], v.camera[2] * 1.1, *v.camera[3:])) for v in kept]
    write_bench(folder, "t", {}, wrong)
    with pytest.raises(EvaluationError, match="another scene"):
        build_bench(tmp_path / "other", small, truth=folder / TRUTH_FILE)


@pytest.mark.parametrize("change", ["value", "question", "drop", "config"])
def test_a_changed_bench_is_refused(bench, tmp_path, change):
    copy = copied(bench, tmp_path)
    views, config = list(copy.views), dict(copy.config)
    if change == "value":
        items = list(views[3].items)
        items[0] = replace(items[0], value=items[0].value + 0.001)
        views[3] = views[3].with_items(items)
    elif change == "question":
        views[0] = views[0].with_items([replace(views[0].items[0], question="How far?"), *views[0].items[1:]])
    elif change == "drop":
        views = views[:-1]
    else:
        config["seed"] = 4
        head = json.loads((copy.folder / BENCH_FILE).read_text())
        (copy.folder / BENCH_FILE).write_text(json.dumps({**head, "config": config}))
    lines = "".join(json.dumps(v.to_json()) + "\n" for v in views)
    (copy.folder / TRUTH_FILE).write_bytes(lzma.compress(lines.encode()))
    with pytest.raises(EvaluationError, match="changed") as error:
        Bench.open(copy.folder)
    assert bench.name in str(error.value)


def test_a_name_that_was_given_to_another_content_is_refused(bench, tmp_path, monkeypatch):
    shelf = tmp_path / "config" / "bench"
    shelf.mkdir(parents=True)
    entry = json.loads((bench.folder / f"{bench.name}.json").read_text())
    file = shelf / f"{bench.name}.json"
    monkeypatch.setattr(bench_module, "shared_file", lambda name: tmp_path / name)
    file.write_text(json.dumps(entry))
    assert Bench.open(bench.folder).committed
    file.write_text(json.dumps({**entry, "sha256": "0" * 64}))
    with pytest.raises(EvaluationError, match="not the committed one"):
        Bench.open(bench.folder)


@pytest.mark.parametrize("damage", ["truth gone", "truth cut", "head cut", "format"])
def test_damage_is_named(bench, tmp_path, damage):
    folder = copied(bench, tmp_path).folder
    truth, head = folder / TRUTH_FILE, folder / BENCH_FILE
    if damage == "truth gone":
        truth.unlink()
    elif damage == "truth cut":
        truth.write_bytes(truth.read_bytes()[:-40])
    elif damage == "head cut":
        head.write_text(head.read_text()[:30])
    else:
        head.write_text(json.dumps({**json.loads(head.read_text()), "format": 99}))
    with pytest.raises(EvaluationError):
        Bench.open(folder)


def test_a_damaged_picture_is_named(bench, tmp_path):
    copy = copied(bench, tmp_path)
    view = copy.views[2]
    (copy.folder / f"{view.picture}.jpg").write_bytes(b"\xff\xd8 no picture")
    with pytest.raises(EvaluationError, match=view.picture):
        copy.rgb(view)


def test_a_folder_with_other_settings_is_refused(bench, small_config):
    with pytest.raises(EvaluationError, match="other settings"):
        build_bench(bench.folder, replace(small_config, seed=99))


def test_a_bench_never_falls_back_to_primitives(small_config, tmp_path, monkeypatch):
    monkeypatch.setenv("SPATIALVLM_ASSETS", str(tmp_path / "nothing"))
    with pytest.raises(AssetError, match="no asset pack"):
        build_bench(tmp_path / "bench", replace(small_config, pack="auto"))


def test_the_hash_does_not_depend_on_where_the_pack_lies(small_config):
    a, b = replace(small_config, pack="auto"), replace(small_config, pack="elsewhere")
    assert content_hash(a.describe(), []) == content_hash(b.describe(), [])
    assert content_hash(a.describe(), []) != content_hash(small_config.describe(), [])


@pytest.mark.parametrize(
    "change", [{"views_per_part": 0}, {"settings": ["garden"]}, {"colour": 1}, {"out_of_range_m": [9, 3]}]
)
def test_bad_settings_are_refused(change):
    with pytest.raises(ConfigError):
        BenchConfig.load(**change)
