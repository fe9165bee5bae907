"""What every kind of model hands over: distributions and locations, before fusion and calibration.

A backend encodes a picture once and answers many queries about it. `View` (in ``view.py``) turns what it hands over
into `Estimate`s: it fuses depth, camera height and known sizes, applies the calibration and abstains. A backend
never does any of that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.models.query import ObjectRef, Query
from spatialvlm_ros.scenes.observation import Observation

Float = NDArray[np.float64]

PRESENT, ABSENT, AMBIGUOUS = 0, 1, 2


@dataclass(frozen=True)
class Locations:
    """K objects as a model locates them; NaN where it does not say. Standard deviations are uncalibrated.

    Attributes:
        presence: (K, 3) probabilities of: there once, not there, there several times.
        boxes: (K, 4) x0, y0, x1, y1 in pixels of the observation, visible part.
        box_stds: (K, 4) pixels.
        centers: (K, 2) pixels: projection of the centre of the whole object.
        center_stds: (K, 2) pixels.
        log_ranges: (K,) log metres from the optical centre to the object's centre (along the ray, not z).
        log_range_stds: (K,).
        log_sizes: (K, 3) log metres of the extents along the frame's left, forward and up axes.
        log_size_stds: (K, 3).
    """

    presence: Float
    boxes: Float
    box_stds: Float
    centers: Float
    center_stds: Float
    log_ranges: Float
    log_range_stds: Float
    log_sizes: Float
    log_size_stds: Float

    def __len__(self) -> int:
        return len(self.presence)

    def __getitem__(self, index: slice | list[int] | NDArray[Any]) -> Locations:
        return Locations(*(getattr(self, name)[index] for name in self.__dataclass_fields__))

    @staticmethod
    def unknown(n: int) -> Locations:
        """n objects of which nothing is said (presence included)."""
        widths = (3, 4, 4, 2, 2, 0, 0, 3, 3)
        return Locations(*(np.full((n, w) if w else n, np.nan) for w in widths))


@dataclass(frozen=True)
class FrameReading:
    """The vertical and the camera's height over the support plane as the model sees them.

    Attributes:
        up: (3,) unit vector in the optical frame.
        up_std: radians.
        log_height: log metres of the camera over the plane that carries most objects; NaN if it does not say.
        log_height_std: uncalibrated.
    """

    up: Float
    up_std: float
    log_height: float
    log_height_std: float


@dataclass(frozen=True)
class Readings:
    """N queries as a model reads them.

    Attributes:
        lengths: (N, N_BINS) probabilities on the grid of ``quantities.py`` of the asked length; rows of predicates are
            NaN. The last bin is "out of range".
        p_true: (N,) probability of a predicate; NaN for lengths.
        subjects: `Locations` of length N, of each query's subject (all NaN for backends that do not ground; "camera"
            rows are NaN with presence 1, 0, 0).
        references: the same of the references; NaN rows for queries of one object.
    """

    lengths: Float
    p_true: Float
    subjects: Locations
    references: Locations

    def __len__(self) -> int:
        return len(self.p_true)


@runtime_checkable
class Backend(Protocol):
    """One model. Everything it raises on purpose is a `ModelError`."""

    @property
    def name(self) -> str:
        """What it was loaded from, for people and for the calibration file."""
        ...

    def encode(self, observation: Observation) -> Any:
        """The picture's prefix, computed once; opaque to the caller."""
        ...

    def read(self, encoded: Any, queries: Sequence[Query]) -> Readings:
        """All queries in one batch behind the encoded picture."""
        ...

    def locate(self, encoded: Any, objects: Sequence[ObjectRef]) -> Locations:
        """Where the objects are."""
        ...

    def frame(self, encoded: Any) -> FrameReading | None:
        """The vertical and the camera's height, or None for models that do not say."""
        ...

    def ask(self, encoded: Any, question: str, max_new_tokens: int = 48) -> str:
        """The answer in words."""
        ...
