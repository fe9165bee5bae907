"""Settings that people write in YAML files and on command lines: are they of the type that their field has?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from spatialvlm_ros.errors import ConfigError

_KINDS: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "str": (str,),
    "bool": (bool,),
    "None": (type(None),),
}


def check_setting_types(holder: type, values: Mapping[str, Any], where: str) -> None:
    """Complain of values that are not of the type of their field.

    Args:
        holder: a dataclass of a module with `from __future__ import annotations`, which makes types text; fields of
            other types than numbers, text and yes or no are not looked at.
        values: name -> value; names that the dataclass does not have are not looked at either.
        where: what the settings are of, e.g. "the questions".

    Raises:
        ConfigError: names the setting and the type that it has to have.
    """
    for field in fields(holder):
        wanted = [part.strip() for part in str(field.type).split("|")]
        if field.name not in values or not set(wanted) <= set(_KINDS):
            continue
        value = values[field.name]
        allowed = tuple(kind for part in wanted for kind in _KINDS[part])
        # True is an int for Python, and not for people.
        if not isinstance(value, allowed) or (isinstance(value, bool) and "bool" not in wanted):
            fault = f"the setting {field.name} of {where} must be of type {' or '.join(wanted)}"
            raise ConfigError(fault, value, _remedy(value, wanted))


def _remedy(value: Any, wanted: list[str]) -> str:
    if not isinstance(value, str) or not {"int", "float"} & set(wanted):
        return ""
    try:
        number = float(value)
    except ValueError:
        return ""
    return f"YAML takes it for text: write {number:g}."


def check_mapping(value: object, where: str, example: str) -> None:
    """Complain of a section that is not "name: value" lines.

    Raises:
        ConfigError: it is something else.
    """
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} must be a mapping", value, f"Write {example}.")
