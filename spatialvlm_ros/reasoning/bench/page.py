"""The tables of docs/reasoning.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spatialvlm_ros.evaluation.measured_pages import MeasuredPart
from spatialvlm_ros.reasoning.bench.judge import Verdict
from spatialvlm_ros.reasoning.bench.questions import REFUSED
from spatialvlm_ros.reasoning.bench.suite import read_summary

PART = MeasuredPart("spatialvlm reason --suite")
TITLES = {"exact": "exact geometry", "picture": "picture", "depth": "picture and depth", "grey": "no picture (grey)"}
_HALVES = {"known": "known wordings", "held_out": "held-out wordings"}
# row of a summary -> its title and what was wanted of it
_ROWS: dict[str, tuple[str, str]] = {
    "right": ("right", "exact 99% and 85%, picture 50%, depth 60%"),
    "right_of_answered": ("right, of those answered", ""),
    "refused_answerable": ("answerable, but refused or too close to tell", "5% at most"),
    "undecided": ("of these too close to tell", ""),
    "refused_unanswerable": ("unanswerable, refused", "95%"),
    "majority": ("commonest answer of the form, right", ""),
    "plain_right": ("decisions without a stated doubt, right", ""),
    "doubted_right": ("decisions with a stated doubt, right", "what is stated"),
    "doubted_stated": ("what they state, on average", ""),
    "covered": ("lengths and ratios: truth within 1.64 stated deviations", "90%"),
}

Results = Mapping[str, Mapping[str, Any]]


def read_results(out: Path) -> dict[str, dict[str, Any]]:
    """Setting -> what its run wrote, as far as there are results in a folder."""
    found = {name: read_summary(out / name) for name in TITLES}
    return {name: result for name, result in found.items() if result is not None}


def tables(results: Results) -> str:
    """Markdown of all results: the numbers of each half, and the forms of both halves together."""
    return "\n".join(["", _about(results), "", *_numbers(results), "", *_forms(results), ""])


def _about(results: Results) -> str:
    asking = next(iter(results.values()))["asking"]
    counts = [m["n"] for m in (half["right"] for half in next(iter(results.values()))["halves"].values())]
    return (
        f"{' and '.join(map(str, counts))} answerable questions about {asking['scenes']} views of the split "
        f'"{asking["split"]}", led by {asking["llm"]}, seed {asking["seed"]}. Per cent, [95% interval after Wilson].'
    )


def _numbers(results: Results) -> list[str]:
    lines = ["| | " + " | ".join(TITLES[name] for name in results) + " | wanted |", "|---" * (len(results) + 2) + "|"]
    for row, (title, wanted) in _ROWS.items():
        for half, words in _HALVES.items():
            cells = [_cell(result["halves"].get(half, {}).get(row)) for result in results.values()]
            lines.append(f"| {title}, {words} | " + " | ".join([*cells, wanted]) + " |")
    seconds = [_seconds(result) for result in results.values()]
    return [*lines, "| median seconds of a question | " + " | ".join([*seconds, ""]) + " |"]


def _cell(measured: Mapping[str, Any] | None) -> str:
    if not measured or not measured["n"]:
        return "-"
    value, low, high = (100 * measured[name] for name in ("value", "low", "high"))
    return f"{value:.1f}" if low == high else f"{value:.1f} [{low:.1f}, {high:.1f}]"


def _seconds(result: Mapping[str, Any]) -> str:
    return " / ".join(f"{half['seconds']:.2f}" for half in result["halves"].values())


def _forms(results: Results) -> list[str]:
    """Right, wrong, too close to tell, refused; for questions without an answer answered and refused."""
    pooled = {name: _pooled(result["halves"].values()) for name, result in results.items()}
    forms = list(dict.fromkeys(form for counts in pooled.values() for form in counts))
    lines = [
        "Both halves, form by form: right / wrong / too close to tell / refused (below the line: answered / refused, "
        "where refusing is right).",
        "",
        "| form | " + " | ".join(TITLES[name] for name in pooled) + " |",
        "|---" * (len(pooled) + 1) + "|",
    ]
    for form in [*(f for f in forms if f not in REFUSED), *(f for f in forms if f in REFUSED)]:
        cells = [_verdicts(counts.get(form), form in REFUSED) for counts in pooled.values()]
        lines.append(f"| {'no answer: ' if form in REFUSED else ''}{form} | " + " | ".join(cells) + " |")
    return lines


def _pooled(halves: Sequence[Mapping[str, Any]] | Any) -> dict[str, dict[str, int]]:
    pooled: dict[str, dict[str, int]] = {}
    for half in halves:
        for form, counts in half["forms"].items():
            of_form = pooled.setdefault(form, dict.fromkeys(counts, 0))
            for verdict, number in counts.items():
                of_form[verdict] += number
    return pooled


def _verdicts(counts: Mapping[str, int] | None, unanswerable: bool) -> str:
    if counts is None:
        return "-"
    shown = (Verdict.WRONG, Verdict.REFUSED) if unanswerable else tuple(Verdict)
    return " / ".join(str(counts[verdict.value]) for verdict in shown)
