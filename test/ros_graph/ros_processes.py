"""Processes of a ROS graph: how they are found, started and ended as `ros2 launch` does it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[2]
_PATIENCE = 30.0  # seconds from SIGINT to the exit


def command_of(program: str | Path) -> list[str]:
    """What starts an installed executable, a dotted module, or a Python script."""
    if isinstance(program, Path):
        return [sys.executable, str(program)]
    if "." in program:
        return [sys.executable, "-m", program]
    prefixes = [Path(p) for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    places = [prefix / "lib" / "spatialvlm_ros" for prefix in prefixes] + [_CHECKOUT / "scripts"]
    for place in places:
        if (place / program).is_file():
            return [str(place / program)]
    raise FileNotFoundError(f"{program} is in none of {[str(p) for p in places]}")


class GraphProcess:
    """A running process; what it prints goes to a file."""

    def __init__(self, command: list[str], log: Path, environment: dict[str, str], patience: float = _PATIENCE) -> None:
        self._log = log
        self._patience = patience
        # Scripts start with `env python3`: that must be the Python of this test.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        everything = {**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1", **environment}
        with open(log, "w") as stream:
            self.popen = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT, env=everything)
        self.name = " ".join(command)
        self._ended = False

    @property
    def output(self) -> str:
        """Everything it printed until now."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def wait_for_output(self, text: str, seconds: float = 60.0) -> None:
        """Returns when it has printed the text; AssertionError when it ends or the time runs out before."""
        end = time.monotonic() + seconds
        while text not in self.output:
            assert self.popen.poll() is None, f"{self.name} ended before it printed {text!r}:\n{self.output}"
            assert time.monotonic() < end, f"{self.name} did not print {text!r} in {seconds:g} s:\n{self.output}"
            time.sleep(0.05)

    def stop(self) -> int:
        """Interrupts it (as Ctrl-C does) and returns its exit status; AssertionError when it does not end."""
        self._ended = True
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGINT)
        try:
            return self.popen.wait(self._patience)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            raise AssertionError(f"{self.name} ran on {self._patience:g} s after SIGINT:\n{self.output}") from None

    def end(self) -> str:
        """Stops it unless the test did, and says what went wrong; "" when it ended well."""
        if self._ended:
            return ""
        try:
            status = self.stop()
        except AssertionError as error:
            return str(error)
        return "" if status == 0 else f"{self.name} ended with status {status}:\n{self.output}"
