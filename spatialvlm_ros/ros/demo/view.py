"""The demo in a terminal: a function from `DemoState` to lines. No terminal, no clock, no ROS in here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from spatialvlm_ros.models.estimate import PROBABILITY, Estimate, Source
from spatialvlm_ros.ros.demo.bars import UNICODE, Glyphs, axis_of, bar
from spatialvlm_ros.ros.demo.state import Annotation, Asked, DemoState, Rewarded, Row
from spatialvlm_ros.ros.labels import reason_text, relation_text
from spatialvlm_ros.scenes.relations import RELATIONS, Relation

NARROWEST = 60
_WIDEST = 110
_STYLES = {"title": "1;36", "bold": "1", "dim": "2", "good": "32", "warn": "33", "bad": "31"}
_SOURCES = {
    Source.DEPTH_SENSOR: "depth",
    Source.MONOCULAR: "picture",
    Source.CAMERA_HEIGHT: "camera height",
    Source.KNOWN_SIZE: "known size",
    Source.TF: "TF",
    Source.GROUND_TRUTH: "truth",
}
_INTRODUCTION = (
    "A robot arm stands at a table with a few things on it, in a simulation. Its",
    "camera's pictures go to the node, which measures in each of them what it was",
    "asked to, in metres and with an interval. A planner drives the arm by that.",
    "The simulation knows the truth: it stands beside every number, with the error.",
)
# Columns of a row: the name takes what these leave.
_VALUE, _RATE, _TRUTH, _ERROR = 16, 9, 10, 9
_SOURCE = 39  # columns beside a bar
_FOOT = 5  # lines below the queries, without the steps of a chain of thought and the annotation
_MOST_STEPS = 6


@dataclass(frozen=True)
class Span:
    """Text of one style: title, bold, dim, good, warn, bad, or "" for none."""

    text: str
    style: str = ""


Line = tuple[Span, ...]


def plain(line: Line) -> str:
    """A line without styles."""
    return "".join(span.text for span in line).rstrip()


def coloured(line: Line) -> str:
    """A line with ANSI escapes."""
    return "".join(f"\x1b[{_STYLES[s.style]}m{s.text}\x1b[0m" if s.style else s.text for s in line)


def render(state: DemoState, width: int = 80, height: int = 24, glyphs: Glyphs = UNICODE) -> list[Line]:
    """At most ``height`` lines of at most ``width`` columns; what does not fit is said to be left out."""
    width = min(max(width, NARROWEST), _WIDEST)
    top = [*_head(state, width, glyphs), _rule(width, glyphs)]
    last = _last_lines(state, width, glyphs)
    spare = height - len(top) - 1 - 2 * len(state.rows) - _FOOT - (state.annotation is not None)
    foot = [_rule(width, glyphs), *_asked(state.asked, width, max(spare, 0)), *last]
    for _ in last[1:]:
        if height - len(top) - len(foot) < 1 + 2 * len(state.rows):
            foot.pop()  # worth less than a query
    room = height - len(top) - len(foot)
    lines = [*top, *_middle(state, width, room, glyphs), *foot]
    return [_cut(line, width) for line in lines[:height]]


def summary_lines(state: DemoState, glyphs: Glyphs = UNICODE) -> list[str]:
    """The same in lines that can be read one after the other, for a file or a pipe."""
    if state.waiting:
        return [state.waiting, *([state.hint] if state.hint else [])]
    speed = state.speed
    head = f"{state.elapsed_s:.0f} s: {speed.rate_hz:.1f} pictures/s, latency {speed.latency_ms:.0f} ms"
    lines = [f"{head}, warning: {speed.warning}" if speed.warning else head]
    for row in state.rows:
        known = f", true {value_text(row, row.truth)}" if math.isfinite(row.truth) else ""
        lines.append(f"  {name_of(row.estimate)}: {measured_text(row, glyphs)}{known}{_from(row.estimate)}")
    if state.rewarded is not None:
        lines.append(f"  {plain(_reward(state.rewarded, _WIDEST))}")
    if state.annotation is not None:
        lines.append(f"  {plain(_annotation(state.annotation, _WIDEST))}")
    asked = state.asked
    if asked is not None and asked.answer:
        lines.append(f"  asked: {asked.question}")
        lines += [f"    {step}" for step in asked.steps or ()]
        lines.append(f"    answered: {asked.answer}")
        if asked.target:
            lines.append(f"    the target is now the {asked.target}")
    return lines


# ---- the head: what runs, how fast, where to ----


def _head(state: DemoState, width: int, glyphs: Glyphs) -> list[Line]:
    ends = f" of {_clock(state.total_s)}" if state.total_s else ""
    clock = f"{_clock(state.elapsed_s)}{ends}   Ctrl-C ends"
    title = "spatialvlm demo: metres from a robot's camera"
    recorded = f"ROS_DOMAIN_ID={state.domain}   {state.recorded} messages recorded"
    lines = [
        _sides((Span(title, "title"),), (Span(clock, "dim"),), width),
        _sides(_processes(state), (Span(recorded, "dim"),), width),
        _speed(state),
    ]
    lines += [(Span("          "), Span(text, "warn")) for text in (state.speed.warning, state.hint) if text]
    if state.sentence:
        lines.append(_task(state, glyphs))
    if state.rewarded is not None:
        lines.append(_reward(state.rewarded, width))
    return lines


def _processes(state: DemoState) -> Line:
    running = [name for name, status in state.processes.items() if status == "running"]
    ended = [f"{name} {status}" for name, status in state.processes.items() if status != "running"]
    spans = [Span("running   ")]
    if running:
        spans.append(Span(", ".join(running), "good"))
    if ended:
        spans.append(Span(f"   {', '.join(ended)}", "bad"))
    return tuple(spans)


def _speed(state: DemoState) -> Line:
    speed = state.speed
    if not math.isfinite(speed.rate_hz):
        return (Span("node      "), Span(speed.model or "starting", "warn"))
    text = (
        f"{speed.rate_hz:.1f} pictures/s   latency {speed.latency_ms:.0f} ms (95%: {speed.latency_p95_ms:.0f}), "
        f"model {speed.model_ms:.0f} ms"
    )
    return (Span("node      "), Span(speed.model, "good" if speed.model == "ready" else "warn"), Span(f"   {text}"))


def _task(state: DemoState, glyphs: Glyphs) -> Line:
    named = (Span("planner   "), Span(f'"{state.sentence}"', "bold"))
    for row in state.rows:
        estimate = row.estimate
        ends = {estimate.subject, estimate.reference}
        if estimate.relation is Relation.DISTANCE and ends == {"gripper", state.target} and estimate.valid:
            known = f", truly {row.truth:.2f} m" if math.isfinite(row.truth) else ""
            return (*named, Span(f" {glyphs.arrow} gripper is {estimate.value:.2f} m away{known}"))
    return named


def _reward(rewarded: Rewarded, width: int) -> Line:
    if rewarded.reason:
        said = Span(rewarded.reason.replace("_", " "), "warn")
    else:
        said = Span(f"potential {rewarded.potential:.2f}   reward {rewarded.reward:+.3f}")
    phase = f" ({rewarded.phase})" if rewarded.phase else ""
    task = _shortened(f"{rewarded.task}{phase}", width - 13 - len(said.text))
    return (Span("reward    "), Span(task, "bold"), Span("   "), said)


# ---- the middle: standing queries ----


def _middle(state: DemoState, width: int, room: int, glyphs: Glyphs) -> list[Line]:
    if state.waiting or not state.rows:
        return [
            (),
            (Span(state.waiting or "no standing queries", "warn"),),
            (),
            *((Span(t),) for t in _INTRODUCTION),
            (),
        ]
    lines: list[Line] = [_columns(width)]
    shown = max((room - 1) // 2, 1)
    if shown < len(state.rows):
        shown = max((room - 2) // 2, 1)
    for row in state.rows[:shown]:
        lines += [_row(row, width, glyphs), _second_row(row, width, glyphs)]
    if shown < len(state.rows):
        lines.append((Span(f"  {len(state.rows) - shown} more: make the window higher", "dim"),))
    return lines


def _columns(width: int) -> Line:
    name = width - _VALUE - _RATE - _TRUTH - _ERROR
    text = f"{'STANDING QUERY':<{name}}{'MEASURED':<{_VALUE}}{'CHANGE/S':>{_RATE}}{'TRUE':>{_TRUTH}}{'ERROR':>{_ERROR}}"
    return (Span(text, "dim"),)


def _row(row: Row, width: int, glyphs: Glyphs) -> Line:
    name_width = width - _VALUE - _RATE - _TRUTH - _ERROR
    name = _shortened(name_of(row.estimate), name_width - 1)
    rate = _signed(row, row.rate) if math.isfinite(row.rate) else ""
    truth = value_text(row, row.truth) if math.isfinite(row.truth) else ""
    return (
        Span(f"{name:<{name_width}}", "bold"),
        Span(f"{measured_text(row, glyphs):<{_VALUE}}", "" if row.estimate.valid else "warn"),
        Span(f"{rate:>{_RATE}}"),
        Span(f"{truth:>{_TRUTH}}"),
        Span(f"{_error(row):>{_ERROR}}", _verdict(row)),
    )


def _second_row(row: Row, width: int, glyphs: Glyphs) -> Line:
    estimate = row.estimate
    if not estimate.valid:
        return (Span(f"   {estimate.detail or 'no answer'}", "dim"),)
    low, high = axis_of(row)
    left, right = f"{_end(row, low):>6} ", f" {_end(row, high):<7}"
    room = width - len(left) - len(right) - _SOURCE
    sources = _shortened(_from(estimate).lstrip(), _SOURCE - 1)
    return (
        Span(left, "dim"),
        Span(bar(row, room, glyphs), _verdict(row)),
        Span(f"{right} {sources}", "dim"),
    )


def name_of(estimate: Estimate) -> str:
    """The query in words: ``distance gripper - red mug``, ``red mug left of bowl?``, ``red mug left of bowl by``."""
    relation = relation_text(estimate) or Relation.DISTANCE.value
    spec = RELATIONS[estimate.relation]
    if estimate.reference and (spec.predicate or spec.signed):
        of = " of" if relation in ("left", "right", "front") else ""
        return f"{estimate.subject} {relation}{of} {estimate.reference}{'?' if spec.predicate else ' by'}"
    return f"{relation} {' - '.join(o for o in (estimate.subject, estimate.reference) if o)}"


def measured_text(row: Row, glyphs: Glyphs = UNICODE) -> str:
    """The value with its deviation, or the reason why there is none."""
    estimate = row.estimate
    if not estimate.valid:
        return reason_text(estimate)
    if estimate.unit == PROBABILITY:
        return f"{100 * estimate.value:.0f}% yes"
    return f"{estimate.value:.3f} {glyphs.plus_minus}{estimate.std:.3f} {_unit(estimate)}"


def value_text(row: Row, value: float) -> str:
    """A number in the unit of the row; of a predicate yes or no."""
    if row.estimate.unit == PROBABILITY:
        return "yes" if value > 0.5 else "no"
    return f"{value:.3f} {_unit(row.estimate)}"


def _signed(row: Row, value: float) -> str:
    return f"{value:+.3f} {_unit(row.estimate)}"


def _error(row: Row) -> str:
    if not math.isfinite(row.error):
        return ""
    if row.estimate.unit == PROBABILITY:
        return "right" if _is_right(row) else "wrong"
    return _signed(row, row.error)


def _is_right(row: Row) -> bool:
    low, high = row.estimate.interval
    if row.estimate.unit == PROBABILITY:
        return (row.estimate.value > 0.5) == (row.truth > 0.5)
    return low <= row.truth <= high


def _verdict(row: Row) -> str:
    """Green where the truth lies in the interval."""
    if not math.isfinite(row.error):
        return ""
    return "good" if _is_right(row) else "bad"


def _from(estimate: Estimate) -> str:
    if not estimate.sources:
        return ""
    return f" from {', '.join(sorted(_SOURCES[source] for source in estimate.sources))}"


def _unit(estimate: Estimate) -> str:
    return "m³" if estimate.unit == "m3" else estimate.unit


def _end(row: Row, x: float) -> str:
    if row.estimate.unit == PROBABILITY:
        return "yes" if x else "no"
    return f"{x:g} {_unit(row.estimate)}" if x > 0 else f"{x:g}"


# ---- the foot: a question in words, what the signs mean ----


def _asked(asked: Asked | None, width: int, spare: int) -> list[Line]:
    """A question, the last steps of a chain of thought in the ``spare`` lines, and the answer."""
    if asked is None:
        return []
    took = f"   ({asked.seconds:.1f} s)" if math.isfinite(asked.seconds) else ""
    known = f"   truly {asked.truth:.2f} m" if math.isfinite(asked.truth) else ""
    if asked.target:
        known += f"   target: {_shortened(asked.target, 24)}"
    answer = _shortened(asked.answer or "...", width - 10 - len(took) - len(known))
    shown = (asked.steps or ())[-min(spare, _MOST_STEPS) :] if spare else ()
    begin, end = ("asked     ", "answered  ") if asked.steps is None else ("reasons   ", "concludes ")
    return [
        (Span(begin), Span(_shortened(asked.question, width - 10), "bold")),
        *((Span(f"          {_shortened(step, width - 10)}", "dim"),) for step in shown),
        (Span(end), Span(answer, "bold" if asked.answer else "dim"), Span(known), Span(took, "dim")),
    ]


def _legend(width: int, glyphs: Glyphs) -> list[Line]:
    interval = f"{glyphs.low}{glyphs.interval * 2}{glyphs.value}{glyphs.interval}{glyphs.high}"
    long = (
        f"{interval} measured, with its 90% interval   {glyphs.truth} true (the simulation knows)   {glyphs.both} both"
    )
    short = f"{interval} 90% interval   {glyphs.truth} true   {glyphs.both} both"
    colours = "The error is green where the true value lies in the interval, and red where not."
    return [(Span(long if len(long) <= width else short, "dim"),), (Span(colours, "dim"),)]


def _last_lines(state: DemoState, width: int, glyphs: Glyphs) -> list[Line]:
    """From what is worth most to what is worth least."""
    signs, colours = _legend(width, glyphs)
    annotation = [] if state.annotation is None else [_annotation(state.annotation, width)]
    return [signs, *annotation, colours]


def _annotation(annotation: Annotation, width: int) -> Line:
    if annotation.message:
        said = Span(annotation.message, "good" if annotation.succeeded else "warn")
    elif annotation.total:
        said = Span(f"{annotation.done} of {annotation.total} pictures")
    else:
        said = Span("begins", "dim")
    task = _shortened(f'"{annotation.task}"', max(width - 60, 12))
    begin = Span("recording ")
    return (begin, Span("rewards of the first seconds, "), Span(task, "bold"), Span(": "), said)


# ---- parts ----


def _rule(width: int, glyphs: Glyphs) -> Line:
    return (Span(glyphs.rule * width, "dim"),)


def _sides(left: Sequence[Span], right: Sequence[Span], width: int) -> Line:
    """Two texts at the two margins; the right one is left out where there is no room."""
    used, wanted = (sum(len(s.text) for s in side) for side in (left, right))
    if used + wanted + 1 > width:
        return tuple(left)
    return (*left, Span(" " * (width - used - wanted)), *right)


def _cut(line: Line, width: int) -> Line:
    """The first ``width`` columns."""
    kept: list[Span] = []
    for span in line:
        kept.append(Span(span.text[:width], span.style))
        width -= len(kept[-1].text)
    return tuple(kept)


def _shortened(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: max(width - 2, 0)]}.."


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}" if math.isfinite(seconds) else "-:--"
