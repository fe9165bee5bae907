"""Writes read-outs as `Estimate`s and located objects as `LocatedObject`s: medians, deviations, intervals, sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.models.abstention import Refusal
from spatialvlm_ros.models.backend import PRESENT
from spatialvlm_ros.models.calibration import LocationCalibration
from spatialvlm_ros.models.composing import draw
from spatialvlm_ros.models.distributions import LEVELS, RELATION_ORDER, quantile_at
from spatialvlm_ros.models.estimate import QUANTILE_LEVELS, Estimate, LocatedObject, Reason, Source
from spatialvlm_ros.models.fusion import ReadOuts
from spatialvlm_ros.models.located import Located
from spatialvlm_ros.models.query import SIZES, Query
from spatialvlm_ros.models.readings import CAMERA, FIXED, REGION, ViewReadings
from spatialvlm_ros.models.recognition import scores
from spatialvlm_ros.scenes.relations import RELATIONS

Float = NDArray[np.float64]

_NOTICEABLE = 0.05  # weight from which a source is named
_LOW, _HIGH = 0.158655, 0.841345


def estimates_of(
    queries: Sequence[Query], readings: ViewReadings, readouts: ReadOuts, refusals: Sequence[Refusal | None]
) -> list[Estimate]:
    """One `Estimate` per query."""
    values = readouts.values
    lengths = readouts.combined
    stds = (quantile_at(lengths, _HIGH) - quantile_at(lengths, _LOW)) / 2
    shared = shared_stds(readings, readouts, stds)
    written = _quantiles(lengths)
    sources = query_sources(readings, readouts)
    probabilities = readouts.p_combined
    detail = " ".join(readouts.raw.located.left_out)
    estimates = []
    for n, query in enumerate(queries):
        relation, subject = query.kind, str(query.subject)
        reference = "" if query.reference is None else str(query.reference)
        refusal = refusals[n]
        if refusal is not None:
            estimates.append(Estimate.invalid(relation, subject, reference, refusal.reason, query.unit, refusal.detail))
            continue
        known = dict(
            relation=relation,
            subject=subject,
            reference=reference,
            value=float(values[n]),
            unit=query.unit,
            sources=sources[n],
            valid=True,
            reason=Reason.OK,
            support_id=_support(readings, n),
            detail=detail,
        )
        if RELATIONS[relation].predicate:
            p = float(probabilities[n])
            spread = float(np.sqrt(p * (1 - p)))
            estimates.append(Estimate(std=spread, interval=(p, p), **known))  # type: ignore[arg-type]
        else:
            estimates.append(
                Estimate(
                    std=float(stds[n]),
                    interval=(float(readouts.low[n]), float(readouts.high[n])),
                    shared_std=float(shared[n]),
                    quantiles=tuple(written[n].tolist()),
                    **known,  # type: ignore[arg-type]
                )
            )
    return estimates


def shared_stds(readings: ViewReadings, readouts: ReadOuts, stds: Float) -> Float:
    """(N,) the part of each deviation that comes from the scale error of the view, in the unit of the query."""
    located = readouts.raw.located
    share = np.where(located.exact, 0.0, located.scale.shared_share())
    subject = share[readings.subjects]
    reference = np.where(readings.references >= 0, share[readings.references], np.nan)
    fixed = np.append(located.exact, True)[readings.references] | located.exact[readings.subjects]
    both = np.where(np.isnan(reference), subject, (subject + np.nan_to_num(reference)) / 2)
    composed = np.where(fixed & ~np.isnan(reference), np.fmax(subject, reference), both)
    follows = readouts.direct_weight + (1 - readouts.direct_weight) * composed
    power = np.array([3.0 if RELATIONS[RELATION_ORDER[r]].unit == "m3" else 1.0 for r in readings.relations])
    shared = np.abs(quantile_at(readouts.combined, 0.5)) * follows * located.scale.shared_std * power
    return np.minimum(np.nan_to_num(shared), np.nan_to_num(stds))


def object_sources(readings: ViewReadings, located: Located) -> list[frozenset[Source]]:
    """Per object: where its metres come from."""
    sized = bool(located.known_sized.any())
    prior = _prior_stds(readings)
    with np.errstate(invalid="ignore"):
        weight = np.nan_to_num(located.scale.range_stds() ** 2 / prior**2)
    result = []
    for k in range(len(located)):
        kind = int(readings.kinds[k])
        if kind == FIXED:
            result.append(frozenset({Source.TF}))
            continue
        if kind == CAMERA or not located.placed[k]:
            result.append(frozenset())
            continue
        sources = {Source.DEPTH_SENSOR} if located.metric[k] else set()
        if located.known_sized[k]:
            sources.add(Source.KNOWN_SIZE)
        if np.isfinite(readings.locations.log_ranges[k]) and (not located.metric[k] or weight[k] > _NOTICEABLE):
            sources.add(Source.MONOCULAR)
            sources |= {Source.CAMERA_HEIGHT} if located.scaled_by_height else set()
            sources |= {Source.KNOWN_SIZE} if sized else set()
        result.append(frozenset(sources))
    return result


def _prior_stds(readings: ViewReadings) -> Float:
    return np.where(np.isfinite(readings.locations.log_range_stds), readings.locations.log_range_stds, np.inf)


def query_sources(readings: ViewReadings, readouts: ReadOuts) -> list[frozenset[Source]]:
    """Per query: the sources of its objects, and what the direct read-out adds."""
    located = readouts.raw.located
    of_objects = object_sources(readings, located)
    said = {Source.MONOCULAR}
    if readouts.raw.scale_gain.any():
        said |= {Source.CAMERA_HEIGHT} if located.scaled_by_height else set()
        said |= {Source.KNOWN_SIZE} if located.known_sized.any() else set()
        said |= {Source.DEPTH_SENSOR} if (located.metric & ~located.exact).any() else set()
    result = []
    for n in range(len(readings)):
        weight = float(readouts.direct_weight[n])
        sources: set[Source] = set(said) if weight > _NOTICEABLE else set()
        relation = RELATION_ORDER[int(readings.relations[n])]
        if weight < 1 - _NOTICEABLE:
            for k in (int(readings.subjects[n]), int(readings.references[n])):
                sources |= of_objects[k] if k >= 0 else frozenset()
                sources |= {Source.KNOWN_SIZE} if k >= 0 and relation in SIZES and located.sized[k] else set()
            if RELATIONS[relation].min_level == 2:
                sources |= _height_sources(readings, located, int(readings.subjects[n]))
        result.append(frozenset(sources))
    return result


def _height_sources(readings: ViewReadings, located: Located, subject: int) -> set[Source]:
    if np.isfinite(located.camera_heights[subject]):
        return {Source.DEPTH_SENSOR}
    return {Source.CAMERA_HEIGHT} if np.isfinite(located.view.camera_height) else {Source.MONOCULAR}


def _support(readings: ViewReadings, n: int) -> str:
    if RELATIONS[RELATION_ORDER[int(readings.relations[n])]].min_level < 2 or not readings.depth.supports:
        return ""
    return readings.depth.supports[int(readings.subjects[n])]


def _quantiles(quantiles: Float) -> Float:
    """(N, 19) quantiles at `QUANTILE_LEVELS`."""
    n = len(LEVELS)
    position = np.clip(np.array(QUANTILE_LEVELS) * n - 0.5, 0, n - 1)
    below = np.minimum(position.astype(np.int64), n - 2)
    part = position - below
    return quantiles[:, below] * (1 - part) + quantiles[:, below + 1] * part


def located_of(
    readings: ViewReadings,
    located: Located,
    refusals: Sequence[Refusal | None],
    calibration: LocationCalibration,
) -> list[LocatedObject]:
    """One `LocatedObject` per object."""
    draws = draw(located)
    frame = located.view.frame
    axes = np.stack([frame.left, frame.forward, frame.up], axis=1)
    along = np.abs(np.einsum("ksij,il->ksjl", draws.rotations, axes))
    extents = np.einsum("ksj,ksjl->ksl", draws.sizes, along)
    sources = object_sources(readings, located)
    recognised = _recognised(readings, calibration)
    result = []
    for k, given in enumerate(readings.objects):
        name, refusal = str(given), refusals[k]
        exact = bool(located.exact[k])
        presence = readings.locations.presence[k, PRESENT]
        score = 1.0 if exact or not np.isfinite(presence) else float(presence)
        recognition = 1.0 if exact else float(recognised[k])
        unknown = LocatedObject(name, score=score, recognition=recognition)
        if refusal is not None:
            result.append(replace(unknown, reason=refusal.reason, detail=refusal.detail))
            continue
        box = readings.locations.boxes[k]
        if not located.placed[k] and not np.isfinite(box).all():
            detail = "The model does not say where it is."
            result.append(replace(unknown, reason=Reason.MODEL_ERROR, detail=detail))
            continue
        centers = draws.centers[k]
        result.append(
            replace(
                unknown,
                valid=True,
                reason=Reason.OK,
                box2d=np.full(4, np.nan) if exact else _in_picture(box, readings.camera),
                position=np.median(centers, axis=0),
                covariance=np.cov(centers.T) if located.placed[k] else np.full((3, 3), np.nan),
                size=np.median(extents[k], axis=0),
                size_std=extents[k].std(axis=0),
                sources=sources[k],
                detail=" ".join(located.left_out),
            )
        )
    return result


def _in_picture(box: Float, camera: Camera) -> Float:
    """(4,) a box with its corners in order, of a pixel at least, cut at the border; one that lies outside, or is not
    known, as it is. A model says each edge by itself: where it is not sure of them, they may change places."""
    low, high = np.minimum(box[:2], box[2:]), np.maximum(box[:2], box[2:])
    size = np.array([camera.width, camera.height], dtype=np.float64)
    if not np.isfinite(box).all() or (high <= 0).any() or (low >= size).any():
        return box.copy()
    low = np.clip(low, 0.0, size - 1.0)
    return np.concatenate([low, np.clip(high, low + 1.0, size)])


def _recognised(readings: ViewReadings, calibration: LocationCalibration) -> Float:
    """(K,) probability that an object is what was named; 1 for what the caller points at."""
    named = scores(readings.locations, readings.camera, calibration.recognition)
    return np.where(readings.kinds == REGION, 1.0, named)
