"""`spatialvlm finetune`: fine-tune a hub model with LoRA; run it again and it goes on where it stopped."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from spatialvlm_ros.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    parser.add_argument("model", help="hub id or folder of an image-text-to-text model")
    parser.add_argument(
        "--data",
        type=Path,
        action="append",
        required=True,
        metavar="FOLDER|FILE",
        help="a data set of `spatialvlm generate`, or a .jsonl of `spatialvlm export`; repeatable, they are mixed",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the adapter")
    parser.add_argument("--config", type=Path, default=None, help="settings; config/train/lora.yaml by default")
    parser.add_argument("--split", default=None, help='of the data sets; "train" by default, all where one has none')
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="replace a setting")
    parser.add_argument("--revision", default=None, help="commit or tag of the model on the hub")
    parser.add_argument("--no-progress", action="store_true", help="no progress bar")
    parser.epilog = "On several processes: accelerate launch -m spatialvlm_ros.cli.main finetune ..."


def run(args: argparse.Namespace) -> int:
    """Fine-tune, and say where the adapter is."""
    from spatialvlm_ros.cli.train import setting
    from spatialvlm_ros.models.hub.loading import TUNING_EXTRA
    from spatialvlm_ros.models.loading import find_loader
    from spatialvlm_ros.optional import require
    from spatialvlm_ros.training.lora.settings import LoraSettings

    kind = find_loader(args.model).kind
    if not kind.startswith("hub"):
        raise ConfigError(
            "only hub models are fine-tuned with LoRA",
            args.model,
            "For the embedded model: spatialvlm train --config config/train/finetune.yaml --data FOLDER.",
        )
    settings = LoraSettings.load(args.config, **dict(setting(text) for text in args.set))
    for package in ("torch", "transformers"):
        require(package, "models")
    for package in ("peft", "accelerate"):
        require(package, TUNING_EXTRA)
    from spatialvlm_ros.progress_bars import progress_bar
    from spatialvlm_ros.training.lora.finetune import finetune
    from spatialvlm_ros.training.lora.records import read_records

    records = [
        record
        for path in args.data
        for record in read_records(path, settings.form, settings.decimals, settings.turns, args.split)
    ]
    bar = progress_bar(show=not args.no_progress, total=settings.steps, unit="step")
    with bar:
        result = finetune(args.model, records, args.out, settings, args.revision, progress=_shown(bar))
    for reason, count in sorted(result.skipped.items()):
        print(f"Skipped {count} conversations: {reason}")
    loss = f"loss {result.losses[0]:.3f} -> {result.losses[-1]:.3f}"
    print(f"{len(records)} conversations, {result.step} steps, {loss}. The adapter is in {result.folder}")
    return 0


def _shown(bar: Any) -> Callable[[int, float], None]:
    def progress(step: int, loss: float) -> None:
        bar.update(step - bar.n)
        bar.set_postfix(loss=f"{loss:.3f}", refresh=False)

    return progress
