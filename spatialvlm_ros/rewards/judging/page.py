"""The page of a result: one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from spatialvlm_ros.rewards.judging import plots
from spatialvlm_ros.rewards.judging.episodes import EpisodeCurves

Json = dict[str, Any]

_CSS = Path(__file__).with_name("page.css")
# Key of the result -> heading and factor.
_COLUMNS: dict[str, tuple[str, float]] = {
    "spearman": ("rank correlation with the truth, median episode", 1),
    "ahead of the time index on failures": ("ahead of the time index, median failure", 1),
    "beats the time index on failures": ("failures where it is ahead, %", 100),
    "success auc": ("success AUC", 1),
    "final false progress": ("failures that end like a success, %", 100),
    "false progress on failures": ("false progress on the way, median failure", 1),
    "abstained": ("pictures refused, %", 100),
    "abstained, half visible": ("refused with the target half visible, %", 100),
    "right thing": ("episodes in which the right thing was followed, %", 100),
    "coverage of the 90% interval": ("truth in the 90% interval, %", 100),
}
_NEAR_KINDS = {"near contact": "", "near contact, right thing": ", right thing"}  # key -> what stands behind a source
_NOTE = (
    "In brackets: 95% intervals over episodes. Where a picture is refused the potential before it counts, 0 before the "
    "first. Failures that end like a success: their final potential reaches the 10th percentile of that of the "
    "successes. False progress on the way: the most that the potential exceeds what has truly been reached by then."
)
_NEAR_NOTE = (
    "Pictures with a true gap of 0 to 10 cm between tool centre point and target, each centimetre weighted alike. "
    "Error and slope are of the answered ones. Right thing: of the episodes in which what was followed was the target. "
    "The dashed line is the answer 5 cm, the grey one the truth."
)


def page_of(result: Json, episodes: Sequence[EpisodeCurves]) -> str:
    """The HTML text.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    title = f"Rewards of {result['model']}"
    sizes = ", ".join(f"{count} {name}" for name, count in result["by outcome"].items())
    lead = f"{result['episodes']} simulated episodes, {result['frames']} pictures ({sizes})."
    parts = [f'<h1>{escape(title)}</h1><p class="lead">{escape(lead)}</p>', _card("Potentials", _table(result), _NOTE)]
    if episodes:
        parts += [
            _card("One episode of each outcome", plots.potentials_over_time(episodes)),
            _card("At the end", plots.last_potentials(episodes)),
            _card("Near contact", _near_table(result) + plots.near_contact(episodes), _NEAR_NOTE),
        ]
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_CSS.read_text(encoding='utf-8')}</style></head>"
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def _card(title: str, body: str, note: str = "") -> str:
    below = f'<p class="note">{escape(note)}</p>' if note else ""
    return f'<section class="card"><h2>{escape(title)}</h2>{body}{below}</section>'


def _table(result: Json) -> str:
    head = "".join(f"<th>{escape(title)}</th>" for title, _ in _COLUMNS.values())
    rows = "".join(
        f"<tr><td>{escape(name)}</td>"
        + "".join(f"<td>{_cell(numbers.get(key), factor)}</td>" for key, (_, factor) in _COLUMNS.items())
        + "</tr>"
        for name, numbers in result["judged"].items()
    )
    return f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _near_table(result: Json) -> str:
    near = {
        name + suffix: numbers[key]
        for key, suffix in _NEAR_KINDS.items()
        for name, numbers in result["judged"].items()
        if key in numbers and any(numbers[key]["frames of each cm"])
    }
    columns = ("answered, %", "mean error, cm", "mean error of the constant 5 cm, cm", "slope")
    keys = {"answered, each cm alike": 100, "mean error, m": 100, "mean error of the constant 5 cm, m": 100, "slope": 1}
    rows = "".join(
        f"<tr><td>{escape(name)}</td>"
        + "".join(f"<td>{_cell(one[key], by)}</td>" for key, by in keys.items())
        + "</tr>"
        for name, one in near.items()
    )
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    return f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _cell(number: Json | float | None, factor: float) -> str:
    if number is None:
        return ""
    if isinstance(number, (int, float)):
        return _shown(number, factor)
    if number["value"] is None:
        return ""
    interval = f"{_shown(number['low'], factor)} to {_shown(number['high'], factor)}"
    return f"{_shown(number['value'], factor)}<small>({interval})</small>"


def _shown(value: float, factor: float) -> str:
    return f"{value * factor:.{0 if factor == 100 and abs(value) > 0.2 else 2}f}".replace("-0.00", "0.00")
