"""The executable ``spatialvlm_planner``."""

from __future__ import annotations

import sys

from spatialvlm_ros.errors import SpatialVLMError


def main(args: list[str] | None = None) -> int:
    """Runs the example planner until it is interrupted; the exit status is 0 then."""
    from spatialvlm_ros.ros.running import run_until_signal

    try:
        from spatialvlm_ros.ros.planner_node import PlannerNode

        run_until_signal(PlannerNode, lambda _: None, args, threads=2)
    except SpatialVLMError as error:
        print(f"spatialvlm_planner: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
