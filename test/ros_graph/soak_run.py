"""The node before a camera for a long time: memory, latencies, order and counts.

Three processes: a camera that replays a recording, the node, and the one that runs this, which listens to the answers
and calls the parameter service all the time, and Ask in two of four phases. The first fifth is for settling (an Ask is
part of it): memory is compared from then on.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from node_probe import HANG_S, CameraProbe, Heard, NodeProbe, spinning_node, wait_until
from rcl_interfaces.srv import GetParameters
from ros_processes import GraphProcess, command_of

from spatialvlm_ros.srv import Ask

HERE = Path(__file__).parent
SETTLED = 0.2  # share of the time
# Share of the time at which each phase begins, and whether Ask requests run in it.
PHASES = ((0.0, False), (0.1, True), (SETTLED, False), (0.6, True))
QUESTION = "What is to be seen in this picture?"
_WINDOW = 0.05  # share of the time over which memory is averaged at either end


@dataclass(frozen=True)
class SoakOptions:
    """How to run.

    Attributes:
        minutes: in all, after the node is active.
        rate_hz: of the camera.
        queries: standing queries as the parameter takes them.
        clip: recording for the camera; "" for drawn pictures of 320x240.
        ask_every_s: from one Ask's answer to the next.
        parameters_every_s: from one parameter request to the next.
    """

    minutes: float
    rate_hz: float
    queries: Sequence[str]
    clip: str = ""
    ask_every_s: float = 0.0
    parameters_every_s: float = 0.5


@dataclass
class Timed:
    """Seconds that service calls took; ``lost`` of them had no answer within the limit for hangs."""

    seconds: list[float] = field(default_factory=list)
    valid: int = 0
    lost: int = 0


@dataclass(frozen=True)
class SoakReport:
    """What was found. Times are medians and 95th percentiles in milliseconds, NaN where there is nothing.

    Attributes:
        model_ms: median of look and standing queries while no Ask runs.
        latency_p95_ms, latency_asking_p95_ms: publication minus stamp, as it is heard in another process.
        parameters_p95_ms: of the parameter service, from another process.
        memory_growth: of the node's resident memory, share, from the settled state to the end.
        in_order: whether stamps of answers only rose; ``longest_gap_s`` between two of them.
        sent, received, published, heard, dropped, stale: pictures, by the camera, the node and the listener.
        faults: what the node counted beside these.
        exit_statuses: of node and camera after Ctrl-C.
    """

    minutes: float
    model_ms: float
    overhead_ms: float
    latency_ms: float
    latency_p95_ms: float
    latency_asking_p95_ms: float
    parameters_p95_ms: float
    parameters_longest_ms: float
    parameters_lost: int
    asks: int
    asks_valid: int
    asks_lost: int
    ask_ms: float
    memory_settled_mib: float
    memory_end_mib: float
    memory_growth: float
    in_order: bool
    longest_gap_s: float
    rate_hz: float
    sent: int
    received: int
    published: int
    heard: int
    dropped: int
    stale: int
    faults: dict[str, int]
    exit_statuses: tuple[int, int]
    load: float

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


class _Caller:
    """Calls a service again and again in a thread, one call after the other, while it is wanted."""

    def __init__(self, client: Any, request: Any, every_s: float, wanted: threading.Event) -> None:
        self.timed, self._ended = Timed(), threading.Event()
        self._client, self._request, self._every_s, self._wanted = client, request, every_s, wanted
        self._thread = threading.Thread(target=self._run, name="calls")
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.wait(max(self._every_s, 0.01)):
            if self._wanted.wait(0.1) and not self._ended.is_set():
                self._call()

    def _call(self) -> None:
        began, answered = time.perf_counter(), threading.Event()
        took: list[float] = []

        def done(_: Any) -> None:
            took.append(time.perf_counter() - began)
            answered.set()

        future = self._client.call_async(self._request)
        future.add_done_callback(done)
        if not answered.wait(HANG_S):
            self.timed.lost += 1
            self._client.remove_pending_request(future)
            return
        self.timed.seconds.append(took[0])
        answer = getattr(future.result(), "answer", None)
        self.timed.valid += answer is None or answer.valid

    def end(self) -> Timed:
        self._ended.set()
        self._thread.join()
        return self.timed


@dataclass
class _Samples:
    """What is noted while it runs: share of the time and MiB; the model's milliseconds while no Ask runs."""

    memory: list[tuple[float, float]] = field(default_factory=list)
    asking: list[tuple[float, float]] = field(default_factory=list)  # monotonic begin and end of Ask phases
    model_ms: list[float] = field(default_factory=list)


