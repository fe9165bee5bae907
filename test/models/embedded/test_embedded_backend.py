"""The embedded model read with a cached picture, in batches, and as training packs it: always the same numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import SHAPE, picture, save_tiny_model

from spatialvlm_ros.errors import ConfigError, ModelError
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.models.backend import Backend
from spatialvlm_ros.models.embedded import vocabulary as v
from spatialvlm_ros.models.embedded.backend import EmbeddedBackend
from spatialvlm_ros.models.embedded.picture import Canvas, pixel_values, place, relative_focal
from spatialvlm_ros.models.estimate import Reason
from spatialvlm_ros.models.quantities import OVERFLOW_BIN, ZERO_BIN, bin_position
from spatialvlm_ros.models.query import Query, Region
from spatialvlm_ros.models.spatial_vlm import SpatialVLM
from spatialvlm_ros.scenes.observation import Observation
from spatialvlm_ros.training.packing import ROOT, Tree, pack

QUERIES = [
    Query("red mug", "plate", "distance"),
    Query("plate", None, "height"),
    Query((20, 30, 90, 120), "mug", "left"),
    Query("camera", "plate", "distance"),
    Query("mug", "plate", "right_diff"),
    Query("mug", "plate", "left_diff"),
    Query("mug", "plate", "right"),
    Query("mug", "plate", "left"),
    Query("mug", None, "volume"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def backend(folder: Path) -> EmbeddedBackend:
    return EmbeddedBackend.from_pretrained(folder, dtype="float32", device="cpu")


def test_it_is_a_backend(backend: EmbeddedBackend) -> None:
    assert isinstance(backend, Backend)


def test_a_batch_reads_what_single_queries_read(backend: EmbeddedBackend) -> None:
    encoded = backend.encode(picture())
    together = backend.read(encoded, QUERIES)
    for n, query in enumerate(QUERIES):
        alone = backend.read(encoded, [query])
        np.testing.assert_allclose(alone.lengths[0], together.lengths[n], atol=1e-6)
        np.testing.assert_allclose(alone.p_true[0], together.p_true[n], atol=1e-6)
        np.testing.assert_allclose(alone.subjects.boxes[0], together.subjects.boxes[n], atol=1e-2)
        np.testing.assert_allclose(alone.references.centers[0], together.references.centers[n], atol=1e-2)


def test_an_object_does_not_move_with_what_else_is_asked(backend: EmbeddedBackend) -> None:
    """Behind another object a row says something else of it; "plate" is second in some rows, "mug" in others."""
    encoded = backend.encode(picture())
    read = backend.read(encoded, QUERIES)
    for name in ("plate", "mug"):
        alone = backend.locate(encoded, [name])
        sides = ((read.subjects, [q.subject for q in QUERIES]), (read.references, [q.reference for q in QUERIES]))
        for found, names in sides:
            rows = [n for n, thing in enumerate(names) if thing == name]
            assert rows
            for field in alone.__dataclass_fields__:
                there, expected = getattr(found, field)[rows], getattr(alone, field)
                np.testing.assert_allclose(there, np.repeat(expected, len(rows), axis=0), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_the_cached_read_out_equals_the_training_pass(backend: EmbeddedBackend) -> None:
    """Training packs trees with a mask; serving copies a cache. Both must compute the same state."""
    observation, ids = picture(), v.Vocabulary()
    encoded = backend.encode(observation)
    canvas = encoded.canvas
    words = backend._writer.words
    slots = ids.slots(v.OBJECT_SLOTS)
    tree = Tree()
    other = tree.add(ROOT, [ids[v.FIND], *words("plate"), *slots])  # a branch beside it must change nothing
    tree.add(other, [ids["<height>"]])
    mug = tree.add(ROOT, [ids[v.FIND], *words("red mug"), *slots])
    pair = tree.add(mug, [ids[v.TO], *words("plate"), *slots])
    tree.add(pair, [ids["<gap>"]])
    tree.add(pair, [ids["<distance>"]])
    prefix = [ids[v.IMAGE]] * SHAPE.picture_tokens + [ids.lengths[int(bin_position(relative_focal(canvas.camera)))]]
    packed = pack([tree], [prefix], pad=0)
    mask = torch.zeros(1, 1, *packed.allowed.shape[1:]).masked_fill(~torch.from_numpy(packed.allowed)[:, None], -1e30)
    pixels = torch.from_numpy(pixel_values(place(observation.rgb, canvas), canvas.camera))[None]
    hidden = backend._vlm.model(
        input_ids=torch.from_numpy(packed.ids),
        pixel_values=pixels,
        attention_mask=mask,
        position_ids=torch.from_numpy(packed.positions),
        use_cache=False,
    ).last_hidden_state
    at = len(prefix) + len(tree) - 1
    trained = backend._probabilities(hidden[:, at], ids.lengths)[0]
    trained[:ZERO_BIN] = 0
    served = backend.read(encoded, [QUERIES[0]]).lengths[0]
    np.testing.assert_allclose(served, trained / trained.sum(), atol=1e-5)
    assert not np.allclose(served, served.mean(), atol=1e-4)  # the weights do answer something


def test_opposites_mirror_the_distribution_and_the_probability(backend: EmbeddedBackend) -> None:
    readings = backend.read(backend.encode(picture()), QUERIES)
    np.testing.assert_allclose(readings.lengths[4][:OVERFLOW_BIN], readings.lengths[5][:OVERFLOW_BIN][::-1], atol=1e-6)
    assert readings.p_true[6] == pytest.approx(1 - readings.p_true[7], abs=1e-6)


def test_unsigned_lengths_have_no_negative_part_and_sum_to_one(backend: EmbeddedBackend) -> None:
    readings = backend.read(backend.encode(picture()), QUERIES)
    assert readings.lengths[0][:ZERO_BIN].sum() == 0
    for n in (0, 1, 3, 4):
        assert readings.lengths[n].sum() == pytest.approx(1)
    assert np.isnan(readings.lengths[8]).all() and np.isnan(readings.p_true[8])  # a volume is composed only


def test_the_camera_is_always_there_and_swaps_roles(backend: EmbeddedBackend) -> None:
    encoded = backend.encode(picture())
    near, far = backend.read(encoded, [Query("camera", "plate"), Query("plate", "camera")]), None
    np.testing.assert_allclose(near.lengths[0], near.lengths[1], atol=1e-6)
    assert near.subjects.presence[0].tolist() == [1, 0, 0] and np.isnan(near.subjects.log_ranges[0])
    np.testing.assert_allclose(near.references.log_ranges[0], near.subjects.log_ranges[1], atol=1e-6)
    found = backend.locate(encoded, ["camera", "plate"])
    assert np.isnan(found.log_ranges[0]) and np.isfinite(found.log_ranges[1]) and far is None


def test_a_region_is_told_in_places_of_the_canvas(backend: EmbeddedBackend) -> None:
    canvas = Canvas.fit(picture().camera, SHAPE.width, SHAPE.height)
    row = backend._writer.locate(Region((19.5, 30.0), "mug"), canvas)
    tokens = backend._tokenizer.convert_ids_to_tokens(list(row.ids))
    u, v_ = canvas.to_canvas(np.array([19.5, 30.0]))
    wanted = [int(v.place_position((x + 0.5) / SHAPE.width)) for x in (u, v_)]
    assert tokens[1] == "<spot>" and [int(t.split()[1][:-1]) for t in tokens[2:4]] == wanted


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("mug", True),
        ("the red mug", True),
        ("mug on the left", True),
        ("unicorn", False),
        ("mugs", False),
        ("smug", False),
    ],
)
def test_a_name_is_known_by_its_noun(backend: EmbeddedBackend, name: str, known: bool) -> None:
    assert backend.knows(name) is known


def test_another_word_for_a_thing_reads_what_its_noun_reads(backend: EmbeddedBackend) -> None:
    encoded = backend.encode(picture())
    one = backend.read(encoded, [Query("red saucer on the left", "mug", "distance"), Query("mug", "saucer", "gap")])
    other = backend.read(encoded, [Query("red plate on the left", "mug", "distance"), Query("mug", "plate", "gap")])
    np.testing.assert_array_equal(one.lengths, other.lengths)
    np.testing.assert_array_equal(one.references.boxes, other.references.boxes)


def test_answers_are_words_and_end(backend: EmbeddedBackend) -> None:
    encoded = backend.encode(picture())
    one, other = backend.ask(encoded, "How far is the mug?", 6), backend.ask(encoded, "How far is the mug?", 6)
    assert one == other and "<" not in one
    assert len(backend._tokenizer.encode(one)) <= 12


def test_asking_leaves_the_cached_picture_alone(backend: EmbeddedBackend) -> None:
    encoded = backend.encode(picture())
    before = backend.read(encoded, QUERIES[:2]).lengths
    backend.ask(encoded, "How far is the mug from the plate?", 5)
    backend.read(encoded, QUERIES)
    assert encoded.cache.get_seq_length() == encoded.length
    np.testing.assert_array_equal(backend.read(encoded, QUERIES[:2]).lengths, before)


def test_a_lens_is_straightened_and_places_come_back_in_its_pixels() -> None:
    bent = Camera(200, 150, 180.0, 180.0, 90.0, 80.0, "plumb_bob", (-0.25, 0.05, 0.001, 0.0, 0.0))
    canvas = Canvas.fit(bent, 64, 48)
    pixels = np.array([[10.0, 12.0], [180.0, 140.0], [90.0, 80.0]])
    np.testing.assert_allclose(canvas.to_picture(canvas.to_canvas(pixels)), pixels, atol=1e-3)
    rays = bent.rays(pixels)
    np.testing.assert_allclose(canvas.camera.project(rays), canvas.to_canvas(pixels), atol=1e-3)
    rgb = np.zeros((150, 200, 3), np.uint8)
    rgb[8:20, 4:18] = 255
    placed = place(rgb, canvas)
    u, w = canvas.to_canvas(np.array([11.0, 14.0]))
    assert placed[round(w), round(u)].min() > 200


def test_a_region_at_the_rim_of_a_fisheye_leaves_the_others_of_its_batch_alone(backend: EmbeddedBackend) -> None:
    """No straight picture shows what a lens sees beside and behind itself."""
    fisheye = Camera(200, 150, 60.0, 60.0, 99.5, 74.5, "equidistant", (0.0, 0.0, 0.0, 0.0))
    seen = replace(picture(), camera=fisheye)
    view, encoded = SpatialVLM(backend).look(seen), backend.encode(seen)
    rim, corner, middle = (80.0, 20.0, 180.0, 140.0), (0.0, 0.0, 3.0, 3.0), (90.0, 60.0, 120.0, 90.0)
    assert np.isnan(fisheye.rays(np.array([rim[2:]]))).any() and np.isnan(fisheye.rays(np.array([corner[:2]]))).any()
    read = backend.read(encoded, [Query(region, "camera") for region in (rim, corner, middle)])
    assert np.isfinite(read.lengths).all()
    told = backend._tokenizer.convert_ids_to_tokens(list(backend._writer.locate(Region(rim), encoded.canvas).ids))
    x0, y0, x1, y1 = (int(t.split()[1][:-1]) for t in told[2:6])
    assert x0 < x1 == v.N_PLACES - 1 and y0 < y1 == v.N_PLACES - 1
    assert view.measure(corner, "camera").reason is Reason.OUT_OF_VIEW
    assert view.measure(middle, "camera").reason is not Reason.OUT_OF_VIEW


@pytest.mark.parametrize("size", [(200, 150), (640, 360), (480, 600), (64, 48)])
def test_canvas_coordinates_are_those_of_the_resampled_picture(size: tuple[int, int]) -> None:
    width, height = size
    camera = Camera(width, height, 150.0, 150.0, width * 0.4, height * 0.6)
    canvas = Canvas.fit(camera, 64, 48)
    columns = np.linspace(0, 255, width).astype(np.uint8)
    rows = np.linspace(0, 255, height).astype(np.uint8)
    rgb = np.stack(
        [
            np.broadcast_to(columns, (height, width)),
            np.broadcast_to(rows[:, None], (height, width)),
            np.zeros((height, width), np.uint8),
        ],
        axis=-1,
    )
    placed = place(np.ascontiguousarray(rgb), canvas).astype(float)
    for u, w in ((0.3, 0.4), (0.7, 0.6)):
        x, y = canvas.to_canvas(np.array([u * (width - 1), w * (height - 1)]))
        assert placed[round(y), round(x), 0] == pytest.approx(255 * u, abs=8)
        assert placed[round(y), round(x), 1] == pytest.approx(255 * w, abs=8)
    ray = canvas.camera.rays(canvas.to_canvas(np.array([[30.0, 20.0]])))
    np.testing.assert_allclose(ray, camera.rays(np.array([[30.0, 20.0]])), rtol=0.02, atol=0.02)


def test_weights_of_another_tokenizer_are_refused(folder: Path, tmp_path: Path) -> None:
    import shutil

    from spatialvlm_ros.models.embedded.tokenizer import train_tokenizer

    shutil.copytree(folder, tmp_path / "m")
    train_tokenizer([" other words entirely", " more"], 280).save_pretrained(tmp_path / "m")
    with pytest.raises(ModelError, match="tokenizer"):
        EmbeddedBackend.from_pretrained(tmp_path / "m")


@pytest.mark.parametrize("damage", ["weights gone", "weights cut", "marker gone", "marker of another version"])
def test_a_damaged_folder_is_named(folder: Path, tmp_path: Path, damage: str) -> None:
    import shutil

    there = tmp_path / "m"
    shutil.copytree(folder, there)
    weights = next(there.glob("*.safetensors"))
    if damage == "weights gone":
        weights.unlink()
    elif damage == "weights cut":
        weights.write_bytes(weights.read_bytes()[:1000])
    elif damage == "marker gone":
        (there / "spatialvlm.json").unlink()
    else:
        path = there / "spatialvlm.json"
        path.write_text(path.read_text().replace('"format": 1', '"format": 99'))
    with pytest.raises(ModelError, match=r"\S"):
        EmbeddedBackend.from_pretrained(there)


def test_a_mono_picture_is_no_observation() -> None:
    with pytest.raises(Exception, match="uint8"):
        Observation(np.zeros((10, 10), np.uint8), Camera(10, 10, 9, 9, 5, 5))


@pytest.mark.parametrize("wrong", [{"dtype": "bfloat"}, {"dtype": None}, {"device": "gpu"}])
def test_an_unknown_dtype_or_device_is_no_fault_of_the_weights(folder: Path, wrong: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=f"unknown {next(iter(wrong))}"):
        EmbeddedBackend.from_pretrained(folder, **wrong)
