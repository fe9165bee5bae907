"""Whether a result reaches what is wanted, and whether it beats what needs no picture."""

from __future__ import annotations

from typing import Any

from spatialvlm_ros.evaluation.rows import GROUPS_ROW, ROWS
from spatialvlm_ros.evaluation.settings import EvaluationSettings

Json = dict[str, Any]


def against_controls(result: Json, controls: dict[str, Json], settings: EvaluationSettings) -> dict[str, Json]:
    """For each row that controls decide: the best control, by how much it is beaten, and the verdict.

    A row is beaten when the model's value is ``beat_by`` over the best control's and their 95% intervals are apart.
    """
    verdicts: dict[str, Json] = {}
    for row in settings.controlled_rows:
        mine = result["rows"].get(row)
        rivals = {n: c["rows"][row] for n, c in controls.items() if row in c["rows"]}
        if mine is None or not rivals:
            continue
        name, best = max(rivals.items(), key=lambda pair: pair[1]["value"])
        lead = mine["value"] - best["value"]
        apart = mine["low"] > best["high"]
        verdicts[row] = {
            "best_control": name,
            "control": best,
            "lead": round(lead, 6),
            "intervals_apart": apart,
            "beaten": bool(lead >= settings.beat_by and apart),
        }
    return verdicts


def against_targets(result: Json, verdicts: dict[str, Json], settings: EvaluationSettings) -> dict[str, list[Json]]:
    """For each set of targets, every row with its value, its limits and whether they hold.

    A row that controls decide fails where they are not beaten, whatever its value.
    """
    return {
        name: [_judged(row, limits, result, verdicts, settings) for row, limits in wanted.items()]
        for name, wanted in settings.targets.items()
    }


def _judged(
    row: str, limits: list[float], result: Json, verdicts: dict[str, Json], settings: EvaluationSettings
) -> Json:
    low, high = float(limits[0]), float(limits[1])
    entry: Json = {"row": row, "least": low, "greatest": high}
    if row == GROUPS_ROW:
        groups = coverage_groups(result, settings.least_in_group)
        outside = {n: v for n, v in groups.items() if not low <= v <= high}
        return {
            **entry,
            "title": "... in each shift and distance band",
            "value": [min(groups.values()), max(groups.values())] if groups else None,
            "outside": outside,
            "reached": bool(groups) and not outside,
        }
    measured = result["rows"].get(row)
    title = ROWS[row].title if row in ROWS else row
    if measured is None or measured["value"] is None:
        return {**entry, "title": title, "value": None, "reached": False}
    inside = low <= measured["value"] <= high
    beaten = verdicts.get(row, {}).get("beaten", row not in settings.controlled_rows)
    return {**entry, "title": title, "value": measured["value"], "in_limits": inside, "reached": inside and beaten}


def coverage_groups(result: Json, least: int) -> dict[str, float]:
    """Coverage of each shift and distance band with at least so many answers."""
    parts = {**result["by_split"], **result["by_band"]}
    return {n: p["coverage"]["value"] for n, p in parts.items() if "coverage" in p and p["coverage"]["n"] >= least}