def run_soak(options: SoakOptions, domain: int, folder: Path) -> SoakReport:
    """Runs it; log files go to ``folder``.

    Raises:
        AssertionError: the node did not become active, or a process does not end after Ctrl-C.
    """
    with _processes(options, folder) as (node, camera), spinning_node(domain, "soak") as spinning:
        probe, steering = NodeProbe(spinning), CameraProbe(spinning)
        # An answer that is published before its reader is known is lost: the first one waits for that.
        steering.become({"paused": True})
        probe.wait_until_active()
        probe.next_report()
        probe.next_report()
        steering.become({"paused": False})
        wait_until(lambda: probe.heard, "the first answer", 60.0)
        ask = spinning.create_client(Ask, f"{probe.name}/ask")
        parameters = spinning.create_client(GetParameters, f"{probe.name}/get_parameters")
        assert ask.wait_for_service(HANG_S) and parameters.wait_for_service(HANG_S)
        always, asking = threading.Event(), threading.Event()
        always.set()
        callers = [
            _Caller(parameters, GetParameters.Request(names=["deadline_s"]), options.parameters_every_s, always),
            _Caller(ask, Ask.Request(question=QUESTION, deadline_s=HANG_S / 2), options.ask_every_s, asking),
        ]
        began = time.monotonic()
        samples = _sampled(options, probe, node, asking)
        timed = [caller.end() for caller in callers]
        ended = time.monotonic()
        # What is still on its way arrives, so that the counts of both sides agree.
        steering.become({"paused": True})
        probe.next_report()
        probe.next_report()
        values, heard = probe.values, list(probe.heard)
        statuses = (node.stop(), camera.stop())
        sent = int(camera.output.rpartition("sent ")[2].split()[0])
    of_run = [h for h in heard if began <= h.at <= ended]
    return _report(options, samples, timed, of_run, len(heard), values, sent, statuses)


@contextmanager
def _processes(options: SoakOptions, folder: Path) -> Iterator[tuple[GraphProcess, GraphProcess]]:
    camera_options = ["-p", f"rate_hz:={options.rate_hz}"] + (["-p", f"clip:={options.clip}"] if options.clip else [])
    node_options = ["-p", f"queries:={list(options.queries)}"]
    node = GraphProcess(
        [*command_of("spatialvlm_ros.ros.node_main"), "--ros-args", *node_options], folder / "node.log", {}
    )
    camera = GraphProcess(
        [*command_of(HERE / "camera_process.py"), "--ros-args", *camera_options], folder / "camera.log", {}
    )
    try:
        yield node, camera
    finally:
        faults = [fault for process in (node, camera) if (fault := process.end())]
    assert not faults, "\n\n".join(faults)


def _sampled(options: SoakOptions, probe: NodeProbe, node: GraphProcess, asking: threading.Event) -> _Samples:
    samples, process = _Samples(), psutil.Process(node.popen.pid)
    whole_s = 60 * options.minutes
    began = time.monotonic()
    every_s = min(1.0, whole_s / 60)
    while (passed := (time.monotonic() - began) / whole_s) < 1.0:
        wanted = [asks for start, asks in PHASES if start <= passed][-1]
        if wanted and not asking.is_set():
            samples.asking.append((time.monotonic(), float("inf")))
            asking.set()
        elif asking.is_set() and not wanted:
            asking.clear()
            samples.asking[-1] = (samples.asking[-1][0], time.monotonic())
        assert node.popen.poll() is None, node.output
        if not wanted and passed > SETTLED:
            samples.model_ms.append(float(probe.values["model_ms"]))
        samples.memory.append((passed, process.memory_info().rss / 2**20))
        time.sleep(every_s)
    return samples


def _report(
    options: SoakOptions,
    samples: _Samples,
    timed: Sequence[Timed],
    heard: Sequence[Heard],
    all_heard: int,
    values: dict[str, str],
    sent: int,
    statuses: tuple[int, int],
) -> SoakReport:
    parameters, asks = timed
    asking = [any(a <= h.at <= b for a, b in samples.asking) for h in heard]
    ages_ms = np.array([1e3 * h.age_s for h in heard])
    settled = _mean_memory(samples, SETTLED, SETTLED + _WINDOW)
    end = _mean_memory(samples, 1.0 - _WINDOW, 1.0)
    stamps = [h.stamp_ns for h in heard]
    times = [h.at for h in heard]
    known = ("received", "published", "dropped", "stale")
    faults = {k: int(v) for k, v in values.items() if v.isdigit() and k not in known}
    return SoakReport(
        minutes=options.minutes,
        model_ms=_quantile(samples.model_ms, 0.5),
        overhead_ms=float(values["overhead_ms"]),
        latency_ms=_quantile(ages_ms[~np.array(asking, bool)], 0.5),
        latency_p95_ms=_quantile(ages_ms[~np.array(asking, bool)], 0.95),
        latency_asking_p95_ms=_quantile(ages_ms[np.array(asking, bool)], 0.95),
        parameters_p95_ms=1e3 * _quantile(parameters.seconds, 0.95),
        parameters_longest_ms=1e3 * max(parameters.seconds, default=float("nan")),
        parameters_lost=parameters.lost,
        asks=len(asks.seconds),
        asks_valid=asks.valid,
        asks_lost=asks.lost,
        ask_ms=1e3 * _quantile(asks.seconds, 0.5),
        memory_settled_mib=settled,
        memory_end_mib=end,
        memory_growth=end / settled - 1.0,
        in_order=all(a < b for a, b in zip(stamps, stamps[1:], strict=False)),
        longest_gap_s=max((b - a for a, b in zip(times, times[1:], strict=False)), default=float("nan")),
        rate_hz=len(heard) / (60 * options.minutes),
        sent=sent,
        received=int(values["received"]),
        published=int(values["published"]),
        heard=all_heard,
        dropped=int(values["dropped"]),
        stale=int(values.get("stale", 0)),
        faults=faults,
        exit_statuses=statuses,
        load=os.getloadavg()[1],
    )


def _mean_memory(samples: _Samples, start: float, end: float) -> float:
    found = [mib for share, mib in samples.memory if start <= share <= end]
    return float(np.mean(found)) if found else float("nan")


def _quantile(values: Any, q: float) -> float:
    return float(np.quantile(values, q)) if len(values) else float("nan")
