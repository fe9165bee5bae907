"""Boxes, captions, masks without weights, sidecar files, registry."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialvlm_ros.errors import ConfigError, PerceptionError, SourceError
from spatialvlm_ros.geometry.boxes2d import clip_boxes, non_maximum_suppression, overlaps
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.perception.captions import is_background, tidy_caption
from spatialvlm_ros.perception.capture import Capture
from spatialvlm_ros.perception.masks import BoxDepthSegmenter, GrabCutSegmenter
from spatialvlm_ros.perception.registry import EXPERTS, build_expert, build_pipeline, read_config
from spatialvlm_ros.perception.sidecar import SidecarDetector, SidecarSegmenter, read_labels
from spatialvlm_ros.shared_files import shared_file

# ---- boxes ----


def test_overlap_of_boxes() -> None:
    a = np.array([[0.0, 0, 4, 2]])
    b = np.array([[2.0, 0, 6, 2], [0, 0, 4, 2], [4, 0, 8, 2], [1, 1, 1, 1]])
    np.testing.assert_allclose(overlaps(a, b), [[4 / 12, 1, 0, 0]])
    np.testing.assert_array_equal(clip_boxes([[-5, 3, 200, 90]], 100, 60), [[0, 3, 100, 60]])


@given(st.lists(st.tuples(*[st.integers(0, 30)] * 4, st.floats(0, 1)), max_size=25), st.floats(0, 1))
def test_suppression_keeps_the_best_of_what_overlaps(rows: list[tuple], limit: float) -> None:
    boxes = np.array([[x, y, x + w + 1, y + h + 1] for x, y, w, h, _ in rows], dtype=float).reshape(-1, 4)
    scores = np.array([row[4] for row in rows])
    kept = non_maximum_suppression(boxes, scores, limit)
    iou = overlaps(boxes, boxes)
    assert (np.diff(scores[kept]) <= 0).all()
    for i, index in enumerate(kept):
        assert all(iou[index, other] <= limit for other in kept[:i])
    for index in set(range(len(rows))) - set(kept.tolist()):
        assert any(iou[index, other] > limit and scores[other] >= scores[index] for other in kept)


# ---- captions ----


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("There is a red coffee mug.", "red coffee mug"),
        ("a close up of a a laptop on the", "laptop"),
        ("arafed image of the", "image"),
        ("chair<loc_12><loc_40>", "chair"),
        ("The man's hat!", "man's hat"),
        ("one two three four five six seven", "one two three four five six"),
        ("box box box", "box"),
        ("  ", ""),
        ("a photo of", ""),
    ],
)
def test_captions_become_names(text: str, name: str) -> None:
    got = tidy_caption(text)
    assert got == name or (name == "" and is_background(got))


def test_background_is_known() -> None:
    assert is_background("blue sky") and is_background("wooden floor") and is_background("")
    assert not is_background("floor lamp")


@pytest.mark.parametrize(
    "caption",
    [
        "a traffic light",
        "ceiling light above a table",
        "a small red night light",
        "flashlight",
        "a framed picture on the wall",
        "an old family photo",
    ],
)
def test_lamps_and_framed_pictures_are_things(caption: str) -> None:
    assert not is_background(tidy_caption(caption))


@pytest.mark.parametrize(
    "caption",
    ["the light", "very bright light", "light from a window", "a blurry picture", "a photo", "dark picture of"],
)
def test_brightness_and_what_the_camera_took_are_no_things(caption: str) -> None:
    assert is_background(tidy_caption(caption))


@pytest.mark.parametrize(
    "caption",
    [
        "a chair in a living room",
        "lamp on the wall",
        "a glass of water",
        "dog standing on the grass",
        "wall mounted shelf",
    ],
)
def test_a_thing_is_not_background_because_of_where_it_is_or_what_it_holds(caption: str) -> None:
    assert not is_background(tidy_caption(caption))


@pytest.mark.parametrize("caption", ["grass in front of a house", "a room with a chair", "sky above the sea"])
def test_background_stays_background_whatever_stands_in_it(caption: str) -> None:
    assert is_background(tidy_caption(caption))


# ---- masks without weights ----

BOX = np.array([[26.0, 14, 66, 50]])


def scene_picture() -> tuple[Capture, np.ndarray]:
    """An orange ellipse, wider than high, on a blue-grey textured ground, 1 m before it; and its true mask."""
    rng = np.random.default_rng(0)
    rgb = np.full((70, 110, 3), (90, 100, 120), np.uint8) + rng.integers(0, 20, (70, 110, 3), dtype=np.uint8)
    truth = np.zeros((70, 110), np.uint8)
    cv2.ellipse(truth, (46, 32), (18, 12), 15, 0, 360, 1, -1)
    rgb[truth > 0] = (230, 140, 30)
    depth = np.full((70, 110), 3.0, np.float32)
    depth[truth > 0] = 2.0
    depth[10, 10] = np.nan
    return Capture(rgb, "p.png", Camera(110, 70, 100.0, 100.0, 54.5, 34.5), depth), truth.astype(bool)


@pytest.mark.parametrize("segmenter", [GrabCutSegmenter(), GrabCutSegmenter(max_side=40), BoxDepthSegmenter()])
def test_masks_follow_the_object(segmenter) -> None:  # noqa: ANN001
    capture, truth = scene_picture()
    mask = segmenter.segment(capture, BOX)[0]
    assert (mask & truth).sum() / (mask | truth).sum() > (0.8 if getattr(segmenter, "max_side", 400) < 50 else 0.95)
    np.testing.assert_array_equal(segmenter.segment(capture, BOX)[0], mask)  # the same every time


def test_masks_survive_odd_boxes() -> None:
    capture, _ = scene_picture()
    odd = np.array(
        [[0.0, 0, 110, 70], [-50, -50, -10, -10], [20, 20, 20.5, 20.5], [100, 60, 400, 400], [30, 30, 20, 20]]
    )
    for segmenter in (GrabCutSegmenter(), BoxDepthSegmenter()):
        masks = segmenter.segment(capture, odd)
        assert masks.shape == (5, 70, 110) and not masks[1].any()
    blank = Capture(np.zeros((70, 110, 3), np.uint8), "b", None, np.full((70, 110), np.nan, np.float32))
    assert not BoxDepthSegmenter().segment(blank, BOX).any()
    assert GrabCutSegmenter().segment(blank, BOX).shape == (1, 70, 110)
    assert not BoxDepthSegmenter().segment(Capture(capture.rgb), BOX).any()


# ---- sidecar ----


def labels_file(folder: Path, entries: list) -> Path:
    path = folder / "labels.json"
    path.write_text(json.dumps({"pictures": {"p.png": entries}}))
    return path


def test_sidecar_gives_boxes_polygons_and_masks(tmp_path: Path) -> None:
    capture, truth = scene_picture()
    cv2.imwrite(str(tmp_path / "m.png"), truth.astype(np.uint8) * 255)
    path = labels_file(
        tmp_path,
        [
            {"label": "orange", "box": BOX[0].tolist()},
            {"label": "corner", "polygon": [[0, 0], [20, 0], [0, 10]]},
            {"label": "exact", "mask": "m.png"},
        ],
    )
    proposals = SidecarDetector(path).detect([capture, Capture(capture.rgb, "other.png")])
    assert proposals[0].labels == ("orange", "corner", "exact") and len(proposals[1]) == 0
    rows, columns = np.nonzero(truth)
    expected = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    np.testing.assert_array_equal(proposals[0].boxes[2], expected)
    masks = SidecarSegmenter(path).segment(capture, proposals[0].boxes[[2, 0, 1]])  # in another order
    np.testing.assert_array_equal(masks[0], truth)
    assert (masks[1] & truth).sum() / (masks[1] | truth).sum() > 0.95  # GrabCut filled the box
    assert masks[2][2, 3] and not masks[2][9, 19] and masks[2].sum() == pytest.approx(21 * 11 / 2, rel=0.15)


@pytest.mark.parametrize(
    "entry",
    [
        {"box": [0, 0, 5, 5]},
        {"label": "x"},
        {"label": "x", "box": [5, 5, 1, 9]},
        {"label": "x", "box": [0, 0, 5]},
        {"label": "x", "box": ["a", 0, 5, 5]},
        {"label": "x", "mask": "nowhere.png"},
        {"label": "x", "mask": 3},
        "chair",
    ],
)
def test_malformed_labels_name_their_place(tmp_path: Path, entry: object) -> None:
    with pytest.raises(SourceError):
        read_labels(labels_file(tmp_path, [entry]))


def test_masks_of_another_size_are_refused(tmp_path: Path) -> None:
    capture, truth = scene_picture()
    cv2.imwrite(str(tmp_path / "m.png"), truth.astype(np.uint8)[:60] * 255)
    path = labels_file(tmp_path, [{"label": "x", "mask": "m.png"}])
    with pytest.raises(PerceptionError, match="does not fit"):
        SidecarSegmenter(path).segment(capture, BOX)
    with pytest.raises(SourceError, match="no pictures"):
        (tmp_path / "bad.json").write_text("[]")
        read_labels(tmp_path / "bad.json")


def test_labels_are_json_with_tabs_or_yaml(tmp_path: Path) -> None:
    entry = {"label": "mug", "box": [0, 0, 5, 5]}
    path = tmp_path / "labels.json"
    path.write_text(json.dumps({"pictures": {"p.png": [entry]}}, indent="\t"))
    assert read_labels(path)["p.png"][0].label == "mug"
    path.write_text("pictures:\n  p.png:\n  - {label: cup, box: [0, 0, 5, 5]}\n")
    assert read_labels(path)["p.png"][0].label == "cup"


def test_a_detector_without_its_labels_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nowhere.json"):
        SidecarDetector(tmp_path / "nowhere.json")
    for content in ({"pictures": {"p.png": 3}}, {"pictures": {"p.png": {"label": "x"}}}):
        path = tmp_path / "labels.json"
        path.write_text(json.dumps(content))
        with pytest.raises(SourceError, match="no list"):
            SidecarDetector(path)


# ---- registry ----

SIDECAR = {"expert": "sidecar", "labels": "x"}  # never reached: the rest is wrong


def test_every_name_leads_to_code() -> None:
    for stage in EXPERTS.values():
        for spec in stage.values():
            assert callable(spec.constructor())


def test_the_shipped_configuration_names_known_experts() -> None:
    config = read_config(shared_file("config/open_world.yaml"))
    for stage in EXPERTS:
        if config.get(stage):
            assert config[stage]["expert"] in EXPERTS[stage]
    assert set(config) <= {*EXPERTS, "models", "options"}


def test_the_shipped_configuration_builds_with_tiny_models(tiny) -> None:  # noqa: ANN001
    """The file as it is, only the folders of the models replaced; one picture through all stages."""
    config = read_config(shared_file("config/open_world.yaml"))
    folders = {
        "image_filter": "clip",
        "detector": "owlv2",
        "segmenter": "sam2",
        "captioner": "florence2",
        "depth": "depth_pro",
    }
    for stage, name in folders.items():
        config[stage]["model"] = str(tiny(name))
    config["models"] = {"device": "cpu", "local_files_only": True}
    config["image_filter"]["threshold"] = 0.0
    config["detector"]["threshold"] = 0.0
    config["options"] = {**config["options"], "min_box_share": 0.0, "max_box_share": 1.0, "min_mask_pixels": 1}
    pipeline = build_pipeline(config)
    capture, _ = scene_picture()
    result = pipeline.run_batch([Capture(capture.rgb, "p")])[0]
    # What random weights see is chance; the path ends in a scene or in one of the honest reasons.
    assert result.scene is not None or result.skipped.split(":")[0] in ("detector", "segmenter", "caption", "lifting")
    assert "failed" not in result.skipped


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, "needs a detector"),
        ({"detector": {"expert": "yolo"}}, "unknown detector expert"),
        ({"painter": {"expert": "x"}}, "unknown stage"),
        ({"detector": {"expert": "sidecar", "colour": "red"}}, "does not take"),
        ({"detector": SIDECAR, "options": {"speed": 3}}, "unknown options"),
        ({"detector": SIDECAR, "options": {"max_objects": "many"}}, "must be of type int"),
        ({"detector": SIDECAR, "options": {"assumed_hfov_deg": 1.2}}, "not radians"),
        ({"detector": SIDECAR, "options": {"assumed_hfov_deg": "60"}}, "not a number"),
        ({"detector": SIDECAR, "options": 3}, "options of the pipeline must be a mapping"),
        ({"detector": SIDECAR, "models": {"gpu": 1}}, "unknown settings"),
        ({"detector": SIDECAR, "models": "cpu"}, "models of the pipeline must be a mapping"),
        ({"detector": "owlv2"}, "detector: {expert: NAME}"),
    ],
)
def test_wrong_configurations_are_named(config: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        build_pipeline(config)
    with pytest.raises(ConfigError):
        read_config("/no/such/file.yaml")


def test_degrees_become_radians(tmp_path: Path) -> None:
    labels = str(labels_file(tmp_path, []))
    config = {"detector": {"expert": "sidecar", "labels": labels}, "options": {"assumed_hfov_deg": 60}}
    assert build_pipeline(config).options.assumed_hfov == pytest.approx(np.pi / 3)
    assert build_expert("segmenter", {"expert": "grabcut", "iterations": 2}).iterations == 2
