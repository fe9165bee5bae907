"""The ROS 2 node for a long time before a camera of 640x480 colour and depth at 30 Hz: memory, times, order, counts.

    make soak                                              ten minutes
    .venv-kilted/bin/python bench/soak.py --minutes 0.5    a trial

The recording is an episode of the simulated robot (drawn pictures where MuJoCo is not installed), replayed by another
process. Prints a table with the targets; ``--json`` writes the report to a file. Exit status 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "test" / "ros_graph"))

from soak_run import SoakOptions, SoakReport, run_soak  # noqa: E402

from spatialvlm_ros.errors import MissingDependencyError  # noqa: E402
from spatialvlm_ros.geometry.depth import metres_to_millimetres  # noqa: E402
from spatialvlm_ros.ros.domains import claimed_domain  # noqa: E402

PICTURES = 12  # every fifth of an episode
QUERIES = ("distance: gripper | mug", "gap: red mug | table", "left_diff: mug | bowl", "height: [200, 150, 400, 350]")


@dataclass(frozen=True)
class Target:
    """One line of the table: what was measured, and what is wanted of it."""

    name: str
    value: Callable[[SoakReport], float]
    unit: str
    most: Callable[[SoakReport], float]

    def row(self, report: SoakReport) -> tuple[str, bool]:
        """The line, and whether the target is reached."""
        value, most = self.value(report), self.most(report)
        good = value <= most
        verdict = "yes" if good else "**no**"
        return f"| {self.name} | {value:.4g} {self.unit} | <= {most:.4g} {self.unit} | {verdict} |", good


TARGETS = (
    Target("growth of memory, settled state to end", lambda r: 100 * r.memory_growth, "%", lambda r: 5),
    Target("publication minus stamp, p95", lambda r: r.latency_p95_ms, "ms", lambda r: 2 * r.model_ms),
    Target("the same while Ask runs, p95", lambda r: r.latency_asking_p95_ms, "ms", lambda r: 4 * r.model_ms),
    Target("parameter service, p95", lambda r: r.parameters_p95_ms, "ms", lambda r: 50),
    Target("answers out of order", lambda r: float(not r.in_order), "", lambda r: 0),
    Target("pictures without a fate", lambda r: abs(r.received - r.published - r.dropped - r.stale), "", lambda r: 0),
    Target("answers that were not heard", lambda r: r.published - r.heard, "", lambda r: 0),
    Target("longest time between answers", lambda r: r.longest_gap_s, "s", lambda r: 10),
    Target("requests without an answer", lambda r: r.parameters_lost + r.asks_lost, "", lambda r: 0),
)


def recording(path: Path) -> str:
    """A clip for the camera process; "" where nothing can be simulated."""
    if path.exists():
        return str(path)
    try:
        from spatialvlm_ros.simulation.robot.episodes import run_episode

        frames = [f.scene.observation for f in islice(run_episode("pick", "success", 0), 0, 5 * PICTURES, 5)]
    except (ImportError, MissingDependencyError):
        return ""
    path.parent.mkdir(parents=True, exist_ok=True)
    depth = np.stack([metres_to_millimetres(frame.depth) for frame in frames])
    part = path.with_suffix(".part.npz")
    np.savez(part, rgb=np.stack([frame.rgb for frame in frames]), depth=depth, k=frames[0].camera.K)
    part.replace(path)
    return str(path)


def table(report: SoakReport) -> tuple[str, bool]:
    """The Markdown table, and whether every target is reached."""
    rows = [target.row(report) for target in TARGETS]
    said = (
        f"{report.minutes:g} minutes, {report.published} pictures answered of {report.sent} sent and {report.received} "
        f"received ({report.rate_hz:.1f}/s), {report.asks} Asks (median {report.ask_ms:.0f} ms, {report.asks_valid} "
        f"answered). Look and standing queries {report.model_ms:.0f} ms, own time {report.overhead_ms:.1f} ms, memory "
        f"{report.memory_settled_mib:.0f} to {report.memory_end_mib:.0f} MiB, faults {report.faults or 'none'}; load "
        f"average of the machine {report.load:.1f} on {os.cpu_count()} cores."
    )
    head = "| | measured | wanted | reached |\n|---|---|---|---|"
    return "\n".join([said, "", head, *(row for row, _ in rows)]), all(good for _, good in rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=30.0, help="of the camera, pictures a second")
    parser.add_argument(
        "--clip", type=Path, default=ROOT / "build" / "soak_clip.npz", help="is made if it is not there"
    )
    parser.add_argument("--json", type=Path, help="write the report here")
    args = parser.parse_args()
    options = SoakOptions(args.minutes, args.rate, QUERIES, recording(args.clip))
    with claimed_domain() as domain, tempfile.TemporaryDirectory() as folder:
        os.environ |= {"ROS_DOMAIN_ID": str(domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
        report = run_soak(options, domain, Path(folder))
    text, good = table(report)
    print(text)
    if args.json:
        args.json.write_text(json.dumps(report.as_json(), indent=1) + "\n", encoding="utf-8")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
