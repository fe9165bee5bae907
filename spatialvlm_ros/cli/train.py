"""`spatialvlm train`: train the embedded model from a configuration; run it again and it goes on where it stopped."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

import yaml

from spatialvlm_ros.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    parser.add_argument("--config", required=True, help="YAML file, e.g. config/train/embedded.yaml")
    parser.add_argument("--data", metavar="FOLDER", help="train on a data set made by `spatialvlm generate`")
    parser.add_argument("--split", default=None, help='of the data set; "train" by default, all where it has none')
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="replace a top-level setting")
    parser.add_argument("--export", metavar="FOLDER", help="write the model of the newest checkpoint and end")
    parser.add_argument(
        "--stop-after",
        type=float,
        metavar="MINUTES",
        help="stop then with a checkpoint, for jobs with a time limit; the same command goes on",
    )
    parser.add_argument("--threads", type=int, default=0, help="threads of each process (default: torch's choice)")
    parser.epilog = "On several processes: torchrun --nproc_per_node 2 -m spatialvlm_ros.cli.main train --config ..."


def run(args: argparse.Namespace) -> int:
    """Trains or exports."""
    from spatialvlm_ros.optional import require

    torch = require("torch", "models")
    if args.threads:
        torch.set_num_threads(args.threads)
    from spatialvlm_ros.training.config import TrainConfig
    from spatialvlm_ros.training.deadline import NEVER, Deadline

    deadline = NEVER if args.stop_after is None else Deadline.after(args.stop_after)
    config = TrainConfig.load(args.config, **dict(setting(text) for text in args.set))
    if args.split and not args.data:
        raise ConfigError("a split is of a data set", args.split, "Name the data set with --data.")
    if args.data:
        from spatialvlm_ros.training.from_dataset import store_dataset

        stores = store_dataset(args.data, f"{config.out}/store", split=args.split)
        config = replace(config, train=stores[0], validate=stores[1])
    if args.export:
        from spatialvlm_ros.training.run import export_checkpoint

        export_checkpoint(config, args.export)
        print(f"The model is in {args.export}")
        return 0
    require("accelerate", "train")
    from spatialvlm_ros.training.run import train_until

    folder = train_until(config, deadline)
    if folder is None:
        print(f"Stopped after {args.stop_after:g} minutes; the same command goes on.")
        return 0
    print(f"The model is in {folder}")
    return 0


def setting(text: str) -> tuple[str, Any]:
    """NAME=VALUE, the value in YAML.

    Raises:
        ConfigError: without an equals sign.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError("a setting needs a value", text, "Write --set name=value.")
    return name, yaml.safe_load(value)
