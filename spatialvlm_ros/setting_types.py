"""Settings from YAML files, command lines and calls: are they of the type that their field has?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from spatialvlm_ros.errors import ConfigError

_NUMBERS: dict[Any, Any] = {int: Integral, float: Real}


def check_setting_types(holder: type, values: Mapping[str, Any], where: str) -> None:
    """Complain of values that are not of the type of their field.

    A whole number is a float too; yes and no are no numbers; a list will do for a tuple, and a mapping for a dataclass.

    Args:
        holder: a dataclass.
        values: name -> value; names that the dataclass does not have are not looked at.
        where: what the settings are of, e.g. "the questions".

    Raises:
        ConfigError: names the setting and the type that it has to have.
    """
    hints = get_type_hints(holder)
    for name in (field.name for field in fields(holder) if field.name in values):
        if not _is_of_type(values[name], hints[name]):
            fault = f"the setting {name} of {where} must be of type {_in_words(hints[name])}"
            raise ConfigError(fault, values[name], _remedy(values[name], hints[name]))


def check_own_types(settings: Any, where: str) -> None:
    """`check_setting_types` of an instance of a dataclass, for its ``__post_init__``."""
    check_setting_types(
        type(settings), {field.name: getattr(settings, field.name) for field in fields(settings)}, where
    )


def check_mapping(value: object, where: str, example: str) -> None:
    """Complain of a section that is not "name: value" lines.

    Raises:
        ConfigError: it is something else.
    """
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} must be a mapping", value, f"Write {example}.")


def _is_of_type(value: object, hint: Any) -> bool:
    plain = get_origin(hint) or hint
    if plain in (Union, UnionType):
        return any(_is_of_type(value, one) for one in get_args(hint))
    if isinstance(value, bool) and plain in (int, float):  # True is an int for Python, and not for people
        return False
    if plain in (tuple, Sequence):
        return isinstance(value, (list, tuple)) and all(_is_of_type(one, get_args(hint)[0]) for one in value)
    if is_dataclass(plain) and isinstance(value, Mapping):
        return True
    kind = _NUMBERS.get(plain, plain)
    return not isinstance(kind, type) or isinstance(value, kind)


def _in_words(hint: Any) -> str:
    plain = get_origin(hint) or hint
    if plain in (Union, UnionType):
        return " or ".join(_in_words(one) for one in get_args(hint))
    if plain in (tuple, Sequence):
        return f"list of {_in_words(get_args(hint)[0])}"
    if plain is NoneType:
        return "None"
    return "mapping" if is_dataclass(plain) or plain is Mapping else getattr(plain, "__name__", str(plain))


def _remedy(value: object, hint: Any) -> str:
    if not isinstance(value, str) or not {int, float} & {hint, *get_args(hint)}:
        return ""
    try:
        number = float(value)
    except ValueError:
        return ""
    return f"YAML takes it for text: write {number:g}."
