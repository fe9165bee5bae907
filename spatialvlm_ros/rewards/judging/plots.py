"""The plots of a result, each as one SVG text."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from typing import Any

import numpy as np

from spatialvlm_ros.optional import require
from spatialvlm_ros.plot_style import ACCENT, BAD, EXTRA, INK, NONE, SECOND, SOFT, STYLE
from spatialvlm_ros.rewards.judging.episodes import EpisodeCurves
from spatialvlm_ros.rewards.judging.metrics import CONSTANT_M, NEAR_M

_COLORS = (ACCENT, SECOND, "#7a4fb5", BAD, "#b8860b", SOFT)
_COLUMNS = 4  # of panels, one a source
_LEGEND_COLUMNS = 7


def potentials_over_time(episodes: Sequence[EpisodeCurves]) -> str:
    """One episode of each outcome: the true potential and the estimated ones."""
    shown = list({(e.case.task, e.case.outcome): e for e in reversed(episodes)}.values())[::-1]

    def draw(axes: Any) -> None:
        for axis, episode in zip(axes.flat, shown, strict=False):
            axis.plot(episode.time_s, episode.true.potential, color=INK, linewidth=1.6, label="true state")
            for color, (name, one) in zip(cycle(_COLORS), episode.estimated.items(), strict=False):
                axis.plot(episode.time_s, one.potential, color=color, linewidth=1.2, label=name)
                axis.fill_between(episode.time_s, one.low, one.high, color=color, alpha=0.13, linewidth=0)
            axis.set(ylim=(0, 1.02))
            title = f"{episode.case.task}, {episode.case.outcome}".replace("_", " ")
            axis.set_title(title, loc="left", fontsize=9, color=INK)
        for axis in axes.flat[len(shown) :]:
            axis.axis("off")
        axes.flat[0].set_ylabel("potential")
        lines = axes.flat[0].get_legend_handles_labels()
        axes.flat[0].figure.legend(*lines, loc="outside upper left", ncols=_LEGEND_COLUMNS, fontsize=8)

    rows = max(1, -(-len(shown) // 3))
    return _drawn((8.6, 0.3 + 2.2 * rows), draw, rows, 3)


def last_potentials(episodes: Sequence[EpisodeCurves]) -> str:
    """The potential at the end of every episode, by outcome: what successes are told apart by."""
    outcomes = list(dict.fromkeys(e.case.outcome for e in episodes))
    names = ["true state", *dict.fromkeys(name for e in episodes for name in e.estimated)]

    def draw(axes: Any) -> None:
        for axis, name in _panels(axes, names):
            for place, outcome in enumerate(outcomes):
                curves = [
                    e.true if name == "true state" else e.estimated[name] for e in episodes if e.case.outcome == outcome
                ]
                ends = [one.held[-1] for one in curves]
                spread = np.linspace(-0.18, 0.18, len(ends)) if len(ends) > 1 else np.zeros(len(ends))
                axis.plot(ends, place + spread, "o", color=ACCENT if outcome == "success" else SOFT, markersize=4)
            axis.set_yticks(range(len(outcomes)), [o.replace("_", " ") for o in outcomes])
            axis.set(xlim=(-0.02, 1.02), ylim=(len(outcomes) - 0.5, -0.5), xlabel="last potential")
            axis.set_title(name, loc="left", fontsize=9, color=INK)

    rows = _rows(names)
    return _drawn((8.6, rows * (0.9 + 0.32 * len(outcomes))), draw, rows, min(len(names), _COLUMNS), sharey=True)


def near_contact(episodes: Sequence[EpisodeCurves]) -> str:
    """The measured gap over the true one within 10 cm."""
    names = list(dict.fromkeys(name for e in episodes for name in e.estimated))
    true = np.concatenate([np.zeros(0), *(e.true.gap for e in episodes)])

    def draw(axes: Any) -> None:
        near = true <= NEAR_M
        for axis, name in _panels(axes, names):
            said = np.concatenate([np.zeros(0), *(e.estimated[name].gap for e in episodes)])
            axis.plot([0, 100 * NEAR_M], [0, 100 * NEAR_M], color=NONE, linewidth=1)
            axis.axhline(100 * CONSTANT_M, color=BAD, linewidth=1, linestyle=(0, (3, 3)))
            axis.plot(100 * true[near], 100 * said[near], "o", color=ACCENT, markersize=2.5, alpha=0.6)
            axis.set(xlim=(-0.2, 100 * NEAR_M), ylim=(-0.5, 30), xlabel="true gap, cm")
            axis.set_title(name, loc="left", fontsize=9, color=INK)
        axes.flat[0].set_ylabel("measured gap, cm")

    rows = _rows(names)
    return _drawn((8.6, 2.7 * rows), draw, rows, max(min(len(names), _COLUMNS), 1), sharey=True)


def _rows(names: Sequence[str]) -> int:
    return max(1, -(-len(names) // _COLUMNS))


def _panels(axes: Any, names: Sequence[str]) -> Iterator[tuple[Any, str]]:
    """One panel a name; the others are left empty."""
    for axis in axes.flat[len(names) :]:
        axis.axis("off")
    return zip(axes.flat, names, strict=False)


def _drawn(size: tuple[float, float], draw: Callable[[Any], None], rows: int, columns: int, **layout: Any) -> str:
    """An SVG of (rows, columns) axes, filled by ``draw``."""
    require("matplotlib", EXTRA)
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure.subplots(rows, columns, squeeze=False, **layout))
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    text = buffer.getvalue()
    return text[text.index("<svg") :]
