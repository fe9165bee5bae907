"""The plots of a result, each as one SVG text."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np

from spatialvlm_ros.evaluation.rows import ROWS
from spatialvlm_ros.optional import require
from spatialvlm_ros.plot_style import ACCENT, BAD, EXTRA, INK, NONE, SECOND, SOFT, STYLE
from spatialvlm_ros.questions.families import FAMILIES

Json = dict[str, Any]


def _drawn(size: tuple[float, float], draw: Callable[[Any], None], columns: int = 1, **layout: Any) -> str:
    """An SVG of ``columns`` axes side by side, filled by ``draw``."""
    require("matplotlib", EXTRA)
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.subplots(1, columns, **layout)
        draw(axes)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def error_by_distance(result: Json) -> str:
    """Relative error, and the shares within 25% and within 2 times, over the distance to the farther object."""
    bands = {n: b for n, b in result["by_band"].items() if "within_25" in b}
    x = np.arange(len(bands))

    def draw(axes: Any) -> None:
        left, right = axes
        _errorbars(left, x, [b["relative_error"] for b in bands.values()], ACCENT, "median relative error")
        _errorbars(right, x, [b["absolute_error_m"] for b in bands.values()], SECOND, "median absolute error", 100)
        left.set_ylabel("error, % of the truth")
        right.set_ylabel("error, cm (all numbers)")
        for axis in axes:
            axis.set_xticks(x, [f"{n}\n{b['within_25']['n']}" for n, b in bands.items()])
            axis.set_xlabel("distance to the farther object; numbers asked")
            axis.set_ylim(bottom=0)
            axis.set_xlim(-0.5, max(len(x) - 0.5, 0.5))
            axis.grid(axis="x", visible=False)

    return _drawn((8.6, 2.9), draw, 2)


def reliability(result: Json) -> str:
    """How often intervals hold what they promise, and how often "P(true) = p" is true."""
    lengths, chances = result["reliability"]["lengths"], result["reliability"]["probabilities"]

    def draw(axes: Any) -> None:
        for axis, points, key, title in (
            (axes[0], lengths, "level", "central interval promises"),
            (axes[1], chances, "probability", "P(true) says"),
        ):
            axis.plot([0, 1], [0, 1], color=NONE, linewidth=1)
            if points:
                x = np.array([p[key] for p in points])
                _errorbars(axis, x, points, ACCENT, "", 1, line=True)
            else:
                axis.text(0.5, 0.5, "no intervals", ha="center", color=SOFT)
            axis.set(xlim=(0, 1), ylim=(0, 1.02), xlabel=title, aspect="equal")
        axes[0].set_ylabel("holds the truth")
        axes[1].set_ylabel("is true")

    return _drawn((6.2, 3.1), draw, 2)


def rows_and_controls(result: Json) -> str:
    """The model and every control in the rows that controls decide."""
    rows = [r for r in result["settings"]["controlled_rows"] if r in result["rows"]]
    names = ["model", *result["controls"]]

    def draw(axes: Any) -> None:
        if not rows:
            axes.text(0.5, 0.5, "none of these rows was asked about", ha="center", color=SOFT)
            axes.set_axis_off()
        for axis, row in zip(np.atleast_1d(axes), rows, strict=bool(rows)):
            for y, name in enumerate(names):
                source = result["rows"] if name == "model" else result["controls"][name]["rows"]
                if row not in source:
                    continue
                value = source[row]
                color = ACCENT if name == "model" else SOFT
                axis.plot([100 * value["low"], 100 * value["high"]], [y, y], color=color, linewidth=2.4, alpha=0.55)
                axis.plot([100 * value["value"]], [y], "o", color=color, markersize=6)
                axis.text(100 * value["high"] + 1.5, y, f"{100 * value['value']:.0f}", va="center", color=color)
            axis.set_yticks(range(len(names)), names)
            axis.set_ylim(len(names) - 0.4, -0.6)
            axis.set_xlim(0, 109)
            axis.set_xticks([0, 25, 50, 75, 100])
            axis.set_title(ROWS[row].title, loc="left", fontsize=9, color=INK)
            axis.grid(axis="y", visible=False)

    height = 0.7 + 0.3 * len(names)
    return _drawn((8.6, height), draw, max(len(rows), 1), sharey=True)


def by_family(result: Json) -> str:
    """Share of right answers of every family: within 25% (5 cm for signed ones) and the right side."""
    families = result["by_family"]
    numeric = [f for f in FAMILIES if f in families and not FAMILIES[f].qualitative]
    qualitative = [f for f in FAMILIES if f in families and FAMILIES[f].qualitative]

    def draw(axes: Any) -> None:
        _numbers(axes[0], families, numeric)
        names = [n.replace("_", " ") for n in qualitative]
        _bars(axes[1], names, [families[f].get("qualitative") for f in qualitative], ACCENT)
        axes[1].axvline(50, color=BAD, linewidth=1, linestyle=(0, (3, 3)))
        axes[1].set_title("right side; 50 is chance", loc="left", fontsize=9, color=INK)

    height = 0.8 + 0.17 * max(len(qualitative), 2 * len(numeric) * 0.6, 6)
    return _drawn((8.6, height), draw, 2)


def _numbers(axis: Any, families: Json, names: list[str]) -> None:
    ratio = [families[f].get("within_25") for f in names]
    metres = [families[f].get("within_5cm") for f in names]
    _bars(axis, [n.replace("_", " ") for n in names], ratio, ACCENT, -0.19, 0.36, "within 25%")
    _bars(axis, [n.replace("_", " ") for n in names], metres, SECOND, 0.19, 0.36, "signed or near zero: within 5 cm")
    axis.legend(loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=2, fontsize=8, handlelength=1.2, borderpad=0.1)


def confusion(result: Json) -> str:
    """For each qualitative family, what was answered where the first and where the second side is true."""
    families = {f: e for f, e in result["by_family"].items() if "confusion" in e}
    sides = (("first", "the first side is true"), ("second", "the second side is true"))

    def draw(axes: Any) -> None:
        y = np.arange(len(families))
        for axis, (side, title) in zip(axes, sides, strict=True):
            start = np.zeros(len(families))
            counts = {s: np.array([e["confusion"][f"{side} as {s}"] for e in families.values()]) for s in SAID}
            total = np.maximum(sum(counts.values()), 1)
            for said, label in ((side, "right"), ("second" if side == "first" else "first", "wrong"), ("none", "none")):
                part = 100 * counts[said] / total
                axis.barh(y, part, left=start, height=0.7, color={"right": ACCENT, "wrong": BAD, "none": NONE}[label])
                start = start + part
            axis.set_yticks(y, [f.replace("_", " ") for f in families])
            axis.set_ylim(len(families) - 0.4, -0.6)
            axis.set(xlim=(0, 100), xlabel="% of the answers")
            axis.set_title(title, loc="left", fontsize=9, color=INK)
            axis.grid(axis="y", visible=False)

    return _drawn((8.6, 0.9 + 0.17 * max(len(families), 4)), draw, 2, sharey=True)


SAID = ("first", "second", "none")


def _bars(
    axis: Any,
    names: list[str],
    shares: list[Json | None],
    color: str,
    offset: float = 0,
    size: float = 0.7,
    label: str = "",
) -> None:
    rows = [(y, s) for y, s in enumerate(shares) if s is not None and s["value"] is not None]
    y = np.array([r[0] for r in rows], float) + offset
    value = 100 * np.array([r[1]["value"] for r in rows], float)
    axis.barh(y, value, height=size, color=color, alpha=0.85, label=label or None)
    for at, (_, s) in zip(y, rows, strict=True):
        axis.plot([100 * s["low"], 100 * s["high"]], [at, at], color=INK, linewidth=0.9, alpha=0.7)
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.4, -0.6)
    axis.set(xlim=(0, 100), xlabel="%")
    axis.grid(axis="y", visible=False)


def _errorbars(
    axis: Any, x: Any, points: list[Json], color: str, label: str, factor: float = 100, line: bool = False
) -> None:
    value, low, high = (np.array([p[k] for p in points], float) * factor for k in ("value", "low", "high"))
    axis.vlines(x, low, high, color=color, linewidth=2.2, alpha=0.5)
    axis.plot(x, value, "o-" if line else "o", color=color, markersize=5, linewidth=1.2)
    if label:
        axis.set_title(label, loc="left", fontsize=9, color=INK)
