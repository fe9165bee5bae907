"""`spatialvlm demo-data`: the data engine end to end, in one command: simulate, ask, write shards, show a page."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from spatialvlm_ros.cli import generate, preview

_log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path("output/demo-data"), help="folder of the data set")
    parser.add_argument("--views", type=int, default=60, help="number of camera views to render")
    parser.add_argument("--workers", type=int, default=2, help="processes that render")


def run(args: argparse.Namespace) -> int:
    """Generate into ``--out`` (resuming what is there) and write ``preview.html`` beside it."""
    status = generate.run(_arguments(generate, ["--out", args.out, "--views", args.views, "--workers", args.workers]))
    if status:
        return status
    page = args.out / "preview.html"
    status = preview.run(_arguments(preview, [args.out, "--out", page]))
    if status == 0:
        _log.info("look at %s", page.resolve())
    return status


def _arguments(command: object, words: list[object]) -> argparse.Namespace:
    """The namespace that the command's own parser makes of these words, so defaults stay in one place."""
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)  # type: ignore[attr-defined]
    return parser.parse_args([str(w) for w in words])
