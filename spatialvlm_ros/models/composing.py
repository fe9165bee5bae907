"""The composed read-out: located boxes with their errors -> samples of 3D boxes -> the relations module -> samples.

The samples are the same fixed quasi-random ones in every view, so equal readings give equal answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.geometry.frames import horizontal_axes
from spatialvlm_ros.models.distributions import RELATION_ORDER
from spatialvlm_ros.models.located import Located
from spatialvlm_ros.scenes.pairs import Frames, Pairs
from spatialvlm_ros.scenes.relations import RELATIONS, Relation, relation_values

Float = NDArray[np.float64]
Int = NDArray[np.int64]

N_SAMPLES = 128
_VIEW_DIMENSIONS = 4  # scale, tilt, tilt, camera height
_OBJECT_DIMENSIONS = 6  # x, y, range, three sizes
_BLOCK = 120  # dimensions that are made orthogonal together: 20 objects
_STANDS = 0.25  # share of its seen height that a box may lack and still stands where depth has its bottom
_SMOOTHING = 0.25  # of the deviation of a margin


@dataclass(frozen=True)
class Draws:
    """S samples of K objects and of the frame.

    Attributes:
        centers, sizes: (K, S, 3) metres, optical frame; sizes along forward, left, up of the box.
        rotations: (K, S, 3, 3).
        ups, forwards, lefts: (S, 3).
        levels: (K,).
        camera_heights: (K, S) metres, NaN where unknown.
    """

    centers: Float
    sizes: Float
    rotations: Float
    ups: Float
    forwards: Float
    lefts: Float
    levels: Int
    camera_heights: Float


def draw(located: Located) -> Draws:
    """Samples of all objects of a view; NaN for objects that are not placed."""
    n = len(located)
    view, objects = normal_design(n)  # (S, 4), (K, S, 6)
    ups, forwards, lefts = _frames(located, view[:, 1:3])
    # Joint scale: s, e_1 .. e_K, e_h.
    normals = np.concatenate([view[:, :1], objects[:, :, 2].T, view[:, 3:]], axis=1)
    errors = normals @ located.scale.factor.T  # (S, K + 2), around the corrected means
    shared = errors[:, 0]
    ranges = np.exp(located.log_ranges[:, None] + (shared[:, None] + errors[:, 1:-1]).T)
    rays = np.repeat(located.rays[:, None, :], N_SAMPLES, axis=1)
    rays[:, :, :2] += objects[:, :, :2] * located.ray_stds[:, None, :]
    centers = rays * (ranges / np.linalg.norm(rays, axis=2))[:, :, None]
    sizes = np.exp(
        located.log_sizes[:, None, :]
        + objects[:, :, 3:] * located.size_stds[:, None, :]
        + shared[None, :, None] * located.size_shares[:, None, :]
    )
    axes = np.stack([forwards, lefts, ups], axis=2)  # (S, 3, 3)
    rotations = np.where(located.turned[:, None, None, None], located.rotations[:, None], axes[None])
    if located.turned.any():  # measured in depth
        own = np.einsum("kij,ksj->ksi", located.fused_factors, objects[:, :, :3]) + located.fused[:, None, :]
        grown = _rise(sizes[:, :, 2], located.seen_heights[:, None])
        own = own + grown[:, :, None] * located.rotations[:, None, :, 2]
        centers = np.where(located.turned[:, None, None], own, centers)
    exact = located.exact[:, None, None]
    centers = np.where(exact, located.positions[:, None, :], centers)
    sizes = np.where(exact, 0.0, sizes)
    centers[~located.placed] = np.nan
    said_height = np.exp(
        located.view.log_height + located.scale.mean[0] + located.scale.mean[-1] + shared + errors[:, -1]
    )
    stated = np.where(np.isfinite(located.view.camera_height), located.view.camera_height, said_height)
    heights = np.where(np.isfinite(located.camera_heights)[:, None], located.camera_heights[:, None], stated[None])
    return Draws(centers, sizes, rotations, ups, forwards, lefts, located.levels(), heights)


def _rise(heights: Float, seen: Float) -> Float:
    """(K, S) metres by which the centres of boxes rise that are higher or lower than depth has them, (K, 1).

    A little more or less keeps the bottom, which stands on something. Of a box that is much lower the bottom was only
    thought to be there (a thing that is held or hung over its support): the lower it is, the further it rises again
    towards the top that is seen.
    """
    least = (1.0 - _STANDS) * seen
    return np.where(heights >= least, heights - seen, 2 * least - heights - seen) / 2


def compose(draws: Draws, relations: Int, subjects: Int, references: Int) -> Float:
    """(N, S) samples of each query's quantity or margin; NaN where an object or the frame is unknown.

    Args:
        draws: of the view.
        relations: (N,) indices into `RELATION_ORDER`.
        subjects, references: (N,) objects; -1 for no reference.
    """
    samples = np.full((len(relations), N_SAMPLES), np.nan)
    for relation, rows in _by_relation(relations):
        subject = _boxes(draws, subjects[rows])
        reference = _boxes(draws, references[rows]) if RELATIONS[relation].arity >= 2 else None
        pairs = Pairs(subject, reference, _pair_frames(draws, subjects[rows]))
        samples[rows] = relation_values(relation, pairs).reshape(len(rows), N_SAMPLES)
    return samples


def probability_of_margin(margins: Float) -> Float:
    """(N,) P(true) from (N, S) margins: the share above 0, smoothed a little; NaN rows stay NaN."""
    if len(margins) == 0:
        return np.zeros(0)
    from scipy.special import ndtr  # only predicates need it

    width = np.maximum(_SMOOTHING * margins.std(axis=1), 1e-6)
    return np.asarray(ndtr(margins / width[:, None]).mean(axis=1))


def _by_relation(relations: Int) -> Iterator[tuple[Relation, Int]]:
    for index in np.unique(relations):
        yield RELATION_ORDER[int(index)], np.flatnonzero(relations == index)


def _boxes(draws: Draws, objects: Int) -> Boxes:
    return Boxes(
        draws.centers[objects].reshape(-1, 3),
        draws.sizes[objects].reshape(-1, 3),
        draws.rotations[objects].reshape(-1, 3, 3),
    )


def _pair_frames(draws: Draws, subjects: Int) -> Frames:
    n = len(subjects)

    def each(values: Float) -> Float:
        return np.broadcast_to(values, (n, N_SAMPLES, 3)).reshape(-1, 3)

    return Frames(
        np.repeat(draws.levels[subjects], N_SAMPLES),
        each(draws.ups),
        each(draws.forwards),
        each(draws.lefts),
        draws.camera_heights[subjects].ravel(),
    )


def _frames(located: Located, tilts: Float) -> tuple[Float, Float, Float]:
    """(S, 3) up, forward and left of the samples."""
    frame = located.view.frame
    up = np.repeat(frame.up[None], N_SAMPLES, axis=0)
    if located.view.up_std == 0.0 or frame.level == 0:
        return up, np.broadcast_to(frame.forward, up.shape), np.broadcast_to(frame.left, up.shape)
    up = up + located.view.up_std * (tilts[:, :1] * frame.forward + tilts[:, 1:] * frame.left)
    up /= np.linalg.norm(up, axis=1, keepdims=True)
    forward, left = horizontal_axes(up)
    return up, forward, left


def normal_design(n_objects: int) -> tuple[Float, Float]:
    """(S, 4) normal numbers of the view and (K, S, 6) of its objects, the same in every call."""
    view, objects = _design(-(-max(n_objects, 1) // 8) * 8)
    return view, objects[:n_objects]


@lru_cache(maxsize=8)
def _design(n_objects: int) -> tuple[Float, Float]:
    """Every dimension takes the same stratified values, in an order that makes the columns orthogonal to each other."""
    normal = NormalDist()  # SciPy has it too, but its import takes longer than a query
    strata = np.array([normal.inv_cdf((k + 0.5) / N_SAMPLES) for k in range(N_SAMPLES)])
    strata /= strata.std()
    rng = np.random.default_rng(1)
    view = np.zeros((N_SAMPLES, 0))
    columns: list[Float] = []
    for _ in range(-(-_OBJECT_DIMENSIONS * n_objects // _BLOCK)):
        raw = rng.standard_normal((N_SAMPLES, 1 + _VIEW_DIMENSIONS + _BLOCK))
        raw[:, 0] = 1.0
        raw[:, 1 : 1 + view.shape[1]] = view  # further objects are orthogonal to the numbers of the view too
        basis, upper = np.linalg.qr(raw)
        block = strata[(basis * np.sign(np.diag(upper))).argsort(axis=0).argsort(axis=0)][:, 1:]
        view = block[:, :_VIEW_DIMENSIONS] if not columns else view
        columns.append(block[:, _VIEW_DIMENSIONS:])
    own = np.concatenate(columns, axis=1)[:, : _OBJECT_DIMENSIONS * n_objects]
    objects = own.reshape(N_SAMPLES, n_objects, _OBJECT_DIMENSIONS).transpose(1, 0, 2)
    return view, np.ascontiguousarray(objects)
