"""The generated messages, services and actions of this package, or a sentence that says how to build them."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType

from spatialvlm_ros.errors import MissingDependencyError


@dataclass(frozen=True)
class Interfaces:
    """The three generated modules."""

    msg: ModuleType
    srv: ModuleType
    action: ModuleType


@lru_cache(maxsize=1)
def interfaces() -> Interfaces:
    """The generated modules.

    Raises:
        MissingDependencyError: they were not built, or ROS is not sourced.
    """
    try:
        return Interfaces(*(importlib.import_module(f"spatialvlm_ros.{kind}") for kind in ("msg", "srv", "action")))
    except ImportError as error:
        raise MissingDependencyError(
            "the ROS interfaces of spatialvlm_ros cannot be imported",
            str(error),
            "Build the package with colcon and source its install/setup.bash, or run: make interfaces",
        ) from error
