"""Messages with a different value in every field, made from the definitions that were compiled into the classes."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Iterator
from typing import Any

from rosidl_parser.definition import (
    AbstractGenericString,
    AbstractNestedType,
    Array,
    BasicType,
    NamespacedType,
)


def interface_classes(kind: str) -> dict[str, Any]:
    """The classes of one kind ("msg", "srv", "action") by name, Metaclass and parts of services left out."""
    module = importlib.import_module(f"spatialvlm_ros.{kind}")
    return {
        name: found
        for name, found in vars(module).items()
        if isinstance(found, type) and name[0].isupper() and "_" not in name
    }


def filled(message_class: Any, counter: Iterator[int] | None = None) -> Any:
    """A message whose every field, at any depth, holds a value that no other field of it holds."""
    counter = counter or itertools.count(3)
    message = message_class()
    for name, slot_type in zip(message.get_fields_and_field_types(), message_class.SLOT_TYPES, strict=True):
        setattr(message, name, _value(slot_type, counter))
    return message


def _value(kind: Any, counter: Iterator[int]) -> Any:
    if isinstance(kind, AbstractNestedType):
        length = kind.size if isinstance(kind, Array) else 2
        return [_value(kind.value_type, counter) for _ in range(length)]
    if isinstance(kind, NamespacedType):
        return filled(getattr(importlib.import_module(".".join(kind.namespaces)), kind.name), counter)
    number = next(counter)
    if isinstance(kind, AbstractGenericString):
        return f"größe {number}"
    if isinstance(kind, BasicType) and kind.typename == "boolean":
        return True
    if isinstance(kind, BasicType) and kind.typename in ("float", "double"):
        return number + 0.125  # exact in both widths
    return number % 100 + 1  # fits the smallest integer
