"""`spatialvlm ablate`: many short training runs that differ in one thing each, and the table of what they came to."""

from __future__ import annotations

import argparse
from pathlib import Path

_PAGE = "docs/benchmarks.md"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    parser.add_argument("--config", type=Path, default=None, help="YAML file; config/ablations.yaml by default")
    parser.add_argument("--out", type=Path, default=Path("output/ablations"), help="folder; run again to resume")
    parser.add_argument("--only", nargs="+", default=[], metavar="GROUP", help="groups; all by default")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1], help="one run of each variant per seed")
    parser.add_argument("--table", action="store_true", help="run nothing; show what is there")
    parser.add_argument("--list", action="store_true", help="run nothing; name the runs and whether they are done")
    parser.add_argument("--prepare", action="store_true", help="run nothing; render the views that the runs need")
    parser.add_argument(
        "--write",
        nargs="?",
        type=Path,
        const=Path(_PAGE),
        help=f"write the tables into a page ({_PAGE}); groups without a result keep theirs",
    )
    parser.add_argument("--threads", type=int, default=1, help="threads of torch; two processes of one are quicker")


def run(args: argparse.Namespace) -> int:
    """Runs what is missing and prints the tables."""
    from spatialvlm_ros.optional import require
    from spatialvlm_ros.shared_files import shared_file

    torch = require("torch", "models")
    require("accelerate", "train")
    torch.set_num_threads(args.threads)
    from spatialvlm_ros.training.ablations.plan import Ablations
    from spatialvlm_ros.training.ablations.running import read_result, run_missing
    from spatialvlm_ros.training.ablations.table import PART, tables

    plan = Ablations.load(args.config or shared_file("config/ablations.yaml"))
    runs = plan.runs(args.out, args.seeds, args.only)
    if args.list:
        for one in runs:
            print(f"{'missing' if read_result(one) is None else 'done   '} {one.name} ({one.folder})")
        return 0
    if args.prepare:
        from spatialvlm_ros.training.run import render_stores

        for one in runs:
            render_stores(one.config)
        return 0
    if not args.table:
        run_missing(runs)
    print(tables(plan, runs))
    if args.write is not None:
        PART.write(args.write, tables(plan, plan.runs(args.out, args.seeds), PART.read(args.write)))
    return 0
