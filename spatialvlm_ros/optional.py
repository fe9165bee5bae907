"""Import of optional packages: lazily, and with an error that says how to get them."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

from spatialvlm_ros.errors import MissingDependencyError

_LEAST_PYTHON = {"mujoco": (3, 11)}  # of the versions that setup.py wants


def require(module: str, extra: str) -> ModuleType:
    """Import ``module``, or raise `MissingDependencyError` naming the extra that brings it.

    Args:
        module: dotted module name, e.g. ``"pyarrow.parquet"``.
        extra: the extra of this package that installs it, e.g. ``"data"``.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.split(".")[0]
        fault = f"the package {package!r} cannot be imported"
        raise MissingDependencyError(fault, str(error), f"Install it with: {how_to_get(package, extra)}") from error


def how_to_get(package: str, extra: str, python: tuple[int, int] = sys.version_info[:2]) -> str:
    """What brings a package: a command, or a newer Python where this one has no build of it."""
    least = _LEAST_PYTHON.get(package, python)
    if python < least:
        return "Python {}.{} or newer".format(*least)
    return 'pip install "spatialvlm_ros{}"'.format(f"[{extra}]" if extra else "")
