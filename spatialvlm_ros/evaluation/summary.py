"""A result as text for a terminal."""

from __future__ import annotations

from typing import Any

from spatialvlm_ros.evaluation.rows import ROWS, TITLE_WIDTH


def summary(result: dict[str, Any]) -> str:
    """The rows with their intervals, the best control, and which targets are reached."""
    bench = result["bench"]
    reached = {n: {t["row"]: t["reached"] for t in rows} for n, rows in result["targets"].items()}
    lines = [
        f"{result['model']} on {bench['name']}: {result['views']} views, {result['answerable']} answerable questions",
        f"{'':{TITLE_WIDTH}} {'value':>6}  {'95% interval':15} {'best control':>12}  " + "  ".join(reached),
    ]
    for name, row in ROWS.items():
        measured = result["rows"].get(name)
        if measured is None:
            continue
        values = [c["rows"][name]["value"] for c in result["controls"].values() if name in c["rows"]]
        best = "" if not values or name.startswith("refuses") else f"{100 * max(values):.1f}"
        interval = f"{100 * measured['low']:.1f} to {100 * measured['high']:.1f}"
        marks = "  ".join({True: "yes", False: "no ", None: " . "}[r.get(name)] for r in reached.values())
        lines.append(f"{row.title:{TITLE_WIDTH}} {100 * measured['value']:6.1f}  {interval:15} {best:>12}  {marks}")
    return "\n".join(lines)
