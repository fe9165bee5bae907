"""What each expert of the open-world path has to do: small protocols, so that any stage can be swapped.

Experts work on a batch of `Capture`. They raise `PerceptionError`; the pipeline skips and counts the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.perception.capture import Capture


@dataclass(frozen=True)
class FilterVerdict:
    """Whether a picture is worth lifting.

    Attributes:
        keep: use it.
        label: the prompt that fits it best, in a few words ("indoor scene", "painting").
        score: probability of all kept prompts together, 0..1.
    """

    keep: bool
    label: str
    score: float


@dataclass(frozen=True)
class Proposals:
    """Boxes proposed for one picture.

    Attributes:
        boxes: (N, 4) x0, y0, x1, y1 pixels of the picture as it came (x1, y1 exclusive).
        scores: (N,) 0..1.
        labels: N words, "" where the detector names nothing.
    """

    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    labels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, index: NDArray[np.intp]) -> Proposals:
        return Proposals(self.boxes[index], self.scores[index], tuple(self.labels[i] for i in index))


@dataclass(frozen=True)
class DepthEstimate:
    """Metric depth seen by a model.

    Attributes:
        depth: (H, W) float32 metres along the optical axis, NaN where the model gives nothing usable.
        hfov: horizontal field of view in radians that the model assumed or estimated, None if it has no opinion.
    """

    depth: NDArray[np.float32]
    hfov: float | None = None


@runtime_checkable
class ImageFilter(Protocol):
    """Says which pictures show a scene (paper, section 3.1, stage 1)."""

    def judge(self, captures: Sequence[Capture]) -> list[FilterVerdict]:
        """One verdict per picture."""
        ...


@runtime_checkable
class Detector(Protocol):
    """Proposes boxes."""

    def detect(self, captures: Sequence[Capture]) -> list[Proposals]:
        """Proposals per picture, in its own pixels, in any order."""
        ...


@runtime_checkable
class Segmenter(Protocol):
    """Makes a mask for each box."""

    def segment(self, capture: Capture, boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(N, H, W) masks of boxes (N, 4); an empty mask where nothing is found."""
        ...


@runtime_checkable
class Captioner(Protocol):
    """Names what is in each box, in free words."""

    def caption(self, capture: Capture, boxes: NDArray[np.float64]) -> list[str]:
        """N captions of boxes (N, 4)."""
        ...


@runtime_checkable
class DepthEstimator(Protocol):
    """Estimates metric depth from pictures alone."""

    def estimate(self, captures: Sequence[Capture], cameras: Sequence[Camera | None]) -> list[DepthEstimate]:
        """One estimate per picture; a model that uses the focal length takes that of a camera that is not None."""
        ...


@runtime_checkable
class FieldOfViewEstimator(Protocol):
    """Estimates how wide a picture is."""

    def hfov(self, captures: Sequence[Capture]) -> list[float]:
        """Horizontal field of view in radians per picture."""
        ...
