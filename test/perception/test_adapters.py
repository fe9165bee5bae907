"""Adapters over transformers: loaded from folders of tiny models, and every way back to the picture's own pixels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch  # noqa: E402
from seeing_models import (  # noqa: E402
    TALL,
    WIDE,
    SeeingDepth,
    SeeingDetector,
    SeeingSegmenter,
    picture_with_square,
)

from spatialvlm_ros.errors import ConfigError, PerceptionError  # noqa: E402
from spatialvlm_ros.geometry.cameras import Camera  # noqa: E402
from spatialvlm_ros.perception.adapters.captioners import (  # noqa: E402
    BlipCaptioner,
    Florence2Captioner,
    cut_out,
    location_tokens,
)
from spatialvlm_ros.perception.adapters.contrastive import ContrastiveFilter  # noqa: E402
from spatialvlm_ros.perception.adapters.depth import (  # noqa: E402
    DepthAnythingEstimator,
    DepthProEstimator,
    ZoeDepthEstimator,
)
from spatialvlm_ros.perception.adapters.grounding_dino import GroundingDinoDetector  # noqa: E402
from spatialvlm_ros.perception.adapters.owlv2 import Owlv2Detector  # noqa: E402
from spatialvlm_ros.perception.adapters.sam import Sam2Segmenter, SamSegmenter  # noqa: E402
from spatialvlm_ros.perception.capture import Capture  # noqa: E402
from spatialvlm_ros.perception.loading import ModelSource, device_guard  # noqa: E402

Folder = Callable[[str], Path]
BOX = (12, 30, 44, 48)
BOXES = [picture_with_square(WIDE, BOX), picture_with_square(TALL, BOX)]


def source(folder: Path) -> ModelSource:
    return ModelSource(str(folder), device="cpu", local_files_only=True)


# ---- image filter ----


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_filter_gives_the_share_of_the_keep_prompts(tiny: Folder, kind: str) -> None:
    judge = getattr(ContrastiveFilter, kind)(source(tiny(kind)), threshold=0.0)
    verdicts = judge.judge(BOXES)
    assert [v.keep for v in verdicts] == [True, True]
    assert all(v.label in ("indoor scene", "outdoor scene") and 0 < v.score < 1 for v in verdicts)
    strict = getattr(ContrastiveFilter, kind)(source(tiny(kind)), threshold=1.0).judge(BOXES)
    assert [v.keep for v in strict] == [False, False]
    assert all(v.label not in ("indoor scene", "outdoor scene") for v in strict)
    np.testing.assert_allclose([v.score for v in strict], [v.score for v in verdicts], atol=1e-6)


def test_filter_sums_all_keep_prompts(tiny: Folder) -> None:
    judge = ContrastiveFilter.clip(source(tiny("clip")))
    names = judge._names
    logits = torch.full((1, len(names)), -20.0)
    logits[0, 0], logits[0, 1], logits[0, names.index("painting")] = 1.0, 1.0, 1.5
    judge._model = _Answer(SimpleNamespace(logits_per_image=logits), judge._model)
    verdict = judge.judge(BOXES[:1])[0]
    assert verdict.keep  # neither scene beats the painting alone, together they do
    assert verdict.score == pytest.approx(2 * np.e / (2 * np.e + np.exp(1.5)), abs=1e-5)


class _Answer:
    """A model that always says the same."""

    def __init__(self, answer: object, like: object) -> None:
        self._answer = answer
        self.device, self.dtype, self.config = like.device, like.dtype, like.config  # type: ignore[attr-defined]

    def __call__(self, **inputs: object) -> object:
        return self._answer


# ---- detectors ----


DETECTORS = [(Owlv2Detector, "owlv2", 2), (GroundingDinoDetector, "grounding_dino", 40)]


@pytest.mark.parametrize(("adapter", "name", "tokens"), DETECTORS)
def test_detectors_give_boxes_in_the_pixels_of_the_picture(tiny: Folder, adapter, name: str, tokens: int) -> None:
    detector = adapter.load(source(tiny(name)), queries=["chair", "mug"], threshold=0.5)
    # Token 1 is "chair" for Grounding DINO (0 is the start), query 1 is "mug" for OWLv2.
    detector._model = SeeingDetector(tokens, detector._model.config)
    for capture, proposals in zip(BOXES, detector.detect(BOXES), strict=True):
        assert proposals.labels == ("mug" if name == "owlv2" else "chair",)
        # One pixel of the input is up to 1.7 (OWLv2: 110 to 64) or 1.25 (DINO) pixels of the picture.
        np.testing.assert_allclose(proposals.boxes[0], BOX, atol=2.0, err_msg=capture.name)
        assert proposals.scores[0] == pytest.approx(0.88, abs=0.01)
    assert detector._model.batches == [2]


@pytest.mark.parametrize(("adapter", "name", "tokens"), DETECTORS)
def test_detectors_run_the_real_network(tiny: Folder, adapter, name: str, tokens: int) -> None:
    detector = adapter.load(source(tiny(name)), queries=["red chair", "mug"], threshold=0.0)
    together, alone = detector.detect(BOXES[:1] * 2), detector.detect(BOXES[:1])
    assert len(together) == 2
    assert len(alone[0]) > 0
    assert set(alone[0].labels) <= {"red chair", "mug"}
    np.testing.assert_allclose(together[1].boxes, alone[0].boxes, atol=1e-3)
    with pytest.raises(ConfigError, match="queries"):
        adapter.load(source(tiny(name)), queries=[])


def test_owlv2_with_a_silent_box_head_gives_its_patch_grid(tiny: Folder) -> None:
    detector = Owlv2Detector.load(source(tiny("owlv2")), queries=["chair"], threshold=0.0)
    for parameter in detector._model.box_head.dense2.parameters():
        torch.nn.init.zeros_(parameter)
    boxes = detector.detect([BOXES[0]])[0].boxes  # 60 x 100 is padded to 100 x 100, 4 x 4 patches of 25
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    expected = {(25.0 * (i + 1), 25.0 * (j + 1)) for i in range(4) for j in range(4)}
    assert {tuple(np.round(c / 25) * 25) for c in centres} == expected
    np.testing.assert_allclose(boxes[:, 2:] - boxes[:, :2], 25, rtol=2e-3)


def test_grounding_dino_scores_a_query_by_its_best_word(tiny: Folder) -> None:
    detector = GroundingDinoDetector.load(source(tiny("grounding_dino")), queries=["red chair", "mug"])
    first, second = detector._tokens_of_query
    assert len(first) == 2 and len(second) == 1 and not set(first) & set(second)
    with pytest.raises(ConfigError, match="tokens"):
        GroundingDinoDetector.load(source(tiny("grounding_dino")), queries=["chair"] * 30)


# ---- segmenters ----


@pytest.mark.parametrize(("adapter", "name"), [(SamSegmenter, "sam"), (Sam2Segmenter, "sam2")])
@pytest.mark.parametrize("capture", BOXES, ids=["wide", "tall"])
def test_masks_lie_where_the_object_is(tiny: Folder, adapter, name: str, capture: Capture) -> None:
    segmenter = adapter.load(source(tiny(name)))
    real = segmenter.segment(capture, np.array([BOX, (0, 0, 20, 20)], dtype=float))
    assert real.shape == (2, capture.height, capture.width) and real.dtype == bool
    segmenter._model = seeing = SeeingSegmenter()
    masks = segmenter.segment(capture, np.array([BOX], dtype=float))
    truth = np.zeros((capture.height, capture.width), bool)
    truth[BOX[1] : BOX[3], BOX[0] : BOX[2]] = True
    overlap = (masks[0] & truth).sum() / (masks[0] | truth).sum()
    # A mask moved or scaled by 10% of its size would overlap by 0.8; one pixel of the network's is up to 3 here.
    assert overlap > 0.82
    rows, columns = np.nonzero(masks[0])
    assert abs(columns.mean() - (BOX[0] + BOX[2] - 1) / 2) < 0.7
    assert abs(rows.mean() - (BOX[1] + BOX[3] - 1) / 2) < 0.7
    # The prompt lies round the rectangle in the network's own pixels, too.
    x_scale, y_scale = (
        (128 / capture.width, 128 / capture.height) if name == "sam2" else [64 / max(capture.width, capture.height)] * 2
    )
    expected = np.array(BOX) * [x_scale, y_scale, x_scale, y_scale]
    np.testing.assert_allclose(seeing.prompts[0].numpy(), expected, rtol=0.02)


# ---- captioners ----


def test_florence2_writes_regions_in_thousandths() -> None:
    assert location_tokens(np.array([50.0, 30.0, 100.0, 60.0]), 200, 120) == "<loc_250><loc_250><loc_500><loc_500>"
    assert location_tokens(np.array([-5.0, 0.0, 200.0, 121.0]), 200, 120) == "<loc_0><loc_0><loc_999><loc_999>"


def test_florence2_answers_one_caption_a_box(tiny: Folder) -> None:
    captioner = Florence2Captioner.load(source(tiny("florence2")), batch_size=2, max_new_tokens=4)
    boxes = np.array([BOX, (0, 0, 20, 20), (5, 5, 90, 50)], dtype=float)
    captions = captioner.caption(BOXES[0], boxes)
    assert len(captions) == 3 and all(isinstance(c, str) for c in captions)
    with pytest.raises(ConfigError, match="task"):
        Florence2Captioner.load(source(tiny("florence2")), task="<OD>")


def test_florence2_prompt_holds_the_region(tiny: Folder) -> None:
    captioner = Florence2Captioner.load(source(tiny("florence2")))
    seen: dict[str, torch.Tensor] = {}

    class Listening:
        device, dtype = torch.device("cpu"), torch.float32

        def generate(self, **inputs):  # noqa: ANN202
            seen.update(inputs)
            return torch.tensor([[4, 5]])

    captioner._model = Listening()
    captioner.caption(BOXES[0], np.array([[10.0, 6.0, 50.0, 30.0]]))
    text = captioner._processor.tokenizer.decode(seen["input_ids"][0])
    assert "<loc_100> <loc_100> <loc_500> <loc_500>" in text
    assert text.count("<image>") == 17
    assert seen["pixel_values"].shape == (1, 3, 32, 32)


def test_blip_sees_the_cut_out(tiny: Folder) -> None:
    captioner = BlipCaptioner.load(source(tiny("blip")), batch_size=2, max_new_tokens=4)
    assert len(captioner.caption(BOXES[1], np.array([BOX] * 3, dtype=float))) == 3
    seen: list[torch.Tensor] = []

    class Listening:
        device, dtype = torch.device("cpu"), torch.float32

        def generate(self, pixel_values, **options):  # noqa: ANN001, ANN202
            seen.append(pixel_values)
            return torch.tensor([[5]])

    captioner._model, captioner._margin = Listening(), 0.0
    captioner.caption(BOXES[1], np.array([BOX], dtype=float))
    assert seen[0].std(dim=(2, 3)).max() < 1e-4  # nothing but the white rectangle


def test_cut_outs_keep_to_the_picture() -> None:
    rgb = np.arange(60 * 100 * 3, dtype=np.uint32).reshape(60, 100, 3).astype(np.uint8)
    np.testing.assert_array_equal(cut_out(rgb, np.array([10.0, 20, 30, 25]), 0.0), rgb[20:25, 10:30])
    np.testing.assert_array_equal(cut_out(rgb, np.array([90.0, 50, 120, 90]), 0.5), rgb[30:60, 75:100])
    assert cut_out(rgb, np.array([100.0, 60, 100, 60]), 0.0).shape == (1, 1, 3)


# ---- depth ----


def ramp(size: tuple[int, int]) -> Capture:
    """Brightness grows to the right and, half as fast, downwards; no symmetry."""
    height, width = size
    v, u = np.mgrid[0:height, 0:width]
    grey = (40 + 100 * u / width + 50 * v / height).astype(np.uint8)
    return Capture(np.stack([grey] * 3, axis=2), f"{size}")


RAMPS = [ramp(WIDE), ramp(TALL), ramp(WIDE)]


@pytest.mark.parametrize(
    ("adapter", "name", "levels"),
    [(DepthAnythingEstimator, "depth_anything", (0.45, 0.27)), (ZoeDepthEstimator, "zoedepth", (0.5, 0.5))],
)
def test_depth_comes_back_in_the_picture_and_unscaled(tiny: Folder, adapter, name: str, levels) -> None:
    estimator = adapter.load(source(tiny(name)))
    real = estimator.estimate(RAMPS, [None] * 3)
    assert [e.depth.shape for e in real] == [WIDE, TALL, WIDE]
    assert all(e.depth.dtype == np.float32 and e.hfov is None for e in real)
    np.testing.assert_allclose(real[0].depth, real[2].depth, atol=1e-4)
    mean, std = levels
    estimator._model = SeeingDepth(lambda grey: grey * std + mean, estimator._model.config)
    for capture, estimate in zip(RAMPS, estimator.estimate(RAMPS, [None] * 3), strict=True):
        inner = (slice(4, -4), slice(4, -4))
        expected = capture.rgb[..., 0].astype(float)[inner] / 255
        # Three grey levels of 255; the ramp has 150. A shift by the padding (16 to 23 pixels) would be 15 and more.
        assert np.abs(estimate.depth[inner] - expected).max() < 0.022, capture.name


def test_relative_depth_is_refused(tiny: Folder, tmp_path: Path) -> None:
    import tiny_models

    with pytest.raises(PerceptionError, match="relative depth"):
        DepthAnythingEstimator.load(source(tiny_models.make_depth_anything(tmp_path, "relative")))


def test_depth_pro_takes_the_known_focal_length_before_its_own(tiny: Folder) -> None:
    estimator = DepthProEstimator.load(source(tiny("depth_pro")))
    real = estimator.estimate(RAMPS, [None] * 3)
    assert [e.depth.shape for e in real] == [WIDE, TALL, WIDE]
    assert all(np.isfinite(e.depth).all() and e.hfov is not None and 0 < e.hfov < np.pi for e in real)
    # Canonical inverse depth = brightness 0..1; the mean and std of the tiny processor are one half.
    estimator._model = SeeingDepth(lambda grey: grey * 0.5 + 0.5, degrees=60.0)
    camera = Camera(100, 60, 80.0, 80.0, 49.5, 29.5)
    known, own = (estimator.estimate(RAMPS[:1], [c])[0] for c in (camera, None))
    inner = (slice(4, -4), slice(4, -4))
    brightness = RAMPS[0].rgb[..., 0].astype(float)[inner] / 255
    # metres = focal length / (width * canonical inverse depth)
    np.testing.assert_allclose(known.depth[inner], 80.0 / 100 / brightness, rtol=0.03)
    focal = 50 / np.tan(np.radians(30))
    np.testing.assert_allclose(own.depth[inner], focal / 100 / brightness, rtol=0.03)
    assert known.hfov is None
    assert own.hfov == pytest.approx(np.radians(60))
    assert estimator.hfov(RAMPS) == pytest.approx([np.radians(60)] * 3)
    estimator._model = SeeingDepth(lambda grey: grey, degrees=None)
    with pytest.raises(PerceptionError, match="field of view"):
        estimator.estimate(RAMPS[:1], [None])
    with pytest.raises(PerceptionError, match="field-of-view"):
        estimator.hfov(RAMPS)


# ---- loading ----


def test_a_model_that_cannot_be_reached_says_what_to_do() -> None:
    with pytest.raises(PerceptionError, match="download the model elsewhere"):
        Owlv2Detector.load(ModelSource("nobody/no-such-model", "cpu", local_files_only=True), queries=["x"])
    with pytest.raises(PerceptionError, match="cannot be found"):
        Sam2Segmenter.load(ModelSource("/no/such/folder", "cpu", local_files_only=True))


def test_weights_of_another_architecture_are_refused(tiny: Folder) -> None:
    with pytest.raises(PerceptionError):
        SamSegmenter.load(source(tiny("clip")))


def test_pickled_weights_are_not_loaded(tiny: Folder, tmp_path: Path) -> None:
    import shutil

    folder = shutil.copytree(tiny("clip"), tmp_path / "pickled")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(PerceptionError, match="safetensors"):
        ContrastiveFilter.clip(source(folder))


def test_a_missing_processor_is_named(tiny: Folder, tmp_path: Path) -> None:
    import shutil

    folder = shutil.copytree(tiny("sam2"), tmp_path / "bare")
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(PerceptionError, match="no image processor"):
        Sam2Segmenter.load(source(folder))
    (folder / "preprocessor_config.json").write_text("{ not json")
    with pytest.raises(PerceptionError, match="cannot be read"):
        Sam2Segmenter.load(source(folder))


def test_out_of_memory_and_bad_settings_are_clear() -> None:
    with pytest.raises(PerceptionError, match="ran out of memory.*smaller batch"), device_guard():
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")
    with pytest.raises(ConfigError, match="dtype"):
        ModelSource("x", dtype="float8").torch_dtype()
