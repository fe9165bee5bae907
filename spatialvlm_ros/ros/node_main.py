"""The executable ``spatialvlm_node``."""

from __future__ import annotations

import os
import sys

from spatialvlm_ros.errors import SpatialVLMError
from spatialvlm_ros.ros.processor_share import leave_a_core

_FREE_THREADS = 4  # beside those that wait for the model: pictures, parameters, timers, transitions


def main(args: list[str] | None = None) -> int:
    """Runs the node until it is interrupted; the exit status is 0 then."""
    leave_a_core()  # before torch and NumPy are imported
    from spatialvlm_ros.ros.running import run_until_signal

    try:
        from spatialvlm_ros.ros.node import SpatialVLMNode
        from spatialvlm_ros.ros.services import MOST_WAITING

        run_until_signal(SpatialVLMNode, SpatialVLMNode.stop_work, args, MOST_WAITING + _FREE_THREADS)
    except SpatialVLMError as error:
        print(f"spatialvlm_node: {error}", file=sys.stderr)
        return 1
    # Everything is closed. Tearing torch down would take seconds more, and the model's thread may be in a pass.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
