"""Finds and reads the configuration files that come with the package: in a checkout, a wheel or a ROS workspace."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from spatialvlm_ros.errors import ConfigError

_PACKAGE = "spatialvlm_ros"


def _roots() -> list[Path]:
    """Places where the shared files can lie, the checkout first."""
    places = [Path(__file__).resolve().parent.parent]
    places += [Path(p) / "share" / _PACKAGE for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    places += [Path(sys.prefix) / "share" / _PACKAGE, Path.home() / ".local" / "share" / _PACKAGE]
    return places


def shared_file(name: str) -> Path:
    """The path of a file that comes with the package, e.g. ``"config/generate.yaml"``.

    Raises:
        ConfigError: it is in none of the places where an installation puts it.
    """
    for root in _roots():
        path = root / name
        if path.is_file():
            return path
    raise ConfigError(
        f"the shared file {name!r} is not installed",
        [str(r) for r in _roots()],
        "Install the package again, or run from its checkout.",
    )


def read_json_or_yaml(path: Path) -> Any:
    """The content of a file that people write beside their pictures.

    JSON is YAML but for its tabs, and is read far more quickly as what it is.

    Raises:
        OSError, ValueError, yaml.YAMLError: it cannot be read.
    """
    import yaml

    text = path.read_text(encoding="utf-8-sig")
    try:
        return json.loads(text)
    except ValueError:
        return yaml.safe_load(text)


def read_yaml(path: str | Path) -> dict[str, Any]:
    """The mapping in a YAML file; `ConfigError` with file and line where it cannot be read."""
    import yaml

    try:
        with open(path, encoding="utf-8") as stream:
            content = yaml.safe_load(stream)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("cannot read a configuration file", str(path), str(error)) from error
    except yaml.YAMLError as error:
        raise ConfigError("a configuration file is not YAML", str(path), " ".join(str(error).split())) from error
    if not isinstance(content, dict):
        raise ConfigError("a configuration file must hold a mapping", str(path), "Write 'key: value' lines.")
    return content
