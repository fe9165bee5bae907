"""Import of optional packages: lazily, and with an error that says how to get them."""

from __future__ import annotations

import importlib
from types import ModuleType

from spatialvlm_ros.errors import MissingDependencyError


def require(module: str, extra: str) -> ModuleType:
    """Import ``module``, or raise `MissingDependencyError` naming the extra that brings it.

    Args:
        module: dotted module name, e.g. ``"pyarrow.parquet"``.
        extra: the extra of this package that installs it, e.g. ``"data"``.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDependencyError(
            f"the package {module.split('.')[0]!r} cannot be imported",
            str(error),
            f'Install it with: pip install "spatialvlm_ros[{extra}]"',
        ) from error
