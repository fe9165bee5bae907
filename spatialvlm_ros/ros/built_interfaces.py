"""Where `make interfaces` puts the generated modules, for a package that pip installed.

A colcon workspace installs them beside the modules of this package and needs nothing of this.
"""

from __future__ import annotations

import sys
from pathlib import Path

_FOLDER = "share/spatialvlm_ros/interfaces"
_PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"


def folder_to_build_in() -> Path:
    """The installation prefix of the interfaces for this Python: in its environment, else in the user's folder."""
    in_environment = sys.prefix != sys.base_prefix
    return (Path(sys.prefix) if in_environment else Path.home() / ".local") / _FOLDER


def built_interfaces() -> list[str]:
    """The folders whose modules (msg, srv, action) belong to this package; empty where none were built."""
    folder = folder_to_build_in() / _PYTHON / "spatialvlm_ros"
    return [str(folder)] if folder.is_dir() else []
