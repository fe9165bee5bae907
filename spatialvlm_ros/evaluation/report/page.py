"""The page of a result: one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from spatialvlm_ros.evaluation.bench import write_file
from spatialvlm_ros.evaluation.report import plots
from spatialvlm_ros.evaluation.rows import BREAKDOWN, ROWS

Json = dict[str, Any]

PAGE_FILE = "report.html"
_CSS = Path(__file__).with_name("page.css")
_TILES = ("within_2x", "within_25", "qualitative", "coverage", "located")
_SHORT = {
    "within_2x": "within 2x",
    "within_25": "within 25%",
    "within_10": "within 10%",
    "within_5cm": "within 5 cm",
    "qualitative": "qualitative",
    "coverage": "90% interval",
    "located": "boxes located",
}


def write_page(result: Json, folder: str | Path) -> Path:
    """Write ``report.html`` of a result; returns its path.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    path = Path(folder) / PAGE_FILE
    write_file(path, page(result).encode())
    return path


def page(result: Json) -> str:
    """The HTML text."""
    sections = [
        _card("Wanted and reached", _targets(result)),
        _card("The model and what needs no picture", plots.rows_and_controls(result) + _verdicts(result)),
        _card("All rows beside the controls", _controls(result)),
        _card("Error by distance", plots.error_by_distance(result)),
        _card("Reliability", plots.reliability(result) + _sharpness(result), "narrow"),
        _card("Shifts and distances", _breakdown(result)),
        _card("By family", plots.by_family(result)),
        _card("Confusion by family", plots.confusion(result) + _CONFUSION_NOTE),
        _card("In words, and by read-out", _others(result)),
        _card("Why there was no answer", _reasons(result)),
    ]
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(result['model'])}</title><style>{_CSS.read_text(encoding='utf-8')}</style></head><body><main>"
        f"<h1>{escape(result['model'])}</h1>{_lead(result)}{_tiles(result)}{''.join(sections)}</main></body></html>\n"
    )


_CONFUSION_NOTE = (
    '<p class="note">Blue: right; red: wrong; grey: no answer. The first side is "yes", the first object, or the first '
    "word of the family's name.</p>"
)


def _lead(result: Json) -> str:
    bench, settings = result["bench"], result["settings"]
    given = ", ".join(settings["given"]) or "nothing else"
    facts = (
        f"Bench {bench['name']}: {result['views']:,} of {bench['views']:,} views in {result['scenes']:,} scenes, "
        f"{result['answerable']:,} answerable measurements. The model gets the picture, its camera and {given}; a "
        f"named object is at least 16 px in a picture {settings['model_width']} wide. In brackets: 95% intervals."
    )
    warning = "" if bench["committed"] else '<p class="warn">This bench is not one of the committed ones.</p>'
    return f'<p class="lead">{escape(facts)}</p>{warning}'


def _tiles(result: Json) -> str:
    tiles = "".join(
        f'<div class="tile"><b>{_value(result["rows"][row])}</b><span>{_SHORT[row]}</span></div>'
        for row in _TILES
        if row in result["rows"]
    )
    return f'<div class="tiles">{tiles}</div>'


def _targets(result: Json) -> str:
    names = list(result["targets"])
    if not names:
        return '<p class="note">No targets are set.</p>'
    judged = {name: {t["row"]: t for t in rows} for name, rows in result["targets"].items()}
    rows = []
    for row in dict.fromkeys(t["row"] for name in names for t in result["targets"][name]):
        first = next(judged[n][row] for n in names if row in judged[n])
        cells = [escape(first["title"]), _target_value(first, result)]
        for name in names:
            target = judged[name].get(row)
            cells += ["", ""] if target is None else [_limits(target), _reached(target)]
        rows.append(cells)
    head = ["", "reached", *(x for n in names for x in (f"wanted ({n})", ""))]
    return _table(head, rows)


def _target_value(target: Json, result: Json) -> str:
    value = target["value"]
    if isinstance(value, list):
        return f"{100 * value[0]:.1f} to {100 * value[1]:.1f}"
    measured = result["rows"].get(target["row"])
    return _with_interval(measured) if measured else "not measured"


def _limits(target: Json) -> str:
    low, high = 100 * target["least"], 100 * target["greatest"]
    if high >= 100:
        return f"at least {low:g}"
    return f"at most {high:g}" if low <= 0 else f"{low:g} to {high:g}"


def _reached(target: Json) -> str:
    if target["value"] is None:  # beside "not measured"
        return ""
    if target["reached"]:
        return '<span class="yes">yes</span>'
    why = "no: not better than its controls" if target.get("in_limits") else "no"
    return f'<span class="no">{why}</span>'


