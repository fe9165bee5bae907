"""Write the table of relations into docs/paper_map.md from the definitions themselves."""

from __future__ import annotations

from pathlib import Path

from spatialvlm_ros.scenes.relations import RELATIONS

MARK = "<!-- relations: generated from RELATIONS, a test holds it -->"
PAGE = Path(__file__).resolve().parent.parent / "docs" / "paper_map.md"


def table() -> str:
    """The Markdown table, one row a relation."""
    rows = ["| relation | kind | objects | frame level | meaning |", "|---|---|---|---|---|"]
    for relation, spec in RELATIONS.items():
        kind = "predicate" if spec.predicate else f"{'signed ' if spec.signed else ''}{spec.unit}"
        rows.append(f"| {relation} | {kind} | {spec.arity} | {spec.min_level} | {spec.meaning} |")
    return "\n".join(rows) + "\n"


def page() -> str:
    """The page with a fresh table."""
    return PAGE.read_text(encoding="utf-8").split(MARK)[0] + MARK + "\n" + table()


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
