"""`spatialvlm generate`: views -> scenes -> questions -> shards. Run it again to resume."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from spatialvlm_ros.datasets.source_registry import SOURCES
from spatialvlm_ros.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("inputs", type=Path, nargs="*", help="folder or file that a recorded source reads")
    parser.add_argument("--out", type=Path, required=True, help="folder of the data set")
    parser.add_argument("--config", type=Path, default=None, help="settings; config/generate.yaml by default")
    parser.add_argument("--source", default=None, help=f"{', '.join(SOURCES)}, or package.module:factory")
    parser.add_argument("--views", type=int, default=None, help="number of views, rounded up to whole scenes")
    parser.add_argument("--split", default=None, help="name of the split")
    parser.add_argument("--seed", type=int, default=None, help="data seed")
    parser.add_argument("--per-view", type=int, default=None, help="questions of a view")
    parser.add_argument("--mix", default=None, help="mix of question families: balanced or paper")
    parser.add_argument("--picture-format", default=None, choices=("jpeg", "png"), help="how colour is stored")
    parser.add_argument("--scenes-per-shard", type=int, default=None, help="scenes in one file")
    parser.add_argument("--engine", default=None, choices=("local", "ray"), help="local processes, or Ray Data")
    parser.add_argument("--workers", type=int, default=None, help="number of processes")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        dest="options",
        help="an option of the source (repeatable), e.g. --set width=320",
    )
    parser.add_argument("--no-progress", action="store_true", help="no progress bar")


def run(args: argparse.Namespace) -> int:
    """Make the data set, or what is missing of it."""
    from spatialvlm_ros.datasets.settings import GenerateSettings, generate_dataset

    names = ("source", "views", "split", "seed", "per_view", "scenes_per_shard", "engine", "workers")
    settings = GenerateSettings.load(args.config, **{name: getattr(args, name) for name in names})
    settings = settings.with_section("questions", mix=args.mix).with_section("pictures", kind=args.picture_format)
    settings = settings.with_source_options(dict(_option(text) for text in args.options))
    generate_dataset(
        settings, args.out, tuple(path.resolve() for path in args.inputs), show_progress=not args.no_progress
    )
    return 0


def _option(text: str) -> tuple[str, Any]:
    """NAME=VALUE, the value in YAML (so 3, 0.5, true, [1, 2] have their types)."""
    import yaml

    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ConfigError("an option needs the form NAME=VALUE", text, "E.g. --set width=320.")
    try:
        return name.strip(), yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError("the value of an option is not YAML", text, " ".join(str(error).split())) from error
