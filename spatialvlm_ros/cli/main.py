"""Entry point of the `spatialvlm` command."""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from spatialvlm_ros.errors import SpatialVLMError
from spatialvlm_ros.version import __version__


@dataclass(frozen=True)
class Command:
    """A subcommand: its module has add_arguments(parser) and run(args) -> exit status."""

    module: str
    summary: str


COMMANDS: dict[str, Command] = {
    "demo": Command("spatialvlm_ros.cli.demo", "a simulated robot and the ROS nodes, live in the terminal"),
    "demo-data": Command("spatialvlm_ros.cli.demo_data", "generate a small data set and show it as a page"),
    "assets": Command("spatialvlm_ros.cli.assets", "build the asset pack of the simulation"),
    "generate": Command("spatialvlm_ros.cli.generate", "make a data set: pictures -> scenes -> questions -> shards"),
    "preview": Command("spatialvlm_ros.cli.preview", "write an HTML page that shows a data set"),
    "export": Command("spatialvlm_ros.cli.export", "export a data set as chat messages"),
    "evaluate": Command("spatialvlm_ros.cli.evaluate", "judge a model on a frozen bench, with controls"),
    "ask": Command("spatialvlm_ros.cli.ask", "measure in a picture, and answer questions about it"),
    "reason": Command("spatialvlm_ros.cli.reason", "answer questions that take several steps, or judge such answers"),
    "calibrate": Command("spatialvlm_ros.cli.calibrate", "fit errors and intervals of a model on known views"),
    "train": Command("spatialvlm_ros.cli.train", "train the embedded model; resumable"),
    "finetune": Command("spatialvlm_ros.cli.finetune", "fine-tune a hub model with LoRA; resumable"),
    "ablate": Command("spatialvlm_ros.cli.ablate", "short training runs that differ in one thing each; resumable"),
    "reward": Command("spatialvlm_ros.cli.reward", "rewards for recordings: MCAP, LeRobot, robomimic; resumable"),
    "doctor": Command("spatialvlm_ros.cli.doctor", "say what is installed, what is missing and how to get it"),
}

INTERRUPTED = 130  # the shell's convention for a process ended by Ctrl-C


def build_parser(command: str | None = None) -> argparse.ArgumentParser:
    """The parser; only ``command``'s module is imported, so `--help` and `doctor` work with little installed."""
    parser = argparse.ArgumentParser(
        prog="spatialvlm", description="Metric spatial question answering from camera pictures."
    )
    parser.add_argument("--version", action="version", version=f"spatialvlm {__version__}")
    parser.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, entry in COMMANDS.items():
        sub = subparsers.add_parser(name, help=entry.summary, description=entry.summary)
        if name == command:
            importlib.import_module(entry.module).add_arguments(sub)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; an error of this package is one line on stderr and exit status 1."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    command = next((a for a in arguments if a in COMMANDS), None)
    try:
        args = build_parser(command).parse_args(arguments)
        logging.basicConfig(level=args.log_level.upper(), format="%(levelname)s %(name)s: %(message)s")
        return int(importlib.import_module(COMMANDS[args.command].module).run(args))
    except SpatialVLMError as error:
        logging.getLogger("spatialvlm").debug("details", exc_info=True)
        sys.stderr.write(f"spatialvlm: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("spatialvlm: interrupted; run the same command again to resume\n")
        return INTERRUPTED
    except BrokenPipeError:  # e.g. `spatialvlm doctor | head -1`
        sys.stderr.close()
        return 0


if __name__ == "__main__":
    sys.exit(main())
