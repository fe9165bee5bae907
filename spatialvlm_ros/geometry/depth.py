"""Depth pictures: one form in memory (float32 metres, NaN invalid), units explicit at the border (REP-118)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import DepthError

# What each ROS encoding means: the type and the metres of one unit.
ENCODINGS: dict[str, tuple[type[np.generic], float]] = {
    "16UC1": (np.uint16, 0.001),
    "mono16": (np.uint16, 0.001),
    "32FC1": (np.float32, 1.0),
}

_MAX_MILLIMETRES = 65535


def depth_to_metres(depth: NDArray[np.generic], encoding: str | None = None) -> NDArray[np.float32]:
    """(H, W) depth picture -> (H, W) float32 metres, NaN where invalid (0, negative, NaN, inf).

    Args:
        depth: uint16 millimetres or float32 metres.
        encoding: "16UC1" or "32FC1"; None takes it from the type (uint16 mm, float32/float64 m).

    Raises:
        DepthError: another shape or type; the encoding and the type disagree.
    """
    array = np.asarray(depth)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim != 2:
        raise DepthError("a depth picture has two dimensions", array.shape, "Is this the colour picture?")
    if encoding is None:
        encoding = _encoding_of(array.dtype)
    if encoding not in ENCODINGS:
        raise DepthError("unknown depth encoding", encoding, f"Known ones: {', '.join(ENCODINGS)}.")
    kind, unit = ENCODINGS[encoding]
    integer = np.issubdtype(array.dtype, np.integer)
    if integer != (kind is np.uint16) or (integer and array.dtype.itemsize != 2):
        raise DepthError(
            f"depth encoding {encoding} does not fit the array type",
            array.dtype,
            "16UC1 is uint16 mm, 32FC1 float32 m.",
        )
    with np.errstate(over="ignore"):  # float64 above the float32 range becomes inf, which is invalid anyway
        metres = array.astype(np.float32)
    if unit != 1.0:
        metres *= np.float32(unit)
    metres[~(np.isfinite(metres) & (metres > 0))] = np.nan
    return metres


def _encoding_of(dtype: np.dtype[np.generic]) -> str:
    if dtype == np.uint16:
        return "16UC1"
    if dtype in (np.float32, np.float64):
        return "32FC1"
    raise DepthError(
        "depth is neither uint16 millimetres nor float32 metres", dtype, "Convert it, or name its encoding."
    )


def metres_to_millimetres(depth: NDArray[np.floating]) -> NDArray[np.uint16]:
    """(H, W) metres -> (H, W) uint16 millimetres rounded to the nearest; invalid and beyond 65.535 m become 0."""
    metres = np.asarray(depth)
    if metres.ndim != 2 or not np.issubdtype(metres.dtype, np.floating):
        raise DepthError(
            "expected an (H, W) float picture in metres", (metres.shape, metres.dtype), "Convert it first."
        )
    with np.errstate(invalid="ignore", over="ignore"):
        millimetres = np.rint(metres.astype(np.float64) * 1000.0)
        valid = np.isfinite(millimetres) & (millimetres > 0) & (millimetres <= _MAX_MILLIMETRES)
    return np.where(valid, millimetres, 0).astype(np.uint16)


def valid_share(depth: NDArray[np.floating]) -> float:
    """Share of pixels with a valid depth, 0..1."""
    return float(np.isfinite(depth).mean()) if depth.size else 0.0
