"""The results as tables: shares pooled over seeds with Wilson's interval, and each seed's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add

from spatialvlm_ros.evaluation.intervals import wilson
from spatialvlm_ros.evaluation.measured_pages import MeasuredPart
from spatialvlm_ros.training.ablations.judging import GENERAL, Count
from spatialvlm_ros.training.ablations.plan import AblationRun, Ablations, Group
from spatialvlm_ros.training.ablations.running import Result, read_result

PART = MeasuredPart("spatialvlm ablate")

TITLES = {
    "within_2x": "in [50,200]%",
    "within_25": "within 25%",
    "within_10": "within 10%",
    "qualitative": "qualitative",
    GENERAL: "general questions",
}
CONTROL = "no picture: medians, most frequent answers"
_READING = (
    "Per cent of right answers, pooled over the seeds, [95% interval after Wilson], then the seeds {seeds} one by one; "
    "the interval takes answers for independent, and those on one picture are not. Refusals are left out of account: "
    "every question is judged by what the model would have said."
)


def tables(plan: Ablations, runs: Sequence[AblationRun], earlier: str = "") -> str:
    """Markdown of all groups that ``runs`` belong to; runs without a result are a dash.

    Args:
        plan: the groups.
        runs: of the groups.
        earlier: tables written before. A group without any result keeps its table of these.
    """
    results = {(run.group, run.variant, run.seed): read_result(run) for run in runs}
    seeds = sorted({run.seed for run in runs})
    names = dict.fromkeys(run.group for run in runs)
    parts = [_table(plan.groups[name], seeds, results, earlier) for name in names]
    return "\n".join([_READING.format(seeds=" / ".join(map(str, seeds))), "", *parts])


def _table(
    group: Group, seeds: Sequence[int], results: Mapping[tuple[str, str, int], Result | None], earlier: str
) -> str:
    judged = " and ".join(group.splits) if group.splits else "all four shifts"
    steps = " + ".join(str(s.steps) for s in next(iter(group.variants.values())).stages if s.language)
    lines = [
        f"### {group.title}",
        "",
        f"{group.about} {steps} steps of the decoder; {judged} of the bench.".lstrip(),
        "",
    ]
    if all(result is None for (name, *_), result in results.items() if name == group.name):
        _, heading, rest = earlier.partition(f"{lines[0]}\n")
        table = heading + rest.partition("\n### ")[0]
        return f"{table.rstrip()}\n" if heading else "\n".join([*lines, "Not measured yet.", ""])
    lines += ["| | " + " | ".join([*TITLES.values(), "CPU minutes"]) + " |", "|---" * (len(TITLES) + 2) + "|"]
    control: Result | None = None
    for variant in group.variants:
        of_seeds = [results.get((group.name, variant, seed)) for seed in seeds]
        control = control or next((r for r in of_seeds if r is not None), None)
        cells = [_cell([None if r is None else r.counts.get(row) for r in of_seeds]) for row in TITLES]
        minutes = [r.cpu_minutes for r in of_seeds if r is not None and r.cpu_minutes is not None]
        lines.append(f"| {variant} | " + " | ".join([*cells, " / ".join(f"{m:.0f}" for m in minutes) or "-"]) + " |")
    if control is not None:
        lines.append(f"| {CONTROL} | " + " | ".join([_cell([control.control.get(row)]) for row in TITLES]) + " | - |")
    return "\n".join([*lines, ""])


def _cell(counts: Sequence[Count | None]) -> str:
    known = [c for c in counts if c is not None and c.n]
    if not known:
        return "-"
    pooled = reduce(add, known)
    low, high = wilson(pooled.hits, pooled.n)
    text = f"{100 * pooled.hits / pooled.n:.1f} [{100 * float(low):.1f}, {100 * float(high):.1f}]"
    if len(counts) == 1:
        return text
    each = ["-" if c is None or not c.n else f"{100 * c.hits / c.n:.1f}" for c in counts]
    return f"{text}; {' / '.join(each)}"
