"""The node's own time for a picture: from the callback of its last message to the return of the last publish().

    .venv-kilted/bin/python bench/node_overhead.py [--seconds 60] [--rate 4] [--json]

Conversion, synchronising, filtering and publishing are in it, the model (with its resampling) and waiting for a model
that is busy are not. A camera process plays colour and 16UC1 depth of 640x480, four queries are asked of every picture,
and the distances are listened to; the numbers are medians of the node's own diagnostics. Needs the ROS environment
(`make ros-kilted`). The rate is one that the model can follow.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

GRAPH = Path(__file__).resolve().parents[1] / "test" / "ros_graph"
sys.path.insert(0, str(GRAPH))

from node_probe import NodeProbe, spinning_node, valid  # noqa: E402
from ros_processes import GraphProcess, command_of  # noqa: E402

from spatialvlm_ros.ros.domains import claimed_domain  # noqa: E402

BOARD, WALL = "[160, 160, 320, 320]", "[400, 40, 600, 200]"
QUERIES = [f"distance: {BOARD} | {WALL}", f"gap: {BOARD} | {WALL}", f"left_diff: {BOARD} | {WALL}", f"height: {BOARD}"]
SETTLING_S = 5.0


def measured(probe: NodeProbe, seconds: float) -> dict[str, Any]:
    """What the node says of itself after ``seconds``; what came before it settled is left out."""
    probe.wait_until_active()
    probe.wait_for(valid, 5, 60.0)
    time.sleep(SETTLING_S)
    assert probe.change("deactivate") and probe.change("activate")  # begins to count anew
    probe.wait_for(valid, 1, 60.0)
    time.sleep(seconds)
    names = ("overhead_ms", "model_ms", "latency_ms", "latency_p95_ms", "rate_hz", "published", "dropped")
    return {name: float(probe.values[name]) for name in names}


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=4.0, help="pictures a second")
    parser.add_argument("--json", action="store_true", help="print nothing but the JSON, in one line")
    args = parser.parse_args()
    camera = ["-p", "width:=640", "-p", "height:=480", "-p", f"rate_hz:={args.rate}"]
    with claimed_domain() as domain, tempfile.TemporaryDirectory() as folder:
        os.environ |= {"ROS_DOMAIN_ID": str(domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
        commands = {
            "camera": [*command_of(GRAPH / "camera_process.py"), "--ros-args", *camera],
            "node": [*command_of("spatialvlm_ros.ros.node_main"), "--ros-args", "-p", f"queries:={QUERIES}"],
        }
        processes = [GraphProcess(c, Path(folder) / f"{name}.log", {}) for name, c in commands.items()]
        try:
            with spinning_node(domain) as node:
                result = measured(NodeProbe(node), args.seconds)
        finally:
            faults = [fault for process in processes if (fault := process.end())]
    if faults:
        raise SystemExit("\n\n".join(faults))
    result |= {"load": os.getloadavg()[0], "cores": os.cpu_count()}
    print(json.dumps(result, indent=None if args.json else 1))


if __name__ == "__main__":
    main()
