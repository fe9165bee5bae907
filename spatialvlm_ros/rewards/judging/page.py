"""The page of a result: one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from spatialvlm_ros.rewards.judging import plots
from spatialvlm_ros.rewards.judging.episodes import EpisodeCurves

Json = dict[str, Any]

_CSS = Path(__file__).with_name("page.css")


@dataclass(frozen=True)
class _Number:
    """How a number of the result is shown: its title, what it is multiplied with, and the digits after the point."""

    title: str
    factor: float = 1
    digits: int = 2

    def __call__(self, value: float) -> str:
        return f"{value * self.factor:.{self.digits}f}".replace("-0.00", "0.00")


def _percent(title: str) -> _Number:
    return _Number(f"{title}, %", 100, 1)


def _cm(title: str) -> _Number:
    return _Number(f"{title}, cm", 100, 1)


# Keys of the result.
_POTENTIALS = {
    "spearman": _Number("rank correlation with the truth, median episode"),
    "ahead of the time index on failures": _Number("ahead of the time index, median failure"),
    "beats the time index on failures": _percent("failures where it is ahead"),
    "success auc": _Number("success AUC"),
    "final false progress": _percent("failures that end like a success"),
    "false progress on failures": _Number("false progress on the way, median failure"),
    "abstained": _percent("pictures refused"),
    "abstained, half visible": _percent("refused with the target half visible"),
    "right thing": _percent("episodes in which the right thing was followed"),
    "coverage of the 90% interval": _percent("truth in the 90% interval"),
}
_NEAR = {
    "answered, each cm alike": _percent("answered"),
    "mean error, m": _cm("mean error"),
    "mean error of the constant 5 cm, m": _cm("mean error of the constant 5 cm"),
    "slope": _Number("slope"),
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
    kinds = {name.replace(", ", " ").replace("_", " "): count for name, count in result["by outcome"].items()}
    sizes = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
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
    """A number a line, a source a column: there are more numbers than a page is wide."""
    head = "".join(f"<th>{escape(name)}</th>" for name in result["judged"])
    rows = "".join(
        f"<tr><td>{escape(number.title)}</td>"
        + "".join(f"<td>{_cell(numbers.get(key), number)}</td>" for numbers in result["judged"].values())
        + "</tr>"
        for key, number in _POTENTIALS.items()
    )
    return f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _near_table(result: Json) -> str:
    near = {
        name + suffix: numbers[key]
        for key, suffix in _NEAR_KINDS.items()
        for name, numbers in result["judged"].items()
        if key in numbers and any(numbers[key]["frames of each cm"])
    }
    rows = "".join(
        f"<tr><td>{escape(name)}</td>"
        + "".join(f"<td>{_cell(one[key], number)}</td>" for key, number in _NEAR.items())
        + "</tr>"
        for name, one in near.items()
    )
    head = "".join(f"<th>{escape(number.title)}</th>" for number in _NEAR.values())
    return f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _cell(value: Json | float | None, number: _Number) -> str:
    if value is None:
        return ""
    if isinstance(value, (int, float)):
        return number(value)
    if value["value"] is None:
        return ""
    return f"{number(value['value'])} <small>({number(value['low'])} to {number(value['high'])})</small>"
