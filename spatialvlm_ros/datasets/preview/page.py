"""The whole page: one HTML file that needs nothing else."""

from __future__ import annotations

from html import escape
from pathlib import Path

import numpy as np

from spatialvlm_ros.datasets.preview.overview import overview
from spatialvlm_ros.datasets.preview.summary import Summary, summarise
from spatialvlm_ros.datasets.preview.view_card import licence, view_card
from spatialvlm_ros.datasets.reader import Dataset
from spatialvlm_ros.datasets.shards import atomic_text_file
from spatialvlm_ros.errors import ConfigError, DatasetError

_CSS = Path(__file__).with_name("page.css")
_LAYERS = (("boxes2d", "2D boxes and names"), ("boxes3d", "3D boxes"), ("frame", "canonical frame and plane"))
_SCRIPT = (
    "for(const box of document.querySelectorAll('.controls input'))"
    "box.onchange=()=>document.body.classList.toggle('show-'+box.name,box.checked);"
)


def write_preview(dataset: Dataset, path: str | Path, title: str, views: int = 12) -> Path:
    """Write the page.

    Args:
        dataset: what to show; the counts are over all of it.
        path: of the HTML file.
        title: heading, e.g. the data set's name.
        views: how many views to show, spread evenly over the data set.

    Raises:
        ConfigError: ``views`` below 1.
        DatasetError: the file cannot be written, or the data set is damaged.
    """
    if views < 1:
        raise ConfigError("a preview shows at least one view", views)
    path = Path(path)
    summary = summarise(dataset)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_text_file(path) as file:
            file.write(_head(title, summary))
            for index in chosen(len(dataset), views):
                file.write(view_card(dataset.view(index), dataset.qa(index)))
            file.write(f"</main><script>{_SCRIPT}</script></body></html>\n")
    except OSError as error:
        raise DatasetError(f"cannot write the page {path}", error.strerror, "Choose another place.") from error
    return path


def chosen(rows: int, views: int) -> list[int]:
    """Indices of the rows to show: evenly spread, first and last included."""
    if views >= rows:
        return list(range(rows))
    return sorted({int(i) for i in np.linspace(0, rows - 1, views).round()})


def _head(title: str, summary: Summary) -> str:
    facts = [
        ", ".join(f"{name} ({rows:,} views)" for name, rows in summary.splits.items()),
        ", ".join(summary.sizes),
        ", ".join(map(licence, summary.licences)),
    ]
    boxes = "".join(f'<label><input type="checkbox" name="{n}" checked> {text}</label>' for n, text in _LAYERS)
    shown = " ".join(f"show-{name}" for name, _ in _LAYERS)
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_CSS.read_text(encoding='utf-8')}</style></head>"
        f'<body class="{shown}"><main><h1>{escape(title)}</h1><p class="lead">{escape(" · ".join(facts))}</p>'
        f"{overview(summary)}"
        f'<div class="controls">{boxes}<span class="key">Beside each answer: the exact value; for a comparison, '
        "by how much.</span></div>"
    )
