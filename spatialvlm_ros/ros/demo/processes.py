"""The processes of the demo: started with their own log, ended as `ros2 launch` does it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from spatialvlm_ros.errors import RemoteError
from spatialvlm_ros.ros.launch_arguments import NodeProcess

MODULES = {
    "spatialvlm_sim": "spatialvlm_ros.ros.sim_main",
    "spatialvlm_node": "spatialvlm_ros.ros.node_main",
    "spatialvlm_planner": "spatialvlm_ros.ros.planner_main",
}
PATIENCE_S = 5.0  # from SIGINT to the end by force
_LOG_TAIL = 5


def command_of(process: NodeProcess) -> list[str]:
    """What `ros2 launch` would run, by this Python and its modules: nothing need be installed as an executable."""
    module = MODULES[process.executable]
    return [sys.executable, "-m", module, *process.command(process.executable)[1:]]


class Processes:
    """Starts and ends processes. Ctrl-C in the terminal does not reach them: they are ended in order.

    Args:
        logs: folder of what they print.
        environment: of all of them.
    """

    def __init__(self, logs: Path, environment: dict[str, str]) -> None:
        self._logs, self._environment = logs, environment
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        logs.mkdir(parents=True, exist_ok=True)

    def start(self, name: str, command: Sequence[str]) -> None:
        """Starts one; what it prints goes to ``<name>.log``."""
        with open(self._log(name), "wb") as log:
            self._running[name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                env=self._environment, start_new_session=True,
            )  # fmt: skip

    def states(self) -> dict[str, str]:
        """What each is doing, in a word or two."""
        found = {}
        for name, process in self._running.items():
            status = process.poll()
            found[name] = "running" if status is None else f"ended ({status})"
        return found

    def check(self) -> None:
        """Raises `RemoteError` with the end of the log where one has ended by itself."""
        for name, process in self._running.items():
            if process.poll() is not None:
                tail = " | ".join(self.log_of(name).strip().splitlines()[-_LOG_TAIL:])
                raise RemoteError(f"{name} has ended by itself: {tail}", process.returncode, f"See {self._log(name)}.")

    def log_of(self, name: str) -> str:
        """What one has printed."""
        return self._log(name).read_text(encoding="utf-8", errors="replace")

    def end(self) -> dict[str, int]:
        """Interrupts all, waits, and kills what is left; name -> exit status, negative where it was killed."""
        for process in self._running.values():
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        last = time.monotonic() + PATIENCE_S
        for process in self._running.values():
            try:
                process.wait(max(last - time.monotonic(), 0.0))
            except subprocess.TimeoutExpired:
                # The whole session: what a process itself has started goes with it.
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        return {name: process.returncode for name, process in self._running.items()}

    def _log(self, name: str) -> Path:
        return self._logs / f"{name}.log"
