"""Where the objects of a view are and how large, with their errors: the model's word, depth, known sizes and the
robot's knowledge put together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.frames import CanonicalFrame
from spatialvlm_ros.models.backend import PRESENT
from spatialvlm_ros.models.calibration import DepthCalibration, LocationCalibration
from spatialvlm_ros.models.known_sizes import log_sizes_of, ranges_from_sizes
from spatialvlm_ros.models.readings import CAMERA, CLEAN, FIXED, NAMED, REGION, THIN, DepthReadings, ViewReadings
from spatialvlm_ros.models.shared_scale import ScalePosterior, scale_posterior
from spatialvlm_ros.models.stated_facts import contradicts, credible

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

_HEIGHT_STD_M = 0.01  # of a camera height that the robot states
_DEPTH_UP_STD = 0.01  # radians, of a vertical found from planes
_REGION_CENTER_SHARE = 0.1  # of a box: how far the centre of the whole object is off the box's middle
_LEAST_PIXEL_STD = 0.3
_JACOBIAN_PX = 0.5
_LEAST_SCALE = 0.5
_MOST_SURPRISE = 4.0  # deviations
_LEAST_RANGE_STD = 0.08
_FEWEST_FOR_COMMON = 3
_ODD_SIZE = 3.0  # deviations
_LEAST_SIZE_STD = 0.15
_LEAST_VARIANCE = 1e-8
_ANY_RANGE_STD = 10.0
_POINTED_RAY_FACTOR = 2.0  # of the model's error across the ray, which is fitted on objects that it names


@dataclass(frozen=True)
class ViewFrame:
    """The canonical frame of a view with its error.

    Attributes:
        frame: level 0 where no vertical is known (its camera height is not used).
        up_std: radians.
        camera_height: metres that the robot states, NaN if it does not.
        log_height: of the model, NaN if it does not say; heights follow the shared scale error.
    """

    frame: CanonicalFrame
    up_std: float
    camera_height: float
    log_height: float


@dataclass(frozen=True)
class Located:
    """K objects of a view.

    Attributes:
        placed: (K,) whether there is a position.
        exact: (K,) whether it is known exactly (camera, gripper).
        positions: (K, 3) metres of exact objects.
        rays: (K, 3) to the centre's pixel, z = 1; ray_stds: (K, 2) of x and y.
        log_ranges: (K,) after all corrections but the random part.
        fused: (K, 3) metres and fused_factors: (K, 3, 3), Cholesky factors: centres of objects measured in depth.
        seen_heights: (K,) metres along the box's up axis that those centres go with: a higher or lower box keeps its
            bottom.
        log_sizes, size_stds, size_shares: (K, 3) along the box's own axes; own deviation; share of the view's scale
            error that they follow.
        rotations: (K, 3, 3) columns forward, left, up of the box; of the frame where ``turned`` is False.
        turned: (K,) whether the box has axes of its own.
        metric: (K,) whether it was measured in depth, or is exact.
        known_sized: (K,) whether a known size tells its range; sized: (K,) whether it tells its extents.
        camera_heights: (K,) metres over its support as depth tells, NaN elsewhere.
        scale: joint posterior of the ranges.
        view: frame of the view.
        scaled_by_height: whether the camera's height that the robot states corrected the scale.
        left_out: sentences on what the robot stated and was not believed.
    """

    placed: Bool
    exact: Bool
    positions: Float
    rays: Float
    ray_stds: Float
    log_ranges: Float
    fused: Float
    fused_factors: Float
    seen_heights: Float
    log_sizes: Float
    size_stds: Float
    size_shares: Float
    rotations: Float
    turned: Bool
    metric: Bool
    known_sized: Bool
    sized: Bool
    camera_heights: Float
    scale: ScalePosterior
    view: ViewFrame
    scaled_by_height: bool
    left_out: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.placed)

    def levels(self) -> NDArray[np.int64]:
        """(K,) frame level of each object."""
        if self.view.frame.level == 0:
            return np.zeros(len(self), np.int64)
        known = np.isfinite(self.camera_heights) | np.isfinite(self.view.camera_height)
        return np.where(known | np.isfinite(self.view.log_height), 2, 1)


def locate_objects(readings: ViewReadings, location: LocationCalibration, depth: DepthCalibration) -> Located:
    """Put together all that is known of the objects' places."""
    readings = replace(readings, depth=believable(readings, location))
    said, measured = readings.locations, readings.depth
    frame = view_frame(readings, location)
    axes = np.stack([frame.frame.forward, frame.frame.left, frame.frame.up], axis=1)
    known = measured.known
    pixels, pixel_stds = _said_pixels(readings, location)
    rays, ray_stds = _rays(readings, pixels, pixel_stds)
    directions = rays / np.linalg.norm(rays, axis=1, keepdims=True)
    centers, covariances = _depth_centers(measured, depth)

    said_range = said.log_ranges - location.range_bias
    start = np.where(np.isfinite(said_range), said_range, 0.0)
    sized_range, sized_std = ranges_from_sizes(
        readings.known_sizes, said.boxes, said.box_stds * location.box_factor, pixels, directions, readings.camera, axes
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        depth_range = np.linalg.norm(centers, axis=1)
        sight = centers / depth_range[:, None]
        range_std = np.sqrt(np.einsum("ki,kij,kj->k", sight, covariances, sight)) / depth_range
        robot_height = np.log(readings.camera_height) if readings.camera_height > 0 else np.nan
    update = partial(
        scale_posterior,
        np.where(np.isfinite(said_range), said.log_range_stds * location.range_factor, np.nan),
        readings.frame.log_height_std * location.height_factor if readings.frame is not None else float("nan"),
        location.shared_std,
        (np.log(depth_range) - start, range_std),
    )
    stated_height = (float(robot_height - frame.log_height), _HEIGHT_STD_M / max(readings.camera_height, 1e-3))
    use_range, use_height = credible(update, (sized_range - start, sized_std), stated_height)
    use_size = _sizes_agree(readings, location, use_range)
    sized_range = np.where(use_range & use_size, sized_range, np.nan)
    if readings.camera_height == 0:  # what programs pass that do not know it
        use_height = False
    left_out: tuple[str, ...] = ()
    if not (use_height and use_size.all() and use_range.all()):
        left_out = _left_out_words(readings, use_range, use_size, use_height)
        height = readings.camera_height if use_height else float("nan")
        sizes = np.where(use_size[:, None], readings.known_sizes, np.nan)
        readings, frame = (
            replace(readings, known_sizes=sizes, camera_height=height),
            replace(frame, camera_height=height),
        )
        stated_height = stated_height if use_height else (float("nan"), float("nan"))
    posterior = update((sized_range - start, sized_std), stated_height)
    exact = (readings.kinds == CAMERA) | (readings.kinds == FIXED)
    ranged = np.isfinite(said_range) | known | np.isfinite(sized_range)
    said_std = np.where(np.isfinite(said_range), said.log_range_stds * location.range_factor, np.nan)
    # What depth measures where the caller points is that far away, whatever the picture looks like; a model that says
    # ranges also says where the centre of the whole object is, others know the visible box only.
    pointed = (readings.kinds == REGION) & known & np.isfinite(said_range)
    fused, factors = _fused_centers(
        (centers, covariances),
        directions * np.where(pointed, depth_range, np.exp(said_range))[:, None],
        np.where(pointed, _ANY_RANGE_STD, said_std),
        ray_stds * np.where(pointed, _POINTED_RAY_FACTOR, 1.0)[:, None],
        rays,
    )
    log_sizes, size_stds, size_shares, rotations = _sizes(readings, location, depth, axes, posterior)
    return Located(
        placed=exact | known | (ranged & np.isfinite(rays).all(axis=1)),
        exact=exact,
        positions=readings.positions,
        rays=rays,
        ray_stds=ray_stds,
        log_ranges=np.where(known, np.log(np.linalg.norm(fused, axis=1)), start + posterior.range_corrections()),
        fused=fused,
        fused_factors=factors,
        seen_heights=measured.sizes[:, 2],
        log_sizes=log_sizes,
        size_stds=size_stds,
        size_shares=size_shares,
        rotations=rotations,
        turned=known,
        metric=known | exact,
        known_sized=np.isfinite(sized_range),
        sized=np.asarray(np.isfinite(readings.known_sizes).all(axis=1)),
        camera_heights=measured.camera_heights,
        scale=posterior,
        view=frame,
        scaled_by_height=bool(np.isfinite(stated_height[0])),
        left_out=left_out,
    )


def _sizes_agree(readings: ViewReadings, location: LocationCalibration, in_range: Bool) -> Bool:
    """(K,) whether each known size agrees with what the model or depth says of that object's size.

    Where neither says anything, whether its range agrees (``in_range``). Where one does, a range that does not agree
    comes of a wrong box, and the size may be right.
    """
    if not np.isfinite(readings.known_sizes).any():
        return np.ones(len(readings.objects), bool)
    given, _ = log_sizes_of(readings.known_sizes)
    said = readings.locations.log_sizes - np.asarray(location.size_bias)
    stds = readings.locations.log_size_stds * np.asarray(location.size_factor)
    with np.errstate(divide="ignore"):
        measured = np.log(readings.depth.sizes[:, [1, 0, 2]])
    with_model, with_depth = (np.isfinite(known).all(axis=1) for known in (said - stds, measured))
    agrees = with_model & ~contradicts(given, said, stds) | with_depth & ~contradicts(given, measured, 0.0 * measured)
    return np.where(with_model | with_depth, agrees, in_range) | ~np.isfinite(given).all(axis=1)


def _left_out_words(readings: ViewReadings, use_range: Bool, use_size: Bool, use_height: bool) -> tuple[str, ...]:
    why = "was left out: it contradicts everything else (is it in metres?)."
    words = [f"The known size of the {readings.objects[k]} {why}" for k in np.flatnonzero(~use_size)]
    there = ~(readings.locations.presence[:, PRESENT] < 0.5)  # what is not there has a box of something else
    for k in np.flatnonzero(use_size & ~use_range & there):
        words.append(f"The known size of the {readings.objects[k]} was left out of its distance: its box does not fit.")
    if not use_height and readings.camera_height == 0:
        words.append("The camera's height of 0 was left out: it would lie in the plane that it sees from above.")
    elif not use_height:
        words.append(f"The camera's height of {readings.camera_height:.3g} m {why}")
    return tuple(words)


def believable(readings: ViewReadings, location: LocationCalibration) -> DepthReadings:
    """The depth readings without those that measured something else than the named object.

    Their range contradicts what the model says far beyond its error, while those of the other objects do not (all
    contradicting alike is an error of the model's scale). A region is where it was given, whatever the model says. An
    object's scale is at least half of what the model says; one whose size contradicts the model counts as badly seen.
    """
    said, measured = readings.locations, readings.depth
    if not measured.known.any():
        return measured
    with np.errstate(invalid="ignore"):
        expected = np.exp(np.mean(said.log_sizes - np.asarray(location.size_bias), axis=1))
        scales = np.fmax(measured.scales, np.where(measured.known, _LEAST_SCALE * expected, np.nan))
        stds = np.maximum(said.log_size_stds * np.asarray(location.size_factor), _LEAST_SIZE_STD)
        off = np.abs(np.log(measured.sizes[:, [1, 0, 2]]) - (said.log_sizes - np.asarray(location.size_bias))) / stds
        odd = (off > _ODD_SIZE).any(axis=1)
        surprise = np.log(np.linalg.norm(measured.centers, axis=1)) - (said.log_ranges - location.range_bias)
        common = float(np.nanmedian(surprise)) if np.isfinite(surprise).sum() >= _FEWEST_FOR_COMMON else 0.0
        limit = _MOST_SURPRISE * np.maximum(said.log_range_stds * location.range_factor, _LEAST_RANGE_STD)
        wrong = (np.minimum(np.abs(surprise), np.abs(surprise - common)) > limit) & (readings.kinds == NAMED)
    return replace(
        measured,
        scales=np.where(wrong, np.nan, scales),
        buckets=np.where(odd & (measured.buckets == CLEAN), THIN, measured.buckets),
        centers=np.where(wrong[:, None], np.nan, measured.centers),
        sizes=np.where(wrong[:, None], np.nan, measured.sizes),
        camera_heights=np.where(wrong, np.nan, measured.camera_heights),
    )


def view_frame(readings: ViewReadings, location: LocationCalibration) -> ViewFrame:
    """The vertical of the robot, else of the planes in depth, else of the model; and the camera's height."""
    said = readings.frame
    log_height = said.log_height - location.height_bias if said is not None else float("nan")
    if readings.up is not None:
        up, up_std = readings.up, 0.0
    elif readings.depth.up is not None:
        up, up_std = readings.depth.up, _DEPTH_UP_STD
    elif said is not None and np.isfinite(said.up).all():
        up, up_std = said.up, float(said.up_std) * location.up_factor
    else:
        return ViewFrame(CanonicalFrame.unknown(), 0.0, readings.camera_height, log_height)
    return ViewFrame(CanonicalFrame.from_up(up), up_std, readings.camera_height, log_height)


def _depth_centers(measured: DepthReadings, depth: DepthCalibration) -> tuple[Float, Float]:
    """(K, 3) centres measured in depth without their usual bias, and (K, 3, 3) covariances; NaN where unmeasured."""
    scales = measured.scales[:, None]
    bias = np.asarray(depth.center_bias)[measured.buckets] * scales
    stds = np.asarray(depth.center_std)[measured.buckets] * scales
    centers = measured.centers - np.einsum("kij,kj->ki", measured.rotations, bias)
    turned = measured.rotations * stds[:, None, :]
    return centers, turned @ turned.transpose(0, 2, 1)


def _fused_centers(
    measured: tuple[Float, Float], said: Float, said_std: Float, ray_stds: Float, rays: Float
) -> tuple[Float, Float]:
    """Product of the centres that depth and the model give, as Gaussians: (K, 3) and Cholesky factors (K, 3, 3).

    Args:
        measured: centres and covariances of depth, NaN where there is none: those rows are NaN.
        said: (K, 3) centres of the model, NaN where it does not say.
        said_std: (K,) of its log range; ray_stds: (K, 2) of x and y of its rays (K, 3).
    """
    centers, covariances = measured
    fused, factors = np.full_like(centers, np.nan), np.full_like(covariances, np.nan)
    known = np.flatnonzero(np.isfinite(centers).all(axis=1))
    if len(known) == 0:
        return fused, factors
    information = np.linalg.inv(covariances[known])
    weighted = np.einsum("kij,kj->ki", information, centers[known])
    both = np.isfinite(said[known]).all(axis=1) & np.isfinite(said_std[known])
    at = known[both]
    if len(at):
        # A model's error: along the ray, and across it in the picture's x and y.
        across = said[at, 2][:, None, None] * np.eye(3)[None, :2] * ray_stds[at][:, :, None]
        along = (said[at] * said_std[at, None])[:, None, :]
        parts = np.concatenate([across, along], axis=1)
        inverse = np.linalg.inv(np.einsum("kpi,kpj->kij", parts, parts) + _LEAST_VARIANCE * np.eye(3))
        information[both] += inverse
        weighted[both] += np.einsum("kij,kj->ki", inverse, said[at])
    together = np.linalg.inv(information)
    fused[known] = np.einsum("kij,kj->ki", together, weighted)
    factors[known] = np.linalg.cholesky(together + _LEAST_VARIANCE * np.eye(3))
    return fused, factors


def _said_pixels(readings: ViewReadings, location: LocationCalibration) -> tuple[Float, Float]:
    """(K, 2) pixel of each centre and its deviation; the middle of the box where only that is known."""
    said = readings.locations
    stds = np.maximum(said.center_stds * location.center_factor, _LEAST_PIXEL_STD)
    middle = (said.boxes[:, :2] + said.boxes[:, 2:]) / 2 - 0.5
    rough = np.maximum((said.boxes[:, 2:] - said.boxes[:, :2]) * _REGION_CENTER_SHARE, 1.0)
    unsaid = ~np.isfinite(said.centers) | ~np.isfinite(stds)
    return np.where(unsaid, middle, said.centers), np.where(unsaid, rough, stds)


def _rays(readings: ViewReadings, pixels: Float, stds: Float) -> tuple[Float, Float]:
    """(K, 3) rays with z = 1 and (K, 2) deviations of their x and y."""
    n = len(pixels)
    steps = np.concatenate([pixels, pixels + [_JACOBIAN_PX, 0], pixels + [0, _JACOBIAN_PX]])
    known = np.isfinite(steps).all(axis=1)
    flat = np.full((3 * n, 3), np.nan)
    if known.any():
        flat[known] = readings.camera.rays(steps[known])
    rays, right, below = flat[:n], flat[n : 2 * n], flat[2 * n :]
    slopes = np.stack([right[:, 0] - rays[:, 0], below[:, 1] - rays[:, 1]], axis=1) / _JACOBIAN_PX
    return rays, np.abs(slopes) * stds


def _sizes(
    readings: ViewReadings,
    location: LocationCalibration,
    depth: DepthCalibration,
    axes: Float,
    posterior: ScalePosterior,
) -> tuple[Float, Float, Float, Float]:
    """(K, 3) log sizes, own deviations and shares of the scale error along forward, left, up; (K, 3, 3) box axes."""
    said, measured = readings.locations, readings.depth
    own_order = [1, 0, 2]  # left, forward, up -> forward, left, up
    logs = (said.log_sizes - np.asarray(location.size_bias)) + location.size_shared * posterior.shared_mean
    total = said.log_size_stds * np.asarray(location.size_factor)
    shared = location.size_shared**2 * posterior.prior_variance
    own = np.sqrt(np.maximum(total**2 - shared, (0.5 * total) ** 2))
    shares = np.full_like(logs, location.size_shared)
    given, given_stds = log_sizes_of(readings.known_sizes)
    is_given = np.isfinite(given)
    logs, own = np.where(is_given, given, logs)[:, own_order], np.where(is_given, given_stds, own)[:, own_order]
    shares = np.where(is_given, 0.0, shares)[:, own_order]

    known = measured.known
    if not known.any():
        return logs, own, shares, np.broadcast_to(axes, (len(logs), 3, 3))
    with np.errstate(invalid="ignore", divide="ignore"):
        seen = np.log(measured.sizes) - np.asarray(depth.size_bias)[measured.buckets]  # forward-, left- and upward
        seen_std = np.asarray(depth.size_std)[measured.buckets]
        # What the measured box reaches along the axes that the model's sizes are along.
        along = np.abs(np.einsum("kij,il->kjl", measured.rotations, axes))  # (K, own axis, frame axis)
        reach = np.log(np.einsum("kj,kjl->kl", np.exp(seen), along))
        prior = np.hypot(own, shares * posterior.shared_std)
        weight = np.where(np.isfinite(logs) & np.isfinite(prior), seen_std**2 / (seen_std**2 + prior**2), 0.0)
        fused = seen + weight * (np.nan_to_num(logs) - reach)
        fused_std = np.hypot((1 - weight) * seen_std, weight * np.nan_to_num(own))
    at = known[:, None]
    return (
        np.where(at, fused, logs),
        np.where(at, fused_std, own),
        np.where(at, weight * shares, shares),
        np.where(known[:, None, None], measured.rotations, axes),
    )
