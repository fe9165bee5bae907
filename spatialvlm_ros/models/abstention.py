"""When a view does not answer, and with which reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.models.calibration import Calibration, Thresholds
from spatialvlm_ros.models.distributions import RELATION_ORDER, quantile_at
from spatialvlm_ros.models.estimate import Reason
from spatialvlm_ros.models.fusion import ReadOuts, length_constants
from spatialvlm_ros.models.presence import refusal_odds
from spatialvlm_ros.models.query import SIZES, ObjectRef, Region
from spatialvlm_ros.models.readings import FIXED, NAMED, ViewReadings
from spatialvlm_ros.scenes.relations import RELATIONS, Relation

Float = NDArray[np.float64]
Knows = Callable[[str], bool]


RANGE_MARGIN = 1.6  # a range is uncertain by about that factor at the ends of the trained ones
NO_READING = "The model gave no reading for this."
_LEAST_SIDE_PX = 2.0
_LEAST_OVERLAP = 0.25  # of a box with the picture


@dataclass(frozen=True)
class Refusal:
    """A reason and a sentence for people."""

    reason: Reason
    detail: str


def object_refusals(
    objects: tuple[ObjectRef, ...],
    readings: ViewReadings,
    thresholds: Thresholds,
    knows: Knows,
    ranges_m: tuple[float, float] | None = None,
    measured: Sequence[bool] | NDArray[np.bool_] = (),
) -> list[Refusal | None]:
    """Per object: why nothing can be said of it, or None.

    Args:
        objects: K.
        readings: of the view.
        thresholds: of the calibration.
        knows: whether the model knows a name.
        ranges_m: least and largest range of the objects that the model was trained on, metres; None for no limit.
        measured: (K,) whether an object's place is measured in depth or known, so that the model's range does not
            count; () for none.
    """
    refusals: list[Refusal | None] = []
    for k, given in enumerate(objects):
        if isinstance(given, Region):
            refusals.append(region_refusal(given, readings.camera))
        elif int(readings.kinds[k]) != NAMED:
            refusals.append(None)
        elif not knows(given):
            refusals.append(Refusal(Reason.UNKNOWN_NAME, f"The model does not know the name {given!r}."))
        else:
            refusals.append(_presence_refusal(given, readings.locations.presence[k], thresholds))
        if refusals[-1] is None and ranges_m is not None and not (len(measured) and measured[k]):
            refusals[-1] = _range_refusal(given, float(readings.locations.log_ranges[k]), ranges_m)
    return refusals


def _range_refusal(given: ObjectRef, log_range: float, ranges_m: tuple[float, float]) -> Refusal | None:
    """An object that the model itself puts far outside what it was trained on. NaN (not located) is no such object."""
    metres = float(np.exp(min(log_range, 50.0)))
    if not metres < ranges_m[0] / RANGE_MARGIN and not metres > ranges_m[1] * RANGE_MARGIN:
        return None
    trained = f"{ranges_m[0]:g} to {ranges_m[1]:g} m"
    return Refusal(Reason.OUT_OF_RANGE, f"The {given} seems to be {metres:.3g} m away; the model knows {trained}.")


def region_refusal(region: Region, camera: Camera) -> Refusal | None:
    """Why a region shows nothing: its middle or most of it is outside the picture, or it is smaller than a thing can
    be seen (boxes in shares of the picture instead of pixels are)."""
    pixels = np.asarray(region.pixels, dtype=np.float64).reshape(-1, 2)
    picture = f"the {camera.width} x {camera.height} picture"
    middle = pixels.mean(axis=0)[None]
    if not camera.contains(middle)[0]:
        return Refusal(Reason.OUT_OF_VIEW, f"The {region} is outside {picture}.")
    if np.isnan(camera.rays(middle)).any():
        return Refusal(Reason.OUT_OF_VIEW, f"The lens shows nothing that lies before it at the {region}.")
    if region.is_point:
        return None
    sides = pixels[1] - pixels[0]
    if sides.min() < _LEAST_SIDE_PX:
        numbers = ", ".join(f"{p:.3g}" for p in region.pixels)
        detail = f"The box ({numbers}) is less than {_LEAST_SIDE_PX:g} pixels wide or high: is it in pixels?"
        return Refusal(Reason.NOT_VISIBLE, detail)
    inside = np.minimum(pixels[1], [camera.width, camera.height]) - np.maximum(pixels[0], 0.0)
    if float(np.prod(inside / sides)) < _LEAST_OVERLAP:
        return Refusal(Reason.OUT_OF_VIEW, f"Most of the {region} is outside {picture}.")
    return None


def _presence_refusal(name: str, presence: Float, thresholds: Thresholds) -> Refusal | None:
    absent, several = refusal_odds(presence[None], thresholds)[0]
    if max(absent, several) <= 0:
        return None
    if several > absent:
        return Refusal(Reason.AMBIGUOUS, f"There seem to be several things called {name!r}: say more about it.")
    return Refusal(Reason.NOT_VISIBLE, f"{name!r} is not seen in this picture.")


def query_refusals(
    readings: ViewReadings, readouts: ReadOuts, calibration: Calibration, of_objects: list[Refusal | None]
) -> list[Refusal | None]:
    """Per query: why there is no answer, or None."""
    levels = readouts.raw.located.levels()
    values = readouts.values
    constants = length_constants(calibration, readings.relations, readouts.raw.metric)
    medians = quantile_at(readouts.combined, 0.5)
    untrained = (np.abs(medians) < constants["low"]) | (np.abs(medians) > constants["high"])
    overflow = (readings.overflow * readouts.direct_weight > calibration.thresholds.overflow) | (
        (readings.overflow > calibration.thresholds.overflow) & ~readouts.raw.metric
    )
    kinds = np.append(readings.kinds, NAMED)  # the last one is that of no reference
    composed = np.isfinite(readouts.raw.composed).all(axis=1) | np.isfinite(readouts.raw.p_composed)
    refusals: list[Refusal | None] = []
    for n, (subject, reference) in enumerate(
        zip(readings.subjects.tolist(), readings.references.tolist(), strict=True)
    ):
        relation = RELATION_ORDER[int(readings.relations[n])]
        found = next(_of_pair(of_objects, subject, reference), None)
        found = found or _point_refusal(readings, relation, subject, reference)
        if found is None and levels[subject] < RELATIONS[relation].min_level:
            needed = "the vertical" if levels[subject] == 0 else "the camera's height over the support plane"
            found = Refusal(Reason.NO_FRAME, f"{relation} needs {needed}, which is not known.")
        if found is None and not composed[n] and FIXED in (kinds[subject], kinds[reference]):
            # What the model says directly would be of what it takes for a gripper, not of the point.
            found = Refusal(
                Reason.MODEL_ERROR, "The model does not say how far away this is, so nothing ties it to the gripper."
            )
        if found is None and overflow[n]:
            found = Refusal(Reason.OUT_OF_RANGE, "The model says that this is outside the range it was trained for.")
        if found is None and not np.isfinite(values[n]):
            found = Refusal(Reason.MODEL_ERROR, NO_READING)
        if found is None and untrained[n]:
            span = f"{constants['low'][n]:.2g} to {constants['high'][n]:.3g}"
            found = Refusal(Reason.OUT_OF_RANGE, f"{medians[n]:.3g} is outside the trained range {span}.")
        refusals.append(found)
    return refusals


def _point_refusal(readings: ViewReadings, relation: Relation, subject: int, reference: int) -> Refusal | None:
    """A tool centre point that the robot states has no size."""
    if relation not in SIZES or FIXED not in readings.kinds[[k for k in (subject, reference) if k >= 0]]:
        return None
    return Refusal(Reason.MODEL_ERROR, f"The gripper is known as a point: {relation} asks for a size.")


def _of_pair(of_objects: list[Refusal | None], subject: int, reference: int) -> Iterator[Refusal]:
    for index in (subject, reference):
        if index >= 0 and (found := of_objects[index]) is not None:
            yield found
