"""The parameter table as ROS parameters."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, ParameterDescriptor
from rclpy.exceptions import ParameterException
from rclpy.node import Node

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.ros.parameters import PARAMETERS, Parameter, Settings


def declare(node: Node, parameters: Sequence[Parameter] = tuple(PARAMETERS.values()), read_only: bool = False) -> None:
    """Declares parameters with description and range, and warns of values that were given to others: ROS drops them
    without a word, and a name is soon mistyped.

    Args:
        node: their owner.
        parameters: those of the node at a camera by default.
        read_only: whether they keep the values of the start.

    Raises:
        ConfigError: one was given a value of another type, or outside its range.
    """
    for parameter in parameters:
        default = list(parameter.default) if isinstance(parameter.default, tuple) else parameter.default
        descriptor = descriptor_of(parameter)
        descriptor.read_only = read_only
        try:
            node.declare_parameter(parameter.name, default, descriptor)
        except ParameterException as error:
            raise _refusal(node, parameter) from error
    for name in _given_to_nobody(node):
        like = get_close_matches(name, [p.name for p in parameters], 1)
        hint = f"did you mean {like[0]!r}?" if like else "see docs/interfaces.md"
        node.get_logger().warning(f"there is no parameter {name!r}, its value is not used: {hint}")


def _given_to_nobody(node: Node) -> list[str]:
    """Names in parameter files and commands that the node has not declared; rclpy has no public way to them."""
    given = getattr(node, "_parameter_overrides", {})
    return sorted(name for name in given if not node.has_parameter(name) and not name.startswith("qos_overrides."))


def _refusal(node: Node, parameter: Parameter) -> ConfigError:
    """In our own words, which say what may be."""
    anything = ParameterDescriptor(dynamic_typing=True)
    value = node.declare_parameter(parameter.name, None, anything).value  # what was given at the start
    try:
        parameter.validated(value)
    except ConfigError as error:
        return error
    # What is left is a whole number without its point.
    return ConfigError(f"the parameter {parameter.name} is a double", value, f"With a point: {float(value)}.")


def descriptor_of(parameter: Parameter) -> Any:
    """What `ros2 param describe` shows."""
    descriptor = ParameterDescriptor(name=parameter.name, description=parameter.description)
    if parameter.choices:
        descriptor.additional_constraints = f"one of: {', '.join(parameter.choices)}"
    if parameter.low is not None and parameter.high is not None and isinstance(parameter.default, float):
        descriptor.floating_point_range = [FloatingPointRange(from_value=parameter.low, to_value=parameter.high)]
    # An empty list has no type in ROS; our own check knows it.
    descriptor.dynamic_typing = isinstance(parameter.default, tuple)
    return descriptor


def read(node: Node) -> Settings:
    """The values that are set now.

    Raises:
        ConfigError: one that may not be.
    """
    return Settings.of({name: given(node.get_parameter(name).value) for name in PARAMETERS})


def require_values(parameters: Sequence[Any]) -> None:
    """Refuses to delete a parameter, as ROS would do with a list: it could not be set again.

    Raises:
        ConfigError: an `rclpy.parameter.Parameter` without a value.
    """
    for parameter in parameters:
        if parameter.type_ == parameter.Type.NOT_SET:
            raise ConfigError("a parameter of this node cannot be deleted", parameter.name, 'Set it; [""] is empty.')


def given(value: Any) -> Any:
    """A value as `Parameter.validated` wants it: an unset or empty list is ()."""
    return () if value is None else value
