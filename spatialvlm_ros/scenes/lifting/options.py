"""Every setting of lifting, with its unit and default."""

from __future__ import annotations

from dataclasses import dataclass, field

from spatialvlm_ros.errors import ConfigError

OUTLIER_METHODS = ("edges", "paper", "none")
PLANE_METHODS = ("surfels", "paper")


@dataclass(frozen=True)
class OutlierOptions:
    """How the pixels of a mask become the points of an object.

    Attributes:
        method: "edges" drops the pixels beside depth steps and small far-off clusters; "paper" is the cleaning
            of the SpatialVLM paper (appendix A.2: statistical outlier removal, voxels, DBSCAN); "none" keeps all.
        max_points: points kept per object (a regular subsample of the pixels).
        min_points: fewer valid points than this and the object is skipped.
        edge_step: relative depth step between neighbouring pixels beyond the local slope that counts as an edge.
        min_cluster: share of an object's points below which a separate cluster is dropped.
    """

    method: str = "edges"
    max_points: int = 1500
    min_points: int = 12
    edge_step: float = 0.02
    min_cluster: float = 0.03

    def __post_init__(self) -> None:
        _one_of("outlier method", self.method, OUTLIER_METHODS)


@dataclass(frozen=True)
class PlaneOptions:
    """How planes are found in a depth picture.

    Attributes:
        method: "surfels" samples oriented points (one point and its normal make a hypothesis); "paper" draws three
            points, 1000 times, with a threshold of 0.05 m and no refit.
        min_threshold: metres, smallest inlier distance.
        relative_threshold: inlier distance as a share of the median depth.
        hypotheses: number of planes tried.
        max_planes: number of planes kept.
        min_share: least share of the valid picture a plane must cover.
        max_tilt_deg: planes further than this from a given up direction are not support planes.
        min_support_score: least log-odds of the best vertical direction; below it no frame is given.
        seed: of the random choice of hypotheses; the same picture gives the same planes.
    """

    method: str = "surfels"
    min_threshold: float = 0.005
    relative_threshold: float = 0.01
    hypotheses: int = 240
    max_planes: int = 12
    min_share: float = 0.006
    max_tilt_deg: float = 8.0
    min_support_score: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        _one_of("plane method", self.method, PLANE_METHODS)


@dataclass(frozen=True)
class LiftingOptions:
    """All settings of `lift`.

    Attributes:
        use_gravity: False ignores ``observation.up`` and ``observation.camera_height`` (used to measure how well
            they are found without a sensor).
        smooth: average sensor noise out inside surfaces before objects are measured (noise-free depth stays as it is).
        complete: False keeps boxes around the visible points only.
    """

    use_gravity: bool = True
    smooth: bool = True
    complete: bool = True
    outliers: OutlierOptions = field(default_factory=OutlierOptions)
    planes: PlaneOptions = field(default_factory=PlaneOptions)


def _one_of(what: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigError(f"unknown {what}", value, f"Use one of {', '.join(allowed)}.")
