"""The open-world path: a picture goes through the experts and becomes a Scene in metres (paper, section 3.1).

filter -> boxes -> non-maximum suppression -> masks -> names -> camera and depth -> lifting. A measured depth always
wins over an estimated one, a known camera over an estimated field of view. No picture stops the run: what fails is
skipped, with the stage and the reason counted.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import ConfigError, PerceptionError
from spatialvlm_ros.geometry.boxes2d import areas, clip_boxes, non_maximum_suppression
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.geometry.depth import valid_share
from spatialvlm_ros.perception.captions import is_background, tidy_caption
from spatialvlm_ros.perception.capture import Capture
from spatialvlm_ros.perception.protocols import (
    Captioner,
    DepthEstimate,
    DepthEstimator,
    Detector,
    FieldOfViewEstimator,
    ImageFilter,
    Proposals,
    Segmenter,
)
from spatialvlm_ros.scenes.lifting.detection import Detection
from spatialvlm_ros.scenes.observation import Observation
from spatialvlm_ros.scenes.scene import Scene

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

Lift = Callable[[Observation, Sequence[Detection]], Scene]


@dataclass(frozen=True)
class PipelineOptions:
    """Numbers of the pipeline.

    Attributes:
        max_overlap: intersection over union above which the weaker of two boxes goes.
        max_objects: at most this many objects a picture, best first.
        min_box_share, max_box_share: smallest and largest box, as a share of the picture's area.
        min_mask_pixels: masks with fewer pixels are dropped.
        min_valid_depth: a measured depth with a smaller share of valid pixels counts as none.
        max_caption_words: longer captions are cut.
        assumed_hfov: radians, used where neither camera nor estimator says anything; None skips such pictures.
    """

    max_overlap: float = 0.5
    max_objects: int = 12
    min_box_share: float = 0.0005
    max_box_share: float = 0.7
    min_mask_pixels: int = 40
    min_valid_depth: float = 0.02
    max_caption_words: int = 6
    assumed_hfov: float | None = None

    def __post_init__(self) -> None:
        for name in ("max_overlap", "min_box_share", "max_box_share", "min_valid_depth"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} is a share", getattr(self, name), "Give a number from 0 to 1.")
        for name in ("max_objects", "min_mask_pixels", "max_caption_words"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is too small", getattr(self, name), "Give 1 or more.")


@dataclass(frozen=True)
class PipelineResult:
    """What became of one picture.

    Attributes:
        name: of the capture.
        scene: None if it was skipped.
        skipped: why, from a small set of texts that start with the stage ("image filter: painting"); "" if it was not.
        detections: what was handed to lifting.
        depth_source: "depth_sensor" or "monocular".
        camera_source: "known", "estimated" or "assumed".
    """

    name: str
    scene: Scene | None = None
    skipped: str = ""
    detections: tuple[Detection, ...] = ()
    depth_source: str = ""
    camera_source: str = ""


class _Skip(Exception):
    """Leaves the pipeline for one picture."""


@dataclass
class OpenWorldPipeline:
    """Composes the experts; every stage but the detector may be left out.

    Attributes:
        detector: proposes boxes.
        segmenter: None hands boxes without masks to lifting.
        captioner: None keeps the detector's words.
        image_filter: None keeps every picture.
        depth: used for pictures without measured depth; None skips those.
        field_of_view: used for pictures without a camera model, before what the depth model thinks.
        options: numbers.
        lift: from the observation and its detections to the scene; `lift_marking_cut` by default.
        skipped: how many pictures were skipped, by reason.
    """

    detector: Detector
    segmenter: Segmenter | None = None
    captioner: Captioner | None = None
    image_filter: ImageFilter | None = None
    depth: DepthEstimator | None = None
    field_of_view: FieldOfViewEstimator | None = None
    options: PipelineOptions = field(default_factory=PipelineOptions)
    lift: Lift | None = None
    skipped: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        if self.lift is None:
            from spatialvlm_ros.perception.cut_things import lift_marking_cut

            self.lift = lift_marking_cut

    def run(self, captures: Iterable[Capture], batch_size: int = 4) -> Iterator[PipelineResult]:
        """One result per picture, in order; filter, detector and depth see ``batch_size`` pictures at a time."""
        batch: list[Capture] = []
        for capture in captures:
            batch.append(capture)
            if len(batch) == batch_size:
                yield from self.run_batch(batch)
                batch = []
        yield from self.run_batch(batch)

    def run_batch(self, captures: Sequence[Capture]) -> list[PipelineResult]:
        """One result per picture, in order."""
        work = [_Work(capture) for capture in captures]
        for stage in (self._filter, self._detect, self._measure):
            stage([item for item in work if not item.skipped])
        for item in work:
            if not item.skipped:
                self._finish(item)
        for item in work:
            if item.skipped:
                self.skipped[item.skipped] += 1
        return [item.result() for item in work]

    # ---- stages that see a batch ----

    def _filter(self, work: list[_Work]) -> None:
        if self.image_filter is None:
            return
        judge = self.image_filter.judge
        for item, verdict in _each(work, "image filter", lambda items: judge([i.capture for i in items])):
            if not verdict.keep:
                item.skipped = f"image filter: {verdict.label}"

    def _detect(self, work: list[_Work]) -> None:
        detect = self.detector.detect
        for item, proposals in _each(work, "detector", lambda items: detect([i.capture for i in items])):
            item.proposals = self._select(item.capture, proposals)
            if not len(item.proposals):
                item.skipped = "detector: nothing found"

    def _select(self, capture: Capture, proposals: Proposals) -> Proposals:
        """Boxes inside the picture, of a sensible size, without doubles, best first."""
        options = self.options
        finite = np.isfinite(proposals.boxes).all(axis=1) & np.isfinite(proposals.scores)
        proposals = proposals[np.flatnonzero(finite)]
        boxes = clip_boxes(proposals.boxes, capture.width, capture.height)
        proposals = Proposals(boxes, proposals.scores, proposals.labels)
        share = areas(boxes) / (capture.width * capture.height)
        proposals = proposals[np.flatnonzero((share >= options.min_box_share) & (share <= options.max_box_share))]
        kept = non_maximum_suppression(proposals.boxes, proposals.scores, options.max_overlap)
        return proposals[kept[: options.max_objects]]

    def _measure(self, work: list[_Work]) -> None:
        """Camera and depth of each picture: measured ones first, estimates only for what is missing."""
        for item in work:
            if item.capture.depth is not None and item.capture.depth.shape != item.capture.rgb.shape[:2]:
                item.skipped = "depth: not registered to the picture"
        work = [item for item in work if not item.skipped]
        self._estimate_fields_of_view([item for item in work if item.capture.camera is None])
        self._estimate_depth([item for item in work if not item.skipped and not self._has_depth(item.capture)])
        for item in work:
            if not item.skipped:
                item.resolve(self.options.assumed_hfov)

    def _has_depth(self, capture: Capture) -> bool:
        return capture.depth is not None and valid_share(capture.depth) >= self.options.min_valid_depth

    def _estimate_fields_of_view(self, work: list[_Work]) -> None:
        if self.field_of_view is None:
            return
        hfov = self.field_of_view.hfov
        for item, angle in _each(work, "field of view", lambda items: hfov([i.capture for i in items])):
            if not 0 < angle < np.pi:
                item.skipped = "field of view: not an angle"
                continue
            item.estimated_camera = Camera.from_hfov(item.capture.width, item.capture.height, angle)

    def _estimate_depth(self, work: list[_Work]) -> None:
        if self.depth is None:
            for item in work:
                item.skipped = "depth: no valid measurement" if item.capture.depth is not None else "depth: none"
            return
        estimate = self.depth.estimate
        for item, result in _each(
            work, "depth", lambda items: estimate([i.capture for i in items], [i.camera for i in items])
        ):
            if result.depth.shape != item.capture.rgb.shape[:2]:
                item.skipped = "depth: estimate of the wrong size"
            else:
                item.estimate = result

    # ---- stages for one picture ----

    def _finish(self, item: _Work) -> None:
        """Masks, names, lifting."""
        try:
            masks = self._masks(item)
            item.detections = self._detections(item, masks)
            if not item.detections:
                raise _Skip("caption: only background")
            observation = _stage("observation", lambda: item.observation())
            lift = self.lift
            assert lift is not None  # set in __post_init__; tells the type checker
            item.scene = _stage("lifting", lambda: lift(observation, item.detections))
            if not item.scene.objects:
                raise _Skip("lifting: no object has enough depth")
        except _Skip as reason:
            item.skipped = str(reason)

    def _masks(self, item: _Work) -> list[NDArray[np.bool_]] | None:
        """Masks of the proposals; proposals without one are dropped."""
        if self.segmenter is None:
            return None
        capture, segment = item.capture, self.segmenter.segment
        masks = _stage("segmenter", lambda: segment(capture, item.proposals.boxes))
        if masks.shape != (len(item.proposals), capture.height, capture.width):
            raise _Skip("segmenter: masks of the wrong size")
        enough = np.flatnonzero(masks.reshape(len(masks), -1).sum(axis=1) >= self.options.min_mask_pixels)
        if not len(enough):
            raise _Skip("segmenter: empty masks")
        item.proposals = item.proposals[enough]
        return list(masks[enough])

    def _detections(self, item: _Work, masks: list[NDArray[np.bool_]] | None) -> tuple[Detection, ...]:
        proposals = item.proposals
        if self.captioner is None:
            names = list(proposals.labels)
        else:
            caption = self.captioner.caption
            names = _stage("caption", lambda: caption(item.capture, proposals.boxes))
            if len(names) != len(proposals):
                raise _Skip("caption: wrong number")
        detections = []
        for index, name in enumerate(names):
            label = tidy_caption(name, self.options.max_caption_words)
            if is_background(label):
                continue
            mask = None if masks is None else masks[index]
            score = float(np.clip(proposals.scores[index], 0, 1))
            detections.append(Detection(label, proposals.boxes[index], mask, score))
        return tuple(detections)


@dataclass
class _Work:
    """One picture on its way."""

    capture: Capture
    skipped: str = ""
    proposals: Proposals = field(default_factory=lambda: Proposals(np.zeros((0, 4)), np.zeros(0), ()))
    estimated_camera: Camera | None = None
    estimate: DepthEstimate | None = None
    detections: tuple[Detection, ...] = ()
    scene: Scene | None = None
    camera_source: str = ""

    @property
    def camera(self) -> Camera | None:
        """The best camera known so far."""
        return self.capture.camera or self.estimated_camera

    def resolve(self, assumed_hfov: float | None) -> None:
        """Settle the camera: known, else estimated, else what the depth model thinks, else assumed."""
        self.camera_source = "known" if self.capture.camera else "estimated"
        if self.camera is None and self.estimate is not None and self.estimate.hfov is not None:
            self.estimated_camera = Camera.from_hfov(self.capture.width, self.capture.height, self.estimate.hfov)
        if self.camera is None and assumed_hfov is not None:
            self.estimated_camera = Camera.from_hfov(self.capture.width, self.capture.height, assumed_hfov)
            self.camera_source = "assumed"
        if self.camera is None:
            self.skipped = "camera: unknown"

    def observation(self) -> Observation:
        if self.estimate is None:
            return self.capture.observation(self.estimated_camera)
        capture = Capture(**{**self.capture.__dict__, "depth": None})  # a measured depth without valid pixels
        return capture.observation(self.estimated_camera, self.estimate.depth)

    def result(self) -> PipelineResult:
        if self.skipped:
            return PipelineResult(self.capture.name, skipped=self.skipped, detections=self.detections)
        source = "depth_sensor" if self.estimate is None else "monocular"
        return PipelineResult(self.capture.name, self.scene, "", self.detections, source, self.camera_source)


def _stage(name: str, call: Callable[[], _T]) -> _T:
    """Run one stage for one picture; whatever goes wrong in an expert costs that picture only."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - experts are foreign code
        _log.warning("%s failed: %s", name, error)
        raise _Skip(f"{name}: failed") from error


def _each(work: list[_Work], name: str, call: Callable[[list[_Work]], Sequence[_T]]) -> Iterator[tuple[_Work, _T]]:
    """Results of a stage that sees a batch; if the batch fails, its pictures are tried one by one."""
    if not work:
        return
    try:
        results = call(work)
        if len(results) != len(work):
            raise PerceptionError(f"{name} returned another number of results", len(results), f"Expected {len(work)}.")
    except Exception as error:  # noqa: BLE001 - experts are foreign code
        if len(work) == 1:
            _log.warning("%s failed on %s: %s", name, work[0].capture.name, error)
            work[0].skipped = f"{name}: failed"
            return
        _log.info("%s failed on a batch of %d (%s): trying one by one", name, len(work), error)
        for item in work:
            yield from _each([item], name, call)
        return
    yield from zip(work, results, strict=True)
