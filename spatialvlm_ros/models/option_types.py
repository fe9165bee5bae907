"""Options of models that come from a command line or a file: of another type they would fail in the middle of a run."""

from __future__ import annotations

from dataclasses import fields
from numbers import Integral, Real
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from spatialvlm_ros.errors import ConfigError

_NUMBERS: dict[Any, Any] = {int: Integral, float: Real}


def check_option_types(options: Any, what: str) -> None:
    """Whether the fields of a dataclass are what they are said to be; a whole number is a float too, yes and no are
    no numbers.

    Args:
        options: instance of a dataclass of plain types, mappings and None.
        what: whose options they are, for people.

    Raises:
        ConfigError: one of them has another type.
    """
    hints = get_type_hints(type(options))
    for option in fields(options):
        value, hint = getattr(options, option.name), hints[option.name]
        kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
        if not any(_is(value, kind) for kind in kinds):
            wanted = " or ".join("nothing" if k is type(None) else getattr(k, "__name__", str(k)) for k in kinds)
            raise ConfigError(f"the option {option.name} of {what} has another type", value, f"Pass {wanted}.")


def _is(value: object, kind: Any) -> bool:
    plain = get_origin(kind) or kind
    if isinstance(value, bool) or plain is bool:
        return isinstance(value, bool) and plain is bool
    return isinstance(value, _NUMBERS.get(plain, plain))
