"""`spatialvlm preview`: one HTML page that shows a data set."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

_log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", type=Path, help="folder of the data set, or one shard")
    parser.add_argument("--out", type=Path, default=None, help="the page; DATASET/preview.html by default")
    parser.add_argument("--views", type=int, default=12, help="views to show, spread over the data set")
    parser.add_argument("--split", default=None, help="only this split")


def run(args: argparse.Namespace) -> int:
    """Write the page and say where it is."""
    from spatialvlm_ros.datasets.preview.page import write_preview
    from spatialvlm_ros.datasets.reader import open_dataset

    dataset = open_dataset(args.dataset, args.split)
    folder = args.dataset if args.dataset.is_dir() else args.dataset.parent
    path = write_preview(dataset, args.out or folder / "preview.html", args.dataset.resolve().name, args.views)
    _log.info("wrote %s (%d of %d views)", path, min(args.views, len(dataset)), len(dataset))
    return 0
