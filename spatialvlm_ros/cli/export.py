"""`spatialvlm export`: a data set as chat messages for multimodal trainers."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

_log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", type=Path, help="folder of the data set, or one shard")
    parser.add_argument("--out", type=Path, required=True, help="folder for SPLIT.jsonl and images/")
    parser.add_argument("--split", default=None, help="only this split")
    parser.add_argument("--turns", type=int, default=10, help="questions in one conversation")
    parser.add_argument("--system", default="", help="text of a system message")


def run(args: argparse.Namespace) -> int:
    """Write the conversations and say how many."""
    from spatialvlm_ros.datasets.chat import export_chat
    from spatialvlm_ros.datasets.reader import open_dataset
    from spatialvlm_ros.progress_bars import progress_bar

    dataset = open_dataset(args.dataset, args.split)
    with progress_bar(total=len(dataset), unit="view", dynamic_ncols=True) as bar:
        export = export_chat(dataset, args.out, args.turns, args.system, bar.update)
    _log.info(
        "%s: %d conversations, %d questions, %d pictures",
        args.out,
        export.conversations,
        export.questions,
        export.pictures,
    )
    return 0
