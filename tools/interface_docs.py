"""Writes docs/interfaces.md from the tables in the code and the interface files: python tools/interface_docs.py"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from interface_text import ROOT, Field, Interface, read_all
from parameter_file import allowed_text, type_text, value_text

from spatialvlm_ros.ros.parameters import PARAMETERS
from spatialvlm_ros.ros.topics import INTERFACES, Kind

PAGE = ROOT / "docs" / "interfaces.md"
_OWN = "spatialvlm_ros/"

HEAD = """\
# Interfaces of the node

Written by `tools/interface_docs.py` from the code and the interface files. How to use the node: [ros.md](ros.md).

Lengths are metres, times seconds, angles radians; stamps are those of the pictures. Frames follow REP-103 and REP-105.
What each relation measures: [paper_map.md](paper_map.md).
"""

NAMES = """\
Inputs are in the node's namespace: remap them to a camera's topics. `~/` is the node: `~/distances` is
`/spatialvlm/distances` for a node of that name. With the parameter `cameras` each camera has all of them under its
name: `front/image`, `~/front/distances`.
"""

SETTINGS = """\
Live ones may change while the node is active; the others need a new configure. The same table as a file to copy:
[config/ros/spatialvlm.yaml](../config/ros/spatialvlm.yaml). In such a file an empty list is `[""]`. `use_sim_time` is
there as in every node.
"""


def cell(text: str) -> str:
    """Text inside a table."""
    return text.replace("|", "\\|").replace("<", "&lt;")


def code(text: str) -> str:
    """Code inside a table."""
    return f"`{text}`".replace("|", "\\|") if text else ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def type_link(name: str) -> str:
    """A type, linked where it is one of ours."""
    if not name.startswith(_OWN):
        return name
    short = name.rsplit("/", 1)[-1]
    return f"[{short}](#{short.split('[')[0].lower()})"


def topics(kind: Kind) -> str:
    """The table of the topics of a kind."""
    rows = [
        (code(e.topic()), type_link(e.type), cell(e.description), cell(e.qos))
        for e in INTERFACES.values()
        if e.kind is kind
    ]
    return table(("topic", "type", "meaning", "QoS"), rows)


def servers(kind: Kind) -> str:
    """The table of the services or actions."""
    rows = [(code(e.topic()), type_link(e.type), cell(e.description)) for e in INTERFACES.values() if e.kind is kind]
    return table(("name", "type", "meaning"), rows)


def parameters() -> str:
    """The table of the parameters."""
    rows = [
        (
            code(p.name),
            code(type_text(p)),
            code(value_text(p.default) if p.default != () else "[]"),
            cell(allowed_text(p)),
            "yes" if p.live else "",
            cell(p.description),
        )
        for p in PARAMETERS.values()
    ]
    return table(("parameter", "type", "default", "allowed", "live", "meaning"), rows)


def interface(item: Interface) -> str:
    """One message, service or action."""
    parts = [f"### {item.name}\n\n{item.description}\n"]
    for section in item.sections:
        title = f"\n{section.title}:\n" if section.title else ""
        parts.append(f"{title}\n{_fields([f for f in section.fields if not f.value])}")
        constants = [f for f in section.fields if f.value]
        if constants:
            parts.append(f"\nConstants: {', '.join(code(f'{f.name}={f.value}') for f in constants)}.\n")
    return "".join(parts)


def _fields(fields: Sequence[Field]) -> str:
    if not fields:
        return "Nothing.\n"
    rows = [(code(f.name), type_link(f.type), cell(f.comment)) for f in fields]
    return table(("field", "type", "meaning"), rows)


def page() -> str:
    """The whole page."""
    parts = [
        HEAD,
        f"## Topics\n\n{NAMES}\n### Subscribed\n\n{topics(Kind.INPUT)}\n### Published\n\n{topics(Kind.OUTPUT)}",
        f"## Services\n\n{servers(Kind.SERVICE)}",
        f"## Actions\n\n{servers(Kind.ACTION)}",
        f"## Parameters\n\n{SETTINGS}\n{parameters()}",
        *_section("Messages", "msg"),
        *_section("Service types", "srv"),
        *_section("Action types", "action"),
    ]
    return "\n".join(parts)


def _section(title: str, folder: str) -> list[str]:
    return [f"## {title}\n", *(interface(item) for item in read_all(folder))]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
