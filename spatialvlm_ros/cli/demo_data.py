"""`spatialvlm demo-data`: the data engine end to end, in one command: simulate, ask, write shards, show a page."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import spatialvlm_ros.cli.generate as generate
import spatialvlm_ros.cli.preview as preview

_log = logging.getLogger(__name__)

# Few views of each scene and few scenes of each set of objects: a small data set that shows much.
_VARIED = ("--set", "views_per_layout=5", "--set", "layouts_per_compile=2", "--scenes-per-shard", "2")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path("output/demo-data"), help="folder of the data set")
    parser.add_argument("--views", type=int, default=60, help="number of camera views to render")
    parser.add_argument("--workers", type=int, default=2, help="processes that render")


def run(args: argparse.Namespace) -> int:
    """Generate into ``--out`` (resuming what is there) and write ``preview.html`` beside it."""
    words = ["--out", args.out, "--views", args.views, "--workers", args.workers, *_VARIED]
    status = generate.run(_arguments(generate, words))
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
