"""Boxes and masks that a person (or another program) wrote down beside the pictures.

A ``labels.json`` (or .yaml) looks like this; boxes are x0, y0, x1, y1 in pixels, the last two exclusive, and
"polygon" or "mask" (a file: everything that is not black) are optional:

    {"pictures": {"0001.png": [{"label": "red mug", "box": [10, 20, 60, 80]},
                               {"label": "table", "polygon": [[0, 50], [99, 50], [99, 79]]},
                               {"label": "cup", "mask": "masks/0001_cup.png"}]}}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import PerceptionError, SourceError
from spatialvlm_ros.geometry.boxes2d import overlaps
from spatialvlm_ros.perception.capture import Capture
from spatialvlm_ros.perception.protocols import Proposals, Segmenter
from spatialvlm_ros.shared_files import read_json_or_yaml

# A box that came back from the pipeline (clipped, sorted) is still this much the one written down.
_SAME_BOX = 0.9


@dataclass(frozen=True)
class Label:
    """One object that somebody marked.

    Attributes:
        label: its name.
        box: (4,) x0, y0, x1, y1 pixels.
        polygon: (N, 2) pixels or None.
        mask: path of a mask picture or None.
    """

    label: str
    box: NDArray[np.float64]
    polygon: NDArray[np.float64] | None = None
    mask: Path | None = None

    def draw(self, width: int, height: int) -> NDArray[np.bool_] | None:
        """(H, W) mask, None where only a box was marked.

        Raises:
            PerceptionError: the mask file is unreadable or of another size.
        """
        if self.mask is not None:
            return _read_mask(self.mask, width, height)
        if self.polygon is None:
            return None
        canvas = np.zeros((height, width), np.uint8)
        cv2.fillPoly(canvas, [np.round(self.polygon).astype(np.int32)], 1)
        return canvas.astype(bool)


def read_labels(path: str | Path) -> dict[str, list[Label]]:
    """Picture name -> its labels, from a JSON or YAML file.

    Raises:
        SourceError: unreadable, or an entry is malformed; names the picture and the entry.
    """
    import yaml

    path = Path(path)
    try:
        content = read_json_or_yaml(path)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise SourceError(f"the labels {path} cannot be read", str(error), "Write JSON or YAML.") from error
    pictures = content.get("pictures") if isinstance(content, dict) else None
    if not isinstance(pictures, dict):
        raise SourceError(f"{path} has no pictures", type(content).__name__, 'It needs {"pictures": {NAME: [...]}}.')
    return {
        str(name): [_label(entry, f"{path}, {name}", path.parent) for entry in _entries(entries, f"{path}, {name}")]
        for name, entries in pictures.items()
    }


def _entries(entries: Any, where: str) -> list[Any]:
    if entries is not None and not isinstance(entries, list):
        raise SourceError(f"the labels of {where} are no list", entries, "Write [{label: ..., box: [...]}, ...].")
    return entries or []


def _label(entry: Any, where: str, folder: Path) -> Label:
    if not isinstance(entry, Mapping) or not str(entry.get("label") or "").strip():
        raise SourceError(f"an object without a label in {where}", entry, "Each needs label and box, polygon or mask.")
    try:
        mask = folder / entry["mask"] if entry.get("mask") else None
        polygon = np.array(entry["polygon"], dtype=np.float64).reshape(-1, 2) if entry.get("polygon") else None
        box = np.array(entry["box"], dtype=np.float64) if entry.get("box") else _box_of(polygon, mask)
    except (TypeError, ValueError) as error:
        raise SourceError(f"numbers or a file name expected in {where}", dict(entry), str(error)) from error
    if box is None or box.shape != (4,) or not np.isfinite(box).all() or (box[2:] <= box[:2]).any():
        raise SourceError(f"a label without area in {where}", dict(entry), "box is [x0, y0, x1, y1], x1 > x0, y1 > y0.")
    return Label(str(entry["label"]).strip(), box, polygon, mask)


def _box_of(polygon: NDArray[np.float64] | None, mask: Path | None) -> NDArray[np.float64] | None:
    if polygon is not None:
        return np.concatenate([polygon.min(axis=0), polygon.max(axis=0) + 1])
    if mask is None:
        return None
    picture = cv2.imread(str(mask), cv2.IMREAD_GRAYSCALE)
    if picture is None or not picture.any():
        raise SourceError("a mask is unreadable or empty", str(mask), "Save it as PNG.")
    rows, columns = np.nonzero(picture)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], dtype=np.float64)


def _read_mask(path: Path, width: int, height: int) -> NDArray[np.bool_]:
    picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if picture is None or picture.shape != (height, width):
        raise PerceptionError(
            f"the mask {path} does not fit its picture of {width}x{height}",
            None if picture is None else picture.shape[::-1],
            "Save it as PNG of the picture's size.",
        )
    return picture > 0


class SidecarDetector:
    """Gives the boxes that were written down for a picture (`Detector`).

    Args:
        labels: path of the file; picture names in it are those of the captures.

    Raises:
        SourceError: as `read_labels`: at once, for no picture can get labels from a file that cannot be read.
    """

    def __init__(self, labels: str | Path) -> None:
        self._labels = read_labels(labels)

    def labels_of(self, capture: Capture) -> list[Label]:
        """What was marked in this picture."""
        return self._labels.get(capture.name, [])

    def detect(self, captures: Sequence[Capture]) -> list[Proposals]:
        return [self._proposals(self.labels_of(capture)) for capture in captures]

    @staticmethod
    def _proposals(labels: Sequence[Label]) -> Proposals:
        boxes = np.array([label.box for label in labels]).reshape(-1, 4)
        return Proposals(boxes, np.ones(len(labels)), tuple(label.label for label in labels))


class SidecarSegmenter:
    """Gives the masks that were written down; where only a box was, another segmenter fills it (`Segmenter`).

    Args:
        labels: as in `SidecarDetector`.
        fallback: for boxes without a mask; None uses GrabCut.
    """

    def __init__(self, labels: str | Path, fallback: Segmenter | None = None) -> None:
        from spatialvlm_ros.perception.masks import GrabCutSegmenter

        self._detector = SidecarDetector(labels)
        self._fallback = fallback or GrabCutSegmenter()

    def segment(self, capture: Capture, boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
        marked = [
            (label.box, mask)
            for label in self._detector.labels_of(capture)
            if (mask := label.draw(capture.width, capture.height)) is not None
        ]
        masks = np.zeros((len(boxes), capture.height, capture.width), bool)
        open_boxes = np.ones(len(boxes), bool)
        if marked and len(boxes):
            same = overlaps(np.asarray(boxes), np.array([box for box, _ in marked]))
            for index in np.flatnonzero(same.max(axis=1) >= _SAME_BOX):
                masks[index] = marked[int(same[index].argmax())][1]
                open_boxes[index] = False
        if open_boxes.any():
            masks[open_boxes] = self._fallback.segment(capture, np.asarray(boxes)[open_boxes])
        return masks
