"""`spatialvlm evaluate`: judge a model on a frozen bench, build that bench, compare two results."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from spatialvlm_ros.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", nargs="?", help='"embedded", a folder, a hub id, or "openai:URL#model"')
    parser.add_argument("bench", nargs="?", type=Path, help="folder of the bench")
    parser.add_argument(
        "--out", type=Path, default=None, help="folder of the result (default: below evaluation/); resumes"
    )
    parser.add_argument("--config", type=Path, default=None, help="settings; config/evaluate.yaml by default")
    parser.add_argument("--controls", default=None, help="names separated by commas, or none; all by default")
    parser.add_argument("--limit", type=int, default=None, help="so many views, spread over the bench")
    parser.add_argument("--queries-per-view", type=int, default=None, help="measurements of a view")
    parser.add_argument("--text-per-view", type=int, default=None, help="questions in words of a view; 0 for none")
    parser.add_argument(
        "--model-width", type=int, default=None, help="width of the picture as the model sees it, pixels"
    )
    parser.add_argument("--give", default=None, help="depth, up, camera_height: what the model gets beside the picture")
    parser.add_argument("--train-store", type=Path, default=None, help="training views that the medians are taken from")
    parser.add_argument("--no-page", action="store_true", help="no report page (it needs matplotlib)")
    parser.add_argument("--no-progress", action="store_true", help="no progress bar")
    build = parser.add_argument_group("build a bench")
    build.add_argument("--build", type=Path, metavar="FOLDER", help="render a bench; run again to resume")
    build.add_argument("--bench-config", type=Path, default=None, help="settings; config/bench.yaml by default")
    build.add_argument("--truth", type=Path, default=None, help="a truth.jsonl.xz: render only its pictures")
    build.add_argument("--views-per-part", type=int, default=None, help="a smaller bench, for trying")
    build.add_argument("--processes", type=int, default=1, help="processes that render")
    other = parser.add_argument_group("something else")
    other.add_argument("--compare", nargs=2, type=Path, metavar=("OUT_A", "OUT_B"), help="two results on one bench")
    other.add_argument("--published", metavar="NAME", default=None, help="BENCH is a published benchmark of that name")


def run(args: argparse.Namespace) -> int:
    """Do what the arguments say."""
    if args.build is not None:
        return _build(args)
    if args.compare is not None:
        return _compare(args)
    if args.model is None or args.bench is None:
        raise ConfigError("what is to be judged", (args.model, args.bench), "Write: spatialvlm evaluate MODEL BENCH.")
    return _evaluate_published(args) if args.published else _evaluate(args)


def _build(args: argparse.Namespace) -> int:
    from spatialvlm_ros.evaluation.bench_build import build_bench
    from spatialvlm_ros.evaluation.bench_config import BenchConfig
    from spatialvlm_ros.evaluation.evaluate import progress_bar

    changes = {} if args.views_per_part is None else {"views_per_part": args.views_per_part}
    config = BenchConfig.load(args.bench_config, **changes)
    with progress_bar(config.views, "bench", not args.no_progress) as report:
        bench = build_bench(args.build, config, args.processes, args.truth, report)
    state = "the committed one" if bench.committed else "not committed: see config/bench"
    print(f"{bench.name}: {len(bench.views)} views, sha256 {bench.sha256} ({state})")
    return 0


def _evaluate(args: argparse.Namespace) -> int:
    from spatialvlm_ros.evaluation.bench import Bench
    from spatialvlm_ros.evaluation.evaluate import evaluate
    from spatialvlm_ros.evaluation.summary import summary

    bench = Bench.open(args.bench)
    settings = _settings(args)
    train = None
    if args.train_store is not None:
        from spatialvlm_ros.evaluation.train_examples import train_examples

        train = train_examples(args.train_store)
    model = load_model(args.model)
    out = args.out or Path("evaluation") / f"{_file_name(args.model)}-{bench.name}"
    result = evaluate(model, bench, out, settings, train, show_progress=not args.no_progress)
    print(summary(result))
    if not args.no_page:
        from spatialvlm_ros.evaluation.report.page import write_page

        print(write_page(result, out))
    return 0


def _settings(args: argparse.Namespace) -> Any:
    from spatialvlm_ros.evaluation.settings import EvaluationSettings

    return EvaluationSettings.load(
        args.config,
        controls=_names(args.controls),
        given=_names(args.give),
        limit=args.limit,
        queries_per_view=args.queries_per_view,
        text_per_view=args.text_per_view,
        model_width=args.model_width,
    )


def _names(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    return tuple(n.strip().replace("-", " ") for n in text.split(",") if n.strip() not in ("", "none"))


def _compare(args: argparse.Namespace) -> int:
    from spatialvlm_ros.evaluation.bench import Bench
    from spatialvlm_ros.evaluation.compare import as_table, compare

    folder = args.bench or (Path(args.model) if args.model else None)
    if folder is None:
        raise ConfigError("a comparison needs the bench", None, "Write: spatialvlm evaluate --compare A B BENCH.")
    out_a, out_b = args.compare
    print(as_table(compare(out_a, out_b, Bench.open(folder))))
    return 0


def load_model(name: str) -> Any:
    """The model called ``name``, as `SpatialVLM.from_pretrained` finds it."""
    from spatialvlm_ros.models.spatial_vlm import SpatialVLM

    return SpatialVLM.from_pretrained(name)


def _evaluate_published(args: argparse.Namespace) -> int:
    from spatialvlm_ros.evaluation.published import evaluate_published

    out = args.out or Path("evaluation") / f"{_file_name(args.model)}-{args.published}"
    model = load_model(args.model)
    text = evaluate_published(model, args.published, args.bench, out, args.limit, not args.no_progress)
    sys.stdout.write(text + "\n")
    return 0


def _file_name(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-._" else "-" for c in name).strip("-.")[-60:] or "model"
