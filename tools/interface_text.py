"""Reads .msg, .srv and .action files with their comments, for the documentation and the tests of layouts."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SECTIONS = {".msg": ("",), ".srv": ("Request", "Response"), ".action": ("Goal", "Result", "Feedback")}
_CONSTANT = re.compile(r"(\S+)\s+([A-Z][A-Z0-9_]*)\s*=\s*(.*)")
_FIELD = re.compile(r"(\S+)\s+([a-z][a-z0-9_]*)")


@dataclass(frozen=True)
class Field:
    """A field, or a constant where ``value`` is given."""

    type: str
    name: str
    comment: str
    value: str = ""


@dataclass(frozen=True)
class Section:
    """Fields that are sent together; its title is "" for a message."""

    title: str
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Interface:
    """One file: its name, what its first comment says, and its sections."""

    name: str
    description: str
    sections: tuple[Section, ...]


def read(path: Path) -> Interface:
    """An interface of a file."""
    parts = re.split(r"^---$", path.read_text(encoding="utf-8"), flags=re.M)
    description, rest = _first_comment(parts[0].splitlines())
    titles = SECTIONS[path.suffix]
    bodies = [rest, *(part.splitlines() for part in parts[1:])]
    sections = tuple(Section(title, tuple(_fields(body))) for title, body in zip(titles, bodies, strict=True))
    return Interface(path.stem, description, sections)


def read_all(folder: str) -> list[Interface]:
    """All of msg/, srv/ or action/, by name."""
    return [read(path) for path in sorted((ROOT / folder).glob(f"*.{folder}"))]


def _first_comment(lines: list[str]) -> tuple[str, list[str]]:
    end = next((k for k, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return " ".join(line.lstrip("# ") for line in lines[:end]), lines[end:]


def _fields(lines: list[str]) -> list[Field]:
    fields: list[Field] = []
    above: list[str] = []  # comments that stand over the next field
    for line in lines:
        code, _, comment = (part.strip() for part in line.partition("#"))
        if not code:
            above = [*above, comment] if comment else []
            continue
        found = _field(code)
        fields.append(replace(found, comment=" ".join([*above, comment]).strip()))
        above = []
    return fields


def _field(code: str) -> Field:
    constant = _CONSTANT.fullmatch(code)
    if constant:
        return Field(constant[1], constant[2], "", constant[3])
    field = _FIELD.fullmatch(code)
    if not field:
        raise ValueError(f"not a line of an interface: {code!r}")
    return Field(field[1], field[2], "")
