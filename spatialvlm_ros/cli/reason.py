"""`spatialvlm reason`: a question that takes several steps about a picture, or the benchmark of such questions."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from spatialvlm_ros.errors import QueryError

if TYPE_CHECKING:
    from spatialvlm_ros.reasoning.bench.suite import Asking, Track
    from spatialvlm_ros.reasoning.bench.summary import Summary
    from spatialvlm_ros.reasoning.limits import Limits
    from spatialvlm_ros.reasoning.steps import ReasoningStep, Solution

_EXACT = "exact"
_PAGE = "docs/reasoning.md"
NO_ANSWER = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("picture", type=Path, nargs="?", help="PNG or JPEG")
    parser.add_argument("question", nargs="?", help='e.g. "Which is nearest to the lamp: the mug or the bowl?"')
    parser.add_argument(
        "--model", default="embedded", help='who sees: "embedded", a folder, a hub id, "openai:URL#model"'
    )
    parser.add_argument(
        "--llm", default="planner", help='who thinks: "planner", "openai:URL#model", a folder, a hub id'
    )
    parser.add_argument("--tool-calls", action="store_true", help="ask the language model in the tool-call form")
    parser.add_argument("--max-steps", type=int, default=None, help="of a chain of thought")
    parser.add_argument("--max-tokens", type=int, default=None, help="of the language model, over all its replies")
    parser.add_argument("--seconds", type=float, default=None, help="time for one question")
    parser.add_argument("--json", action="store_true", help="one JSON object with the answer and its steps")
    camera = parser.add_argument_group("camera of the picture")
    focal = camera.add_mutually_exclusive_group()
    focal.add_argument("--hfov", type=float, default=None, help="horizontal field of view in degrees, 5 to 170")
    focal.add_argument("--focal", type=float, default=None, help="focal length in pixels")
    camera.add_argument(
        "--depth", type=Path, default=None, help="registered depth: 16-bit PNG in mm, or .npy in metres"
    )
    camera.add_argument("--camera-height", type=float, default=None, help="metres over the support plane")
    camera.add_argument(
        "--up", type=float, nargs=3, default=None, metavar=("X", "Y", "Z"), help="the vertical in the optical frame"
    )
    bench = parser.add_argument_group("benchmark")
    bench.add_argument("--bench", action="store_true", help="ask generated questions with exact truth")
    bench.add_argument(
        "--suite", action="store_true", help="the benchmark of docs/reasoning.md; what is in --out is not asked again"
    )
    bench.add_argument(
        "--write", nargs="?", type=Path, const=Path(_PAGE), help=f"of --suite: write its tables into a page ({_PAGE})"
    )
    bench.add_argument("--friend", default=_EXACT, help='who sees: "exact" geometry, or a model')
    bench.add_argument("--half", choices=("known", "held_out", "both"), default="both", help="of the wordings")
    bench.add_argument("--per-form", type=int, default=16, help="questions of each form and half")
    bench.add_argument("--scenes", type=int, default=60, help="scenes, or rendered views where a model sees")
    bench.add_argument("--split", default="new_scenes", help="of the rendered views")
    bench.add_argument("--give", default="", help="depth, up, camera_height: what the model gets beside the picture")
    bench.add_argument("--no-picture", action="store_true", help="the control: the model sees a grey nothing")
    bench.add_argument("--seed", type=int, default=0, help="of scenes and questions")
    bench.add_argument("--out", type=Path, default=None, help="folder for answers.jsonl and summary.json")
    bench.add_argument("--no-progress", action="store_true", help="without a progress bar")


def run(args: argparse.Namespace) -> int:
    """Print the answer, or the benchmark's numbers; `NO_ANSWER` where there is none."""
    if args.suite:
        return _suite(args)
    return _bench(args) if args.bench else _solve(args)


def _solve(args: argparse.Namespace) -> int:
    from spatialvlm_ros.cli.ask import read_observation
    from spatialvlm_ros.models.spatial_vlm import SpatialVLM
    from spatialvlm_ros.reasoning.loading import load_thinker
    from spatialvlm_ros.reasoning.reasoner import Reasoner

    if args.picture is None or not args.question:
        raise QueryError("nothing is asked", args.question, 'Write: spatialvlm reason PICTURE "question" --hfov 60')
    limits, observation = _limits(args), read_observation(args)
    thinker = load_thinker(args.llm, args.tool_calls)
    view = SpatialVLM.from_pretrained(args.model).look(observation)
    reasoner = Reasoner(thinker, view, limits)
    solution = reasoner.solve(args.question, on_step=None if args.json else _print_step)
    sys.stdout.write(f"{json.dumps(_record(solution)) if args.json else _in_words(solution)}\n")
    status = 0 if solution.valid else NO_ANSWER
    if reasoner.busy:
        _leave(status)
    return status


