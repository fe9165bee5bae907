"""The curves of an episode over time: potential with its band, reward, and what was measured."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.optional import require
from spatialvlm_ros.plot_style import ACCENT, EXTRA, NONE, SECOND, SOFT, STYLE
from spatialvlm_ros.rewards.recordings.episode import EpisodeAnnotations

LEFT, RIGHT = 0.07, 0.985  # edges of the axes as shares of the width; the strip of pictures keeps to them
_SIZE, _HEIGHTS = (10.4, 5.6), (3, 1.7, 2)
_GOOD = "#1d7a46"
_COLORS = (ACCENT, SECOND, "#7a4fb5", "#2a9d8f", "#b0413e")


# Points of a curve: more than that many lie within one pixel, and a page of an hour would have 30 MB.
_MOST_POINTS = 4000


@dataclass(frozen=True)
class _Groups:
    """Pictures that are drawn as one, ``every`` after the other; NaN where nothing of a group is known."""

    every: int

    @staticmethod
    def of(pictures: int) -> _Groups:
        return _Groups(max(1, -(-pictures // _MOST_POINTS)))

    def mean(self, values: NDArray[Any]) -> NDArray[np.float64]:
        known = np.isfinite(values)
        with np.errstate(invalid="ignore"):
            return self._each(np.add, np.where(known, values, 0.0)) / self._each(np.add, known.astype(float))

    def lowest(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._each(np.fmin, values)

    def highest(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._each(np.fmax, values)

    def most(self, values: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return self.mean(values.astype(float)) >= 0.5

    def _each(self, combine: np.ufunc, values: NDArray[Any]) -> NDArray[Any]:
        starts = np.arange(0, len(values), self.every)
        return np.asarray(combine.reduceat(values, starts)) if len(values) else values


@dataclass(frozen=True)
class _Line:
    """One measured quantity: (T,) values and deviations, NaN where it was not measured."""

    value: NDArray[np.float64]
    std: NDArray[np.float64]
    unit: str


def seconds_of(annotations: EpisodeAnnotations, pictures: int) -> NDArray[np.float64]:
    """(pictures,) seconds since the first picture."""
    stamps = annotations.stamp_ns[:pictures]
    return (stamps - stamps[0]) / 1e9 if pictures else np.zeros(0)


def span_of(seconds: NDArray[np.float64]) -> tuple[float, float]:
    """Ends of the time axis."""
    if len(seconds) < 2:
        return -0.5, 0.5
    half = (seconds[-1] - seconds[0]) / (len(seconds) - 1) / 2
    return float(seconds[0] - half), float(seconds[-1] + half)


def curves(annotations: EpisodeAnnotations, pictures: int) -> str:
    """One SVG. Of a long episode neighbouring pictures are drawn as one, by their mean and their widest band.

    Args:
        annotations: of an episode.
        pictures: so many of its pictures were recorded.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    require("matplotlib", EXTRA)
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    seconds = seconds_of(annotations, pictures)
    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=_SIZE)
        FigureCanvasSVG(figure)
        layout = {"height_ratios": _HEIGHTS, "left": LEFT, "right": RIGHT, "top": 0.95, "bottom": 0.08, "hspace": 0.3}
        potential, reward, measured = figure.subplots(3, 1, sharex=True, gridspec_kw=layout)
        _potential(potential, seconds, annotations)
        _reward(reward, seconds, annotations)
        _measured(measured, seconds, annotations)
        for axis in (potential, reward, measured):
            _mark_unknown(axis, seconds, annotations)
        measured.set_xlim(*span_of(seconds))
        measured.set_xlabel("seconds")
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def _potential(axis: Any, seconds: NDArray[np.float64], annotations: EpisodeAnnotations) -> None:
    n = len(seconds)
    groups = _Groups.of(n)
    at = groups.mean(seconds)
    low, high = groups.lowest(annotations.potential_low[:n]), groups.highest(annotations.potential_high[:n])
    potential, chance = (groups.mean(v[:n]) for v in (annotations.potential, annotations.success_probability))
    axis.fill_between(at, low, high, color=ACCENT, alpha=0.18, linewidth=0, label="90% interval")
    axis.plot(at, potential, color=ACCENT, linewidth=1.6, label="potential")
    axis.plot(at, chance, color=_GOOD, linewidth=1.1, linestyle=(0, (4, 2)), label="P(done)")
    _spans(axis, seconds, annotations.success[:n], _GOOD, 0.12, "done")
    axis.set(ylim=(-0.02, 1.02), ylabel="potential")
    _legend(axis)


