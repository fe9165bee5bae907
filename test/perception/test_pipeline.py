"""The pipeline: order of the stages, what wins, what is skipped, and that nothing stops the run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from spatialvlm_ros.errors import ConfigError, PerceptionError
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.perception.capture import Capture
from spatialvlm_ros.perception.pipeline import OpenWorldPipeline, PipelineOptions
from spatialvlm_ros.perception.protocols import DepthEstimate, FilterVerdict, Proposals
from spatialvlm_ros.questions.generator import QuestionGenerator

HEIGHT, WIDTH = 60, 100
CAMERA = Camera(WIDTH, HEIGHT, 80.0, 80.0, 49.5, 29.5)
OBJECT = (30, 20, 60, 44)


def capture(name: str = "a", camera: Camera | None = CAMERA, measured: bool = True) -> Capture:
    """A red object 2 m away before a wall at 4 m."""
    rgb = np.full((HEIGHT, WIDTH, 3), 120, np.uint8)
    rgb[OBJECT[1] : OBJECT[3], OBJECT[0] : OBJECT[2]] = (220, 20, 20)
    depth = np.full((HEIGHT, WIDTH), 4.0, np.float32)
    depth[OBJECT[1] : OBJECT[3], OBJECT[0] : OBJECT[2]] = 2.0
    return Capture(rgb, name, camera, depth if measured else None)


class Boxes:
    """A detector that gives the same boxes for every picture, and fails on names it is told."""

    def __init__(
        self, boxes: Sequence[Sequence[float]] = (OBJECT,), scores=(0.9,), labels=("red box",), fails=()
    ) -> None:
        self.proposals = Proposals(np.array(boxes, dtype=float).reshape(-1, 4), np.array(scores), tuple(labels))
        self.fails, self.calls = set(fails), []

    def detect(self, captures):  # noqa: ANN001, ANN201
        self.calls.append([c.name for c in captures])
        if self.fails & set(self.calls[-1]):
            raise RuntimeError("CUDA error: something foreign")
        return [self.proposals] * len(captures)


class FullBoxes:
    """A segmenter that fills the boxes."""

    def segment(self, item, boxes):  # noqa: ANN001, ANN201
        masks = np.zeros((len(boxes), item.height, item.width), bool)
        for mask, (x0, y0, x1, y1) in zip(masks, boxes.astype(int), strict=True):
            mask[y0:y1, x0:x1] = True
        return masks


class Names:
    def __init__(self, *names: str) -> None:
        self.names = names

    def caption(self, item, boxes):  # noqa: ANN001, ANN201
        return list(self.names[: len(boxes)])


class ConstantDepth:
    def __init__(self, metres: float = 7.0, hfov: float | None = None, shape=(HEIGHT, WIDTH)) -> None:
        self.metres, self.hfov, self.shape, self.cameras = metres, hfov, shape, []

    def estimate(self, captures, cameras):  # noqa: ANN001, ANN201
        self.cameras += list(cameras)
        return [DepthEstimate(np.full(self.shape, self.metres, np.float32), self.hfov) for _ in captures]


class ConstantAngle:
    def __init__(self, angle: float) -> None:
        self.angle, self.calls = angle, 0

    def hfov(self, captures):  # noqa: ANN001, ANN201
        self.calls += 1
        return [self.angle] * len(captures)


def run(item: Capture, **stages):  # noqa: ANN003, ANN201
    stages.setdefault("detector", Boxes())
    stages.setdefault("segmenter", FullBoxes())
    return OpenWorldPipeline(**stages).run_batch([item])[0]


def test_a_picture_becomes_a_scene_in_metres() -> None:
    result = run(capture())
    assert (result.skipped, result.depth_source, result.camera_source) == ("", "depth_sensor", "known")
    item = result.scene.objects[0]
    assert item.label == "red box"
    assert np.median(item.points[:, 2]) == pytest.approx(2.0, abs=1e-3)
    # The middle of the object is 5 pixels left of and 2 above the principal point, at 2 m.
    np.testing.assert_allclose(np.median(item.points[:, :2], axis=0), [-5 * 2 / 80, 2 * 2 / 80], atol=0.03)


def test_measured_depth_wins_and_the_estimator_is_not_even_asked() -> None:
    depth = ConstantDepth(7.0)
    result = run(capture(), depth=depth)
    assert result.depth_source == "depth_sensor" and not depth.cameras
    result = run(capture(measured=False), depth=depth)
    assert result.depth_source == "monocular" and depth.cameras == [CAMERA]
    assert np.median(result.scene.objects[0].points[:, 2]) == pytest.approx(7.0)


def test_measured_depth_without_valid_pixels_counts_as_none() -> None:
    blind = Capture(capture().rgb, "blind", CAMERA, np.full((HEIGHT, WIDTH), np.nan, np.float32))
    assert run(blind).skipped == "depth: no valid measurement"
    assert run(blind, depth=ConstantDepth(3.0)).depth_source == "monocular"
    assert run(capture(measured=False)).skipped == "depth: none"


def test_a_known_camera_wins_over_every_estimate() -> None:
    angle = ConstantAngle(np.radians(60))
    assert run(capture(), field_of_view=angle).scene.observation.camera == CAMERA
    assert angle.calls == 0
    result = run(capture(camera=None), field_of_view=angle)
    assert result.camera_source == "estimated"
    assert result.scene.observation.camera.hfov() == pytest.approx(np.radians(60))


def test_without_an_estimator_the_depth_model_says_how_wide_the_picture_is() -> None:
    blank = capture(camera=None, measured=False)
    result = run(blank, depth=ConstantDepth(5.0, hfov=1.1))
    assert result.scene.observation.camera.hfov() == pytest.approx(1.1)
    assert result.camera_source == "estimated"
    both = run(blank, depth=ConstantDepth(5.0, hfov=1.1), field_of_view=ConstantAngle(0.9))
    assert both.scene.observation.camera.hfov() == pytest.approx(0.9)
    assert run(blank, depth=ConstantDepth(5.0)).skipped == "camera: unknown"
    assumed = run(blank, depth=ConstantDepth(5.0), options=PipelineOptions(assumed_hfov=1.0))
    assert (assumed.camera_source, assumed.scene.observation.camera.hfov()) == ("assumed", pytest.approx(1.0))
    assert run(blank, depth=ConstantDepth(), field_of_view=ConstantAngle(9.0)).skipped == "field of view: not an angle"


@pytest.mark.parametrize(
    ("stages", "reason"),
    [
        ({"detector": Boxes(boxes=(), scores=(), labels=())}, "detector: nothing found"),
        ({"detector": Boxes(boxes=((np.nan, 0, 5, 5),))}, "detector: nothing found"),
        ({"detector": Boxes(boxes=((200, 200, 300, 300),))}, "detector: nothing found"),
        ({"detector": Boxes(boxes=((0, 0, WIDTH, HEIGHT),))}, "detector: nothing found"),
        ({"detector": Boxes(fails=("a",))}, "detector: failed"),
        ({"captioner": Names("the sky")}, "caption: only background"),
        ({"captioner": Names()}, "caption: wrong number"),
        ({"image_filter": type("F", (), {"judge": lambda s, c: [FilterVerdict(False, "painting", 0.1)]})()},
         "image filter: painting"),
        ({"image_filter": type("F", (), {"judge": lambda s, c: []})()}, "image filter: failed"),
        ({"segmenter": type("S", (), {"segment": lambda s, c, b: np.zeros((1, 60, 100), bool)})()},
         "segmenter: empty masks"),
        ({"segmenter": type("S", (), {"segment": lambda s, c, b: np.ones((1, 100, 60), bool)})()},
         "segmenter: masks of the wrong size"),
        ({"lift": lambda observation, detections: 1 / 0}, "lifting: failed"),
    ],
)  # fmt: skip
def test_every_way_to_fail_has_its_reason(stages: dict, reason: str) -> None:
    assert run(capture(), **stages).skipped == reason


def test_sizes_that_do_not_fit_are_skipped() -> None:
    small = Capture(capture().rgb, "x", CAMERA, np.ones((30, 50), np.float32))
    assert run(small).skipped == "depth: not registered to the picture"
    assert (
        run(capture(measured=False), depth=ConstantDepth(shape=(30, 50))).skipped == "depth: estimate of the wrong size"
    )
    other = Capture(capture().rgb, "x", Camera.from_hfov(50, 30, 1.0), capture().depth)
    assert run(other).skipped == "observation: failed"


def test_one_bad_picture_costs_only_itself_and_reasons_are_counted() -> None:
    detector = Boxes(fails=("c",))
    pipeline = OpenWorldPipeline(detector, FullBoxes())
    results = list(pipeline.run([capture(name) for name in "abcdef"], batch_size=4))
    assert [r.name for r in results] == list("abcdef")
    assert [r.skipped for r in results] == ["", "", "detector: failed", "", "", ""]
    assert pipeline.skipped == {"detector: failed": 1}
    assert detector.calls == [list("abcd"), ["a"], ["b"], ["c"], ["d"], list("ef")]


def test_boxes_are_thinned_out_best_first() -> None:
    boxes = [OBJECT, (31, 21, 61, 45), (70, 5, 90, 20), (29, 19, 200, 44), (70, 30, 90, 55)]
    detector = Boxes(boxes, (0.5, 0.8, 0.4, 0.1, 0.3), ("worse", "better", "other", "cut", "weak"))
    result = run(capture(), detector=detector, options=PipelineOptions(max_objects=3))
    assert [d.label for d in result.detections] == ["better", "other", "weak"]
    assert [d.score for d in result.detections] == [0.8, 0.4, 0.3]


def test_nothing_is_asked_about_what_the_border_cuts() -> None:
    """Its box ends at the border: its size, and where its middle is, nobody has seen."""
    boxes = [OBJECT, (70, 20, WIDTH, 44)]
    detector = Boxes(boxes, (0.9, 0.8), ("red box", "blue shelf"))
    scene = run(capture(), detector=detector).scene
    assert {thing.label: thing.visible_fraction for thing in scene.objects} == {"red box": 1.0, "blue shelf": 0.25}
    asked = QuestionGenerator().generate([scene], per_scene=40, seeds=[3])[0]
    assert asked and not [qa for qa in asked if "shelf" in qa.question]
    everything = QuestionGenerator(min_visible=0.2).generate([scene], per_scene=40, seeds=[3])[0]
    assert [qa for qa in everything if "shelf" in qa.question]


def test_captions_name_the_objects_and_background_is_dropped() -> None:
    detector = Boxes([OBJECT, (70, 5, 90, 20)], (0.9, 0.8), ("", ""))
    result = run(capture(), detector=detector, captioner=Names("There is a red box on the", "a blue sky"))
    assert [d.label for d in result.detections] == ["red box"]


def test_options_are_checked() -> None:
    for wrong in ({"max_overlap": 1.5}, {"max_objects": 0}, {"min_box_share": -0.1}):
        with pytest.raises(ConfigError):
            PipelineOptions(**wrong)


def test_errors_of_experts_are_not_swallowed_silently(caplog: pytest.LogCaptureFixture) -> None:
    def out_of_memory(captures):  # noqa: ANN001, ANN202
        raise PerceptionError("the device ran out of memory", remedy="Use a smaller batch.")

    stage = type("F", (), {"judge": lambda s, c: out_of_memory(c)})()
    with caplog.at_level("WARNING"):
        assert run(capture(), image_filter=stage).skipped == "image filter: failed"
    assert "smaller batch" in caplog.text
