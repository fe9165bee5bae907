"""`spatialvlm demo`: a simulated robot, the node and a planner as real ROS processes, seen live in the terminal."""

from __future__ import annotations

import argparse
import os
import sys
import threading
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path("output/demo"), help="folder of recording, picture and logs")
    parser.add_argument("--seconds", type=float, default=60.0, help="after the first answer; 0: until Ctrl-C")
    parser.add_argument("--no-terminal", action="store_true", help="print lines instead of drawing over the terminal")
    parser.add_argument("--headless", action="store_true", help="print nothing but the result")
    parser.add_argument("--seed", type=int, default=7, help="of the simulated scene")
    parser.add_argument("--model", default="embedded", help="embedded, a folder, a hub id, or openai:URL#model")
    parser.add_argument("--camera-rate", type=float, default=10.0, help="pictures of the simulated camera in a second")
    parser.add_argument("--domain-id", type=int, default=0, help="ROS_DOMAIN_ID of the graph; 0: one of its own")


def run(args: argparse.Namespace) -> int:
    """Show the graph until the time is over or Ctrl-C; write ``demo.mcap``, ``annotated.png`` and the logs."""
    from spatialvlm_ros.ros.demo.stopping import stopped_by_signals

    with stopped_by_signals() as stop:
        return _run(args, stop)


def _run(args: argparse.Namespace, stop: threading.Event) -> int:
    from spatialvlm_ros.ros.demo.run import DemoOptions, run_demo
    from spatialvlm_ros.ros.demo.screen import Lines, Nowhere, Screen, Terminal

    screen: Screen
    if args.headless:
        screen = Nowhere()
    elif args.no_terminal or not sys.stdout.isatty():
        screen = Lines(sys.stdout)
    else:
        screen = Terminal(sys.stdout, colours="NO_COLOR" not in os.environ)
    options = DemoOptions(args.out, args.seconds, args.domain_id, args.seed, args.model, args.camera_rate)
    result = run_demo(options, screen, stop)
    size = result.recording.stat().st_size / 1e6
    print(f"recording  {result.recording}   {result.messages} messages, {size:.1f} MB (ros2 bag play, Foxglove)")
    print(f"picture    {result.picture or 'none: no picture was answered'}")
    print(f"rewards    {result.rewards or 'none: the recording of the first seconds was not done in time'}")
    print(f"logs       {args.out / 'logs'}")
    if result.killed:
        print(f"ended by force: {', '.join(result.killed)}")
    return 0