def _reward(axis: Any, seconds: NDArray[np.float64], annotations: EpisodeAnnotations) -> None:
    n = len(seconds)
    groups = _Groups.of(n)
    value, std = annotations.reward[:n], annotations.reward_std[:n]
    at, low, high = groups.mean(seconds), groups.lowest(value - std), groups.highest(value + std)
    axis.axhline(0, color=NONE, linewidth=0.8)
    axis.fill_between(at, low, high, color=SECOND, alpha=0.2, linewidth=0, step="mid")
    axis.step(at, groups.mean(value), where="mid", color=SECOND, linewidth=1.3)
    axis.set_ylabel("reward")


def _measured(axis: Any, seconds: NDArray[np.float64], annotations: EpisodeAnnotations) -> None:
    """Lengths on the left axis, probabilities on the right one."""
    right = None
    groups = _Groups.of(len(seconds))
    at = groups.mean(seconds)
    axis.set_ylabel("measured, m")
    for number, (name, line) in enumerate(_lines(annotations, len(seconds)).items()):
        target = axis
        if line.unit == "probability":
            right = right or axis.twinx()
            target = right
        color = _COLORS[number % len(_COLORS)]
        low, high = groups.lowest(line.value - line.std), groups.highest(line.value + line.std)
        target.fill_between(at, low, high, color=color, alpha=0.15, linewidth=0)
        target.plot(at, groups.mean(line.value), color=color, linewidth=1.2)
        axis.plot([], [], color=color, label=name)
    if right is not None:
        right.set(ylim=(-0.02, 1.02))
        axis.set_ylabel("m, and P (right)")
        right.grid(False)
        right.tick_params(axis="y", direction="in", pad=-18)
    if axis.get_legend_handles_labels()[0]:
        _legend(axis)


def _legend(axis: Any) -> None:
    """Above the axes, where no curve is."""
    axis.legend(loc="lower left", bbox_to_anchor=(0, 0.99), ncols=4, fontsize=8, handlelength=1.6, borderpad=0.1)


def _lines(annotations: EpisodeAnnotations, n: int) -> dict[str, _Line]:
    found: dict[str, _Line] = {}
    for index, text in enumerate(annotations.terms[:n]):
        for term in json.loads(text):
            line = found.setdefault(term["name"], _Line(np.full(n, np.nan), np.full(n, np.nan), term["unit"]))
            if term["valid"]:
                line.value[index], line.std[index] = term["value"], term["std"]
    return found


def _mark_unknown(axis: Any, seconds: NDArray[np.float64], annotations: EpisodeAnnotations) -> None:
    _spans(axis, seconds, ~annotations.valid[: len(seconds)], SOFT, 0.13, "not valid")


def _spans(
    axis: Any, seconds: NDArray[np.float64], where: NDArray[np.bool_], color: str, alpha: float, label: str
) -> None:
    """Shade the runs of pictures that are true."""
    groups, (low, high) = _Groups.of(len(seconds)), span_of(seconds)
    half = (high - low) / max(len(seconds), 1) / 2
    first_of, last_of, where = groups.lowest(seconds), groups.highest(seconds), groups.most(where)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], where, [False]]).astype(int)))
    for number, (first, after) in enumerate(edges.reshape(-1, 2)):
        text = label if number == 0 else None
        axis.axvspan(
            first_of[first] - half, last_of[after - 1] + half, color=color, alpha=alpha, linewidth=0, label=text
        )