def _verdicts(result: Json) -> str:
    lines = []
    for row, verdict in result["against_controls"].items():
        apart = "apart" if verdict["intervals_apart"] else "not apart"
        word = "beats" if verdict["beaten"] else "does not beat"
        lines.append(
            f"{ROWS[row].title}: the model {word} its best control ({verdict['best_control']}) by "
            f"{100 * result['settings']['beat_by']:.0f} points: {100 * verdict['lead']:+.1f}, intervals {apart}."
        )
    lines.append(f"The medians are of the {result['medians_from']}.")
    return "".join(f'<p class="note">{escape(line)}</p>' for line in lines)


def _controls(result: Json) -> str:
    controls = result["controls"]
    rows = []
    for name, row in ROWS.items():
        if name not in result["rows"]:
            continue
        others = [_value(c["rows"][name]) if name in c["rows"] else "" for c in controls.values()]
        rows.append([escape(row.title), f"<!--main-->{_with_interval(result['rows'][name])}", *others])
    return _table(["%", "model", *map(escape, controls)], rows)


def _breakdown(result: Json) -> str:
    columns = [r for r in BREAKDOWN if r in result["rows"]]
    rows = [["all", *(_with_interval(result["rows"][c]) for c in columns)]]
    for group in ("by_split", "by_band"):
        for name, part in result[group].items():
            title = name.replace("_", " ") if group == "by_split" else name
            rows.append([escape(title), *(_with_interval(part[c]) if c in part else "" for c in columns)])
    return _table(["macro-average over families, %", *(_SHORT[c] for c in columns)], rows)


def _sharpness(result: Json) -> str:
    sharp = result["sharpness"]
    if sharp["relative_width"]["value"] is None:
        return ""
    text = (
        f"The 90% interval is {100 * sharp['relative_width']['value']:.0f}% of the median wide (median of the numbers "
        "judged in per cent)"
    )
    if sharp["width_m"]["value"] is not None:
        text += f", and {100 * sharp['width_m']['value']:.1f} cm for signed and near-zero ones"
    return f'<p class="note">{escape(text)}.</p>'


def _others(result: Json) -> str:
    columns: dict[str, Json] = {}
    text = result["text"]
    if text:
        columns["in words"] = text["ask"]["rows"]
        columns["measured, same questions"] = text["measure"]["rows"]
        columns["oracle, rounded"] = text["rounding oracle"]["rows"]
    columns.update({f"read-out: {name}": made["rows"] for name, made in result["readouts"].items()})
    if not columns:
        return '<p class="note">Nothing was asked in words.</p>'
    rows = []
    for name, row in ROWS.items():
        cells = [_with_interval(c[name]) if name in c else "" for c in columns.values()]
        if any(cells):
            rows.append([escape(row.title), *cells])
    note = ""
    if text:
        note = (
            f'<p class="note">{text["questions"]:,} questions in wordings that no training uses; {text["declined"]:,} '
            "answers say that they cannot tell. The oracle knows the truth and rounds it as people do.</p>"
        )
    return _table(["%", *map(escape, columns)], rows) + note


def _reasons(result: Json) -> str:
    titles = {"measure": "answerable", "absent": "not there", "ambiguous": "several", "out_of_range": "out of range"}
    reasons = sorted({r for counts in result["reasons"].values() for r in counts}, key=lambda r: (r != "ok", r))
    rows = [
        [titles.get(kind, kind), *(f"{counts[r]:,}" if r in counts else "" for r in reasons)]
        for kind, counts in result["reasons"].items()
    ]
    return _table(["asked", *(escape(r.replace("_", " ")) for r in reasons)], rows)


def _card(title: str, body: str, kind: str = "") -> str:
    return f'<section class="card {kind}"><h2>{escape(title)}</h2>{body}</section>'


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    heads = "".join(f"<th>{h}</th>" for h in head)
    body = "".join("<tr>" + "".join(_cell(c) for c in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"


def _cell(content: str) -> str:
    main = content.startswith("<!--main-->")
    return f'<td class="main">{content.removeprefix("<!--main-->")}</td>' if main else f"<td>{content}</td>"


def _value(measured: Json) -> str:
    return "" if measured["value"] is None else f"{100 * measured['value']:.1f}"


def _with_interval(measured: Json) -> str:
    if measured["value"] is None:
        return ""
    return f"{_value(measured)}<small>[{100 * measured['low']:.0f}, {100 * measured['high']:.0f}]</small>"
