"""Writes config/ros/spatialvlm.yaml from the node's table of parameters: python tools/parameter_file.py"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spatialvlm_ros.ros.parameters import PARAMETERS, Parameter

PAGE = Path(__file__).resolve().parent.parent / "config" / "ros" / "spatialvlm.yaml"
HEAD = """\
# The node's parameters and their defaults. Copy it, keep what you change, and pass the copy:
#   ros2 launch spatialvlm_ros spatialvlm.launch.py params_file:=my.yaml
#   ros2 run spatialvlm_ros spatialvlm_node --ros-args --params-file my.yaml
# Keep the quotes: without them ROS takes true and 1 for a bool and a number. [""] is an empty list of strings, because
# ROS cannot read []. Written by tools/parameter_file.py.
/**:
  ros__parameters:
"""
# What a list that is empty may look like.
EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "cameras": ("front", "wrist"),
    "queries": ("gap: gripper | red mug", "height: red mug"),
    "known_sizes": ("red mug: 0.08 0.08 0.10",),
}
_INDENT, _WIDTH = "    ", 116


def type_text(parameter: Parameter) -> str:
    """The type's name in ROS."""
    if isinstance(parameter.default, tuple):
        return "string[]"
    return {bool: "bool", int: "int", float: "double", str: "string"}[type(parameter.default)]


def allowed_text(parameter: Parameter) -> str:
    """Choices or range, "" where anything goes."""
    if parameter.choices:
        return ", ".join(parameter.choices)
    if parameter.low is None and parameter.high is None:
        return ""
    return " to ".join("" if bound is None else f"{bound:g}" for bound in (parameter.low, parameter.high)).strip()


def value_text(value: Any) -> str:
    """A value as YAML that ROS reads with its type."""
    return json.dumps((list(value) or [""]) if isinstance(value, tuple) else value, ensure_ascii=False)


def entry(parameter: Parameter) -> str:
    """A parameter's comment and line."""
    allowed = allowed_text(parameter)
    live = "May change while the node is active." if parameter.live else ""
    example = f"E.g. {value_text(EXAMPLES[parameter.name])}" if parameter.name in EXAMPLES else ""
    comment = " ".join(t for t in (parameter.description, f"[{allowed}]" if allowed else "", live, example) if t)
    lines = textwrap.wrap(comment, _WIDTH, initial_indent=f"{_INDENT}# ", subsequent_indent=f"{_INDENT}# ")
    lines.append(f"{_INDENT}{parameter.name}: {value_text(parameter.default)}")
    return "\n".join(lines) + "\n"


def page() -> str:
    """The whole file."""
    return HEAD + "\n".join(entry(parameter) for parameter in PARAMETERS.values())


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
