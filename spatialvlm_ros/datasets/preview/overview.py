"""The top of the page: what the whole data set holds."""

from __future__ import annotations

from html import escape

import numpy as np

from spatialvlm_ros.datasets.preview.summary import LENGTH_EDGES, FamilyCount, Summary
from spatialvlm_ros.questions.families import FAMILIES, Kind

_TITLES = {
    Kind.PREDICATE: ("Yes or no", "dark: yes, light: no"),
    Kind.CHOICE: ("Which of two", "dark: the first named, light: the second"),
    Kind.CLASSIFY: ("Which word", "dark: the first word, light: the second"),
    Kind.NUMBER: ("How much", ""),
}


def overview(summary: Summary) -> str:
    """HTML of tiles, families, lengths and what was skipped."""
    return "".join(
        [
            _tiles(summary),
            _families(summary),
            _lengths(summary),
            _skipped(summary),
        ]
    )


def _tiles(summary: Summary) -> str:
    views = max(summary.views, 1)
    tiles = [
        (f"{summary.views:,}", "views"),
        (f"{summary.questions:,}", "questions"),
        (f"{summary.questions / views:.1f}", "questions a view"),
        (f"{summary.objects / views:.1f}", "objects a view"),
        (f"{len(summary.nouns):,}", "different nouns"),
        (f"{len(summary.families)} of {len(FAMILIES)}", "question families"),
        (f"{100 * summary.levels[2] / views:.0f}%", "with a support plane"),
        (f"{sum(summary.skipped.values()):,}", "views skipped"),
    ]
    cells = "".join(f'<div class="tile"><b>{number}</b><span>{escape(text)}</span></div>' for number, text in tiles)
    return f'<section class="tiles">{cells}</section>'


def _families(summary: Summary) -> str:
    most = max((count.total for count in summary.families.values()), default=1)
    columns = []
    for kind, (title, key) in _TITLES.items():
        rows = "".join(
            _family_bar(name, summary.families.get(name, FamilyCount()), most, kind)
            for name, family in FAMILIES.items()
            if family.kind is kind
        )
        note = f'<p class="note">{key}</p>' if key else ""
        columns.append(f'<div><h2>{title}</h2><div class="bars">{rows}</div>{note}</div>')
    return f'<section class="card"><div class="columns">{"".join(columns)}</div></section>'


def _family_bar(name: str, count: FamilyCount, most: int, kind: Kind) -> str:
    first = count.total if kind is Kind.NUMBER else count.positive
    width, rest = (100 * part / most for part in (first, count.total - first))
    bar = f'<i><b style="width:{width:.2f}%"></b><s style="width:{rest:.2f}%"></s></i>'
    return f"<span>{family_title(name)}</span>{bar}<em>{count.total:,}</em>"


def family_title(name: str) -> str:
    """A family's name for reading: "left-right", "horizontal distance"."""
    kind = FAMILIES[name].kind if name in FAMILIES else Kind.NUMBER
    stem = name if kind is Kind.NUMBER else name.rsplit("_", 1)[0]
    return escape(stem.replace("_", "-" if kind is Kind.CLASSIFY else " "))


def _lengths(summary: Summary) -> str:
    cells = []
    for name, family in FAMILIES.items():
        count = summary.families.get(name)
        if family.kind is not Kind.NUMBER or count is None:
            continue
        median = float(np.median(np.abs(count.values)))
        cells.append(
            f"<section><div><span>{family_title(name)}</span><em>{length(median)}</em></div>"
            f'{_histogram(count.histogram())}<div class="scale"><span>1 cm</span><span>10 cm</span><span>1 m</span>'
            "<span>10 m</span></div></section>"
        )
    note = (
        '<p class="note">Exact values without their sign, on a logarithmic scale, smaller and larger ones in the end '
        "bins. On the right of each name: the median.</p>"
    )
    body = f'<div class="lengths">{"".join(cells)}</div>{note}'
    return f'<section class="card"><h2>Lengths asked for</h2>{body}</section>' if cells else ""


def _histogram(counts: list[int]) -> str:
    most, n = max(max(counts), 1), len(LENGTH_EDGES) - 1
    tops = [40 * count / most for count in counts]
    bars = "".join(
        f'<rect x="{i + 0.08:.2f}" y="{40 - top:.2f}" width="0.84" height="{top:.2f}" fill="#2f5bd0"/>'
        for i, top in enumerate(tops)
        if top
    )
    return f'<svg viewBox="0 0 {n} 40" preserveAspectRatio="none">{bars}</svg>'


def _skipped(summary: Summary) -> str:
    if not summary.skipped:
        return ""
    rows = "".join(f"<tr><td>{n:,}</td><td>{escape(reason)}</td></tr>" for reason, n in summary.skipped.most_common())
    return f'<section class="card skipped"><h2>Views skipped, and why</h2><table>{rows}</table></section>'


def length(metres: float) -> str:
    """Exact lengths as the page shows them: millimetres resolved below 10 m."""
    size = abs(metres)
    if not np.isfinite(metres):
        return "–"
    text = f"{size * 100:.1f} cm" if size < 0.9995 else f"{size:.3f} m" if size < 10 else f"{size:.2f} m"
    return f"−{text}" if metres < 0 and text != "0.0 cm" else text
