"""YAML whose mappings know their line, in which no key stands twice, and in which only true and false are booleans.

In YAML 1.1 the key ``on`` is a boolean; here it is a relation.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from spatialvlm_ros.errors import ConfigError


class Lined(dict[str, Any]):
    """A mapping with the number of its first line, and of the line of each key."""

    line: int = 0

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, int] = {}


class _Loader(yaml.SafeLoader):
    pass


_BOOL = "tag:yaml.org,2002:bool"
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _BOOL]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_BOOL, re.compile(r"true|True|false|False"), list("tTfF"))


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> Lined:
    made = Lined()
    made.line = node.start_mark.line + 1
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        line = key_node.start_mark.line + 1
        if not isinstance(key, str):
            raise ConfigError(f"a key of line {line} is no word", key, "Write 'key: value' lines.")
        if key in made:
            raise ConfigError(f"a key stands twice, again in line {line}", key, "Keep one of them.")
        made.lines[key] = line
        made[key] = loader.construct_object(value_node, deep=True)
    return made


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def read_lined(text: str, where: str) -> Any:
    """What a YAML text holds; mappings are `Lined`.

    Args:
        text: YAML.
        where: the text comes from, for errors.

    Raises:
        ConfigError: it is not YAML, has a key twice, or is nested too deeply.
    """
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506  a SafeLoader
    except yaml.YAMLError as error:
        raise ConfigError("this is not YAML", where, " ".join(str(error).split())) from error
    except ValueError as error:  # of an integer with thousands of digits, or a day that no month has
        raise ConfigError("a value of this YAML cannot be read", where, str(error)) from error
    except RecursionError as error:
        raise ConfigError("this YAML is nested too deeply", where, "A task has six levels at most.") from error
