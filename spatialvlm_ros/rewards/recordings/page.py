"""Pages of annotated episodes: each one HTML file that needs nothing else, with the curves over a strip of pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from html import escape
from itertools import islice
from pathlib import Path

import numpy as np

from spatialvlm_ros.datasets.preview.images import data_uri
from spatialvlm_ros.errors import SourceError
from spatialvlm_ros.evaluation.bench import write_file
from spatialvlm_ros.rewards.recordings.curves import LEFT, RIGHT, curves, seconds_of, span_of
from spatialvlm_ros.rewards.recordings.episode import EpisodeAnnotations, EpisodeInfo, Frame, Provenance, Recording

INDEX = "index.html"
_CSS = Path(__file__).with_name("page.css")
_MOST_PICTURES = 11
_WIDTH_PX = 220


def write_episode_page(
    path: Path, recording: Recording, episode: EpisodeInfo, annotations: EpisodeAnnotations, provenance: Provenance
) -> Path:
    """Write the page of one episode; returns its path.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    write_file(path, episode_page(recording, episode, annotations, provenance).encode())
    return path


def episode_page(
    recording: Recording, episode: EpisodeInfo, annotations: EpisodeAnnotations, provenance: Provenance
) -> str:
    """The HTML text of the page of one episode."""
    title = f"{recording.path.name}: {episode.name}"
    body = "".join(
        (
            f"<h1>{escape(title)}</h1>{_lead(recording, episode, provenance)}",
            _tiles(annotations, episode),
            f'<section class="card"><div class="chart">{_strip(recording, episode, annotations)}'
            f"{curves(annotations, episode.frames)}</div>"
            '<p class="note">The band is the 90% interval of the potential; the reward of a picture is that of the '
            "step that ends in it. Grey: not valid, with the reason below. Green: done.</p></section>",
            _reasons(annotations),
        )
    )
    return _html(title, body)


def write_index(
    folder: Path, recording: Recording, judged: Iterable[tuple[EpisodeInfo, EpisodeAnnotations, str]], note: str = ""
) -> Path:
    """Write the list of episodes, each with the file name of its page ("" where it has none); returns its path.

    They are taken one by one: the annotations of ten thousand episodes need not fit into memory.
    """
    rows = [_row(*entry) for entry in judged]
    warning = f'<p class="warn">{escape(note)}</p>' if note else ""
    head = "<th>episode</th><th class='words'>instruction</th>" + "".join(
        f"<th>{name}</th>" for name in ("pictures", "with a reward", "sum of rewards", "last potential", "done at")
    )
    count = "1 episode" if len(rows) == 1 else f"{len(rows)} episodes"
    body = (
        f"<h1>{escape(recording.path.name)}</h1><p class='lead'>{count} judged in the pictures of "
        f"{escape(recording.camera_name)}.</p>{warning}"
        f'<section class="card"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></section>'
    )
    path = folder / INDEX
    write_file(path, _html(recording.path.name, body).encode())
    return path


def _html(title: str, body: str) -> str:
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_CSS.read_text(encoding='utf-8')}</style></head>"
        f"<body><main>{body}</main></body></html>\n"
    )


def _lead(recording: Recording, episode: EpisodeInfo, provenance: Provenance) -> str:
    task = provenance.task
    words = task.get("instruction") or task.get("name") if isinstance(task, dict) else task
    words = words or episode.instruction
    return (
        f'<p class="lead">{escape(str(words))} Discount {provenance.gamma:g}; measured by {escape(provenance.model)} '
        f"in the pictures of {escape(recording.camera_name)}.</p>"
    )


def _tiles(annotations: EpisodeAnnotations, episode: EpisodeInfo) -> str:
    n = episode.frames
    tiles = {
        "pictures": f"{n:,}",
        "with a valid reward": f"{annotations.valid[:n].mean():.0%}",
        "sum of rewards": _number(float(np.nansum(annotations.reward))),
        "potential, first to last": f"{_end(annotations.potential[:n], 0)} to {_end(annotations.potential[:n], -1)}",
        "done at": _done_at(annotations, n),
    }
    return (
        '<div class="tiles">'
        + "".join(
            f'<div class="tile"><b>{escape(value)}</b><span>{escape(name)}</span></div>'
            for name, value in tiles.items()
        )
        + "</div>"
    )


def _end(values: np.ndarray, which: int) -> str:
    known = values[np.isfinite(values)]
    return _number(float(known[which])) if known.size else "?"


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-0.00", "0.00")


def _done_at(annotations: EpisodeAnnotations, n: int) -> str:
    done = np.flatnonzero(annotations.success[:n])
    return f"{seconds_of(annotations, n)[done[0]]:.1f} s" if done.size else "never"


def _strip(recording: Recording, episode: EpisodeInfo, annotations: EpisodeAnnotations) -> str:
    """Pictures in columns of equal width under the time axis, each from the middle of its column's time."""
    seconds = seconds_of(annotations, episode.frames)
    count = min(_MOST_PICTURES, episode.frames)
    low, high = span_of(seconds)
    middles = low + (np.arange(count) + 0.5) * (high - low) / count
    numbers = [int(np.abs(seconds - middle).argmin()) for middle in middles]
    figures = "".join(_figure(_frame(recording, episode, k), float(seconds[k])) for k in numbers)
    style = f"margin: 0 {100 * (1 - RIGHT):.2f}% 0 {100 * LEFT:.2f}%"
    return f'<div class="strip" style="{style}">{figures}</div>'


def _frame(recording: Recording, episode: EpisodeInfo, index: int) -> Frame | None:
    try:
        return next(islice(recording.frames(episode, index), 1), None)
    except SourceError:
        return None


def _figure(frame: Frame | None, seconds: float) -> str:
    caption = f"<figcaption>{seconds:.1f} s</figcaption>"
    if frame is None or frame.observation is None:
        return f'<figure><div class="none">unreadable</div>{caption}</figure>'
    return f'<figure><img alt="" src="{data_uri(frame.observation.rgb, _WIDTH_PX)}">{caption}</figure>'


def _reasons(annotations: EpisodeAnnotations) -> str:
    """Why there was no reward, most frequent first."""
    pairs = zip(annotations.valid, annotations.reason, annotations.detail, strict=True)
    counted = Counter((reason, detail) for valid, reason, detail in pairs if not valid)
    if not counted:
        return ""
    rows = "".join(
        f"<tr><td>{escape(reason.replace('_', ' '))}</td><td class='words'>{escape(detail)}</td><td>{count:,}</td></tr>"
        for (reason, detail), count in counted.most_common(12)
    )
    return (
        '<section class="card"><h2>Not valid</h2><table><thead><tr><th>reason</th><th class="words"></th>'
        f"<th>pictures</th></tr></thead><tbody>{rows}</tbody></table></section>"
    )


def _row(episode: EpisodeInfo, annotations: EpisodeAnnotations, page: str) -> str:
    n = episode.frames
    name = escape(episode.name)
    cells = (
        f"<td><a href='{escape(page)}'>{name}</a></td>" if page else f"<td>{name}</td>",
        f"<td class='words'>{escape(episode.instruction)}</td>",
        f"<td>{n:,}</td>",
        f"<td>{annotations.valid[:n].mean():.0%}</td>",
        f"<td>{_number(float(np.nansum(annotations.reward)))}</td>",
        f"<td>{_end(annotations.potential[:n], -1)}</td>",
        f"<td>{_done_at(annotations, n)}</td>",
    )
    return f"<tr>{''.join(cells)}</tr>"
