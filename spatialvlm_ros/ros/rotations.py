"""Quaternions of messages, by tf_transformations where it is installed, else by transforms3d, which it is made of."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialvlm_ros.errors import MissingDependencyError

Float = NDArray[np.float64]


def quaternion_of(rotation: ArrayLike) -> Float:
    """(4,) x, y, z, w (the order of geometry_msgs/Quaternion) of a rotation matrix (3, 3); w is not negative."""
    found = _convert()(np.asarray(rotation, dtype=np.float64))
    return -found if found[3] < 0 else found


def require_quaternions() -> None:
    """Says what is missing, before a picture needs it.

    Raises:
        MissingDependencyError: neither package is installed.
    """
    _convert()


@lru_cache(maxsize=1)
def _convert() -> Callable[[Float], Float]:
    try:
        from tf_transformations import quaternion_from_matrix
    except ImportError:
        return _by_transforms3d()

    def by_tf_transformations(rotation: Float) -> Float:
        whole = np.eye(4)
        whole[:3, :3] = rotation
        return np.asarray(quaternion_from_matrix(whole), np.float64)

    return by_tf_transformations


def _by_transforms3d() -> Callable[[Float], Float]:
    try:
        from transforms3d.quaternions import mat2quat
    except ImportError as error:
        raise MissingDependencyError(
            "neither tf_transformations nor transforms3d is installed",
            str(error),
            "Install ros-<distro>-tf-transformations, or: pip install transforms3d",
        ) from error
    return lambda rotation: np.roll(np.asarray(mat2quat(rotation), np.float64), -1)  # it puts w first