def _leave(status: int) -> NoReturn:
    """End now: Python would wait for the threads of a call that nobody wants any more."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _limits(args: argparse.Namespace) -> Limits:
    from spatialvlm_ros.reasoning.limits import Limits

    given = {"steps": args.max_steps, "tokens": args.max_tokens, "seconds": args.seconds}
    return Limits(**{name: value for name, value in given.items() if value is not None})


def _print_step(step: ReasoningStep) -> None:
    """One line; the answer is printed by itself."""
    if step.kind.value == "answer":
        return
    shown = f"{step.tool_input} -> {step.tool_output}" if step.tool_output else step.text
    sys.stdout.write(f"[{step.index}] {step.kind}: {shown}\n")


def _in_words(solution: Solution) -> str:
    return solution.text if solution.valid else f"no answer ({solution.reason}). {solution.detail}".rstrip()


def _record(solution: Solution) -> dict[str, Any]:
    """The answer as plain values; None where there is no number."""
    end = solution.conclusion
    return {
        "question": solution.question,
        "text": solution.text,
        "valid": solution.valid,
        "reason": solution.reason.value,
        "detail": solution.detail,
        "labels": [] if end is None else list(end.labels),
        "object": "" if end is None else end.object,
        "value": None if end is None else _number(end.value),
        "std": None if end is None else _number(end.std),
        "unit": "" if end is None else end.unit,
        "probability": None if end is None else _number(end.probability),
        "steps": [
            {
                "index": step.index,
                "kind": step.kind.value,
                "text": step.text,
                "tool_input": step.tool_input,
                "tool_output": step.tool_output,
                "seconds": round(step.seconds, 4),
            }
            for step in solution.steps
        ],
    }


def _number(value: float) -> float | None:
    return value if value == value else None


# ---- benchmark ----


def _bench(args: argparse.Namespace) -> int:
    from spatialvlm_ros.reasoning.bench.scenes import geometric_scenes, simulated_scenes
    from spatialvlm_ros.reasoning.bench.suite import Setting, run_setting
    from spatialvlm_ros.reasoning.loading import load_thinker

    limits, exact = _limits(args), args.friend == _EXACT
    given = tuple(name.strip() for name in args.give.split(",") if name.strip())
    setting = Setting(args.friend if exact else "model", args.friend, given, not args.no_picture)
    asking = _asking(args, split="" if exact else args.split)
    thinker = load_thinker(args.llm, args.tool_calls)
    views = geometric_scenes(args.scenes, args.seed) if exact else simulated_scenes(args.scenes, args.split, args.seed)
    scenes = list(views)
    _print_summaries(run_setting(setting, asking, scenes, thinker, args.out, limits, _track(args)), len(scenes))
    return 0


def _suite(args: argparse.Namespace) -> int:
    from spatialvlm_ros.reasoning.bench.page import PART, read_results, tables
    from spatialvlm_ros.reasoning.bench.scenes import simulated_scenes
    from spatialvlm_ros.reasoning.bench.suite import missing, reported, run_setting
    from spatialvlm_ros.reasoning.loading import load_thinker

    out, asking = args.out or Path("output/reasoning"), _asking(args, args.split)
    model = args.model if args.friend == _EXACT else args.friend
    to_run = list(missing(reported(model), asking, out))
    scenes = list(simulated_scenes(args.scenes, args.split, args.seed)) if to_run else []
    thinker = load_thinker(args.llm, args.tool_calls) if to_run else None
    for setting in to_run:
        assert thinker is not None
        summaries = run_setting(setting, asking, scenes, thinker, out / setting.name, _limits(args), _track(args))
        sys.stdout.write(f"# {setting.name}\n")
        _print_summaries(summaries, len(scenes))
    text = tables(read_results(out))
    sys.stdout.write(text)
    if args.write is not None:
        PART.write(args.write, text)
    return 0


def _asking(args: argparse.Namespace, split: str) -> Asking:
    from spatialvlm_ros.reasoning.bench.suite import Asking
    from spatialvlm_ros.reasoning.bench.wordings import HALVES

    halves = HALVES if args.half == "both" else (args.half,)
    return Asking(args.llm, halves, args.per_form, args.scenes, split, args.seed)


def _print_summaries(summaries: Mapping[str, Summary], scenes: int) -> None:
    for half, summary in summaries.items():
        sys.stdout.write(f"{half} wordings, {scenes} scenes\n" + "\n".join(summary.lines()) + "\n")


def _track(args: argparse.Namespace) -> Track:
    """A progress bar for the questions."""
    from spatialvlm_ros.optional import require

    tqdm = require("tqdm", "data").tqdm
    quiet = True if args.no_progress else None  # None: quiet where nobody looks
    return lambda asked, name: tqdm(asked, desc=name, unit="question", disable=quiet, dynamic_ncols=True)
