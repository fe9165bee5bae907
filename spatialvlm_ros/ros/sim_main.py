"""The executable ``spatialvlm_sim``."""

from __future__ import annotations

import os
import sys

from spatialvlm_ros.errors import SpatialVLMError


def main(args: list[str] | None = None) -> int:
    """Runs the simulation until it is interrupted; the exit status is 0 then, and 1 where no scene can be drawn."""
    from spatialvlm_ros.ros.running import run_until_signal

    made = []
    try:
        from spatialvlm_ros.ros.sim_node import SimNode

        def make() -> SimNode:
            made.append(SimNode())
            return made[0]

        run_until_signal(make, SimNode.close, args, threads=2)
    except SpatialVLMError as error:
        print(f"spatialvlm_sim: {error}", file=sys.stderr)
        return 1
    # The thread of the world may be in the middle of a picture, which a normal exit would tear the driver from under.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(int(made[0].failed))


if __name__ == "__main__":
    sys.exit(main())
