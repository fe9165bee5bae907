"""Runs the demo: processes, listener, story and screen together, and an end that leaves nothing behind."""

from __future__ import annotations

import json
import math
import os
import signal
import threading
import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from spatialvlm_ros.errors import MissingDependencyError, RemoteError
from spatialvlm_ros.ros.client import SpatialClient
from spatialvlm_ros.ros.client_node import ClientNode
from spatialvlm_ros.ros.demo.picture import explained_picture, write_picture
from spatialvlm_ros.ros.demo.processes import Processes, command_of
from spatialvlm_ros.ros.demo.recorder import Recorder
from spatialvlm_ros.ros.demo.screen import Screen
from spatialvlm_ros.ros.demo.state import NAN, DemoState
from spatialvlm_ros.ros.demo.story import Story
from spatialvlm_ros.ros.demo.topics import SENTENCE, SERVER
from spatialvlm_ros.ros.domains import claimed_domain
from spatialvlm_ros.ros.launch_arguments import SIM_DEMO_ARGUMENTS, NodeProcess, sim_demo_nodes, vlm_node
from spatialvlm_ros.ros.sim_settings import SimSettings
from spatialvlm_ros.ros.sim_world import BASE_FRAME, TOOL_FRAME, WORLD_FRAME
from spatialvlm_ros.shared_files import shared_file
from spatialvlm_ros.simulation.assets.pack import MANIFEST_NAME, default_pack_path

SIM, NODE, PLANNER = "robot", "node", "planner"
_DRAW_EVERY_S = 0.25
_START_S = 300.0  # until the first answer: a slow machine draws the scene and loads the weights for a minute
_MAX_AGE_S = 5.0  # of pictures: a busy machine answers late, and the view shows how late
_GAMMA = 0.99  # of a learner that is not there: the reward is shown only
NO_PACK = "No asset pack: plain shapes, which the model cannot name. Build one: spatialvlm assets"
_PARAMETER_FILE = "config/ros/spatialvlm.yaml"


@dataclass(frozen=True)
class DemoOptions:
    """What the user chose.

    Attributes:
        out: folder of the recording, the picture and the logs.
        seconds: after the first answer; 0 for until Ctrl-C.
        domain: ROS_DOMAIN_ID; 0 for one that no other demo on this machine has.
        seed: of the simulated scene.
        model: as the node's parameter.
        rate_hz: pictures that the simulated camera takes in a second.
    """

    out: Path
    seconds: float = 60.0
    domain: int = 0
    seed: int = SimSettings.seed
    model: str = "embedded"
    rate_hz: float = 10.0


@dataclass(frozen=True)
class DemoResult:
    """What came of it.

    Attributes:
        recording: path; messages and topics in it are counted.
        picture: path, or None where no picture was answered.
        rewards: of the recording of the first seconds, or None where they were not done in time.
        last: the last state.
        killed: processes that did not end by themselves.
    """

    recording: Path
    messages: int
    picture: Path | None
    rewards: Path | None
    last: DemoState
    killed: tuple[str, ...]


def run_demo(options: DemoOptions, screen: Screen, stop: threading.Event) -> DemoResult:
    """Runs until the time is over, or until ``stop`` is set.

    Raises:
        MissingDependencyError: there is no ROS.
        RemoteError: a process ended by itself, or no answer came.
    """
    _require_ros()
    options.out.mkdir(parents=True, exist_ok=True)
    with nullcontext(options.domain) if options.domain else claimed_domain() as domain:
        return _run_in(domain, options, screen, stop)


def _run_in(domain: int, options: DemoOptions, screen: Screen, stop: threading.Event) -> DemoResult:
    os.environ.update({"ROS_DOMAIN_ID": str(domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"})
    picture = options.out / "annotated.png"
    picture.unlink(missing_ok=True)
    stage = _Stage(options, domain)
    try:
        with screen:
            last = stage.play(screen, stop)
    finally:
        killed = stage.end()
    drawn = picture if stage.draw(picture) else None
    return DemoResult(stage.recorder.path, stage.recorder.messages, drawn, stage.annotating.rewards, last, killed)


class _Stage:
    """Everything that runs."""

    def __init__(self, options: DemoOptions, domain: int) -> None:
        from std_msgs.msg import String

        from spatialvlm_ros.ros.demo.annotating import Annotating
        from spatialvlm_ros.ros.demo.listener import Listener

        self._options, self._domain = options, domain
        self._began = time.monotonic()
        self.recorder = Recorder(options.out / "demo.mcap")
        self._processes = Processes(options.out / "logs", _environment())
        self._node = ClientNode()
        self.annotating = Annotating(self._node.node, options.out / "annotation")
        self._listener = Listener(self._node.node, self.recorder, self.annotating.opening)
        self._sentences = self._node.node.create_publisher(String, SENTENCE, 10)
        self._client = SpatialClient(self._node.node, SERVER)
        self._story = Story(self._client, self._listener.labels, self._listener.scene, self._say)
        packed = (default_pack_path() / MANIFEST_NAME).exists()
        self._hint = "" if packed else NO_PACK
        values, share = _launch_values(options), shared_file(_PARAMETER_FILE).parents[2]
        robot, _, self._planner = sim_demo_nodes(values, share)
        self._first = {
            SIM: _with(robot, "-p", f"seed:={options.seed}", "-p", f"rate_hz:={options.rate_hz}"),
            NODE: _vlm(values, share),
        }

    def play(self, screen: Screen, stop: threading.Event) -> DemoState:
        """Until the time is over or somebody stops it; the last state."""
        for name, process in self._first.items():
            self._processes.start(name, command_of(process))
        self._story.start()
        while True:
            self.annotating.begin(self._story.task)
            state = self._state()
            screen.show(state)
            total = self._options.seconds
            if stop.wait(_DRAW_EVERY_S) or (total and state.elapsed_s >= total):
                return state
            self._processes.check()
            if self._story.fault is not None:
                raise self._story.fault
            if math.isnan(state.elapsed_s) and time.monotonic() - self._began > _START_S:
                raise RemoteError(f"no answer came within {_START_S:.0f} s", state.waiting, "See the logs.")

    def end(self) -> tuple[str, ...]:
        """Ends everything; the names of the processes that had to be killed."""
        self._story.stop()
        statuses = self._processes.end()
        self._client.close()
        self._node.close()
        self.recorder.close()
        self.annotating.opening.close()
        return tuple(name for name, status in statuses.items() if status == -signal.SIGKILL)

    def draw(self, path: Path) -> bool:
        """Writes the last answered picture; whether there is one."""
        found = self._listener.answered_picture()
        if found is None:
            return False
        write_picture(path, explained_picture(found.rgb, found.rows, found.objects, found.ids))
        return True

    # ---- parts ----

    def _state(self) -> DemoState:
        first, story = self._listener.first_answer, self._story
        waiting = story.waiting or ("waiting for the first answer ..." if first is None else "")
        return DemoState(
            elapsed_s=NAN if first is None else time.monotonic() - first,
            total_s=self._options.seconds,
            waiting=waiting,
            hint=self._hint,
            domain=self._domain,
            processes=self._processes.states(),
            recorded=self.recorder.messages,
            speed=self._listener.speed,
            sentence=story.sentence,
            target=story.target,
            rows=self._listener.rows(),
            asked=story.asked,
            rewarded=self._listener.rewarded,
            annotation=self.annotating.state,
        )

    def _say(self, sentence: str) -> None:
        """The first sentence is the planner's parameter, the others come on its topic."""
        from std_msgs.msg import String

        if PLANNER in self._processes.states():
            self._sentences.publish(String(data=sentence))
        else:
            self._processes.start(PLANNER, command_of(_with(self._planner, "-p", f"sentence:={json.dumps(sentence)}")))


def _launch_values(options: DemoOptions) -> dict[str, str]:
    values = {argument.name: argument.default or "" for argument in SIM_DEMO_ARGUMENTS}
    return {**values, "model": options.model, "planner": "true"}


def _vlm(values: dict[str, str], share: Path) -> NodeProcess:
    frames = {"gripper_frame": TOOL_FRAME, "support_frame": BASE_FRAME, "target_frame": WORLD_FRAME}
    settings = (f"max_age_s:={_MAX_AGE_S}", f"reward_gamma:={_GAMMA}")
    return _with(vlm_node(values, share, **frames), *(word for setting in settings for word in ("-p", setting)))


def _with(process: NodeProcess, *words: str) -> NodeProcess:
    return replace(process, ros_arguments=(*process.ros_arguments, *words))


def _environment() -> dict[str, str]:
    return {
        "MUJOCO_GL": "egl",
        "LP_NUM_THREADS": "1",  # where the processor draws, it must leave time for the model
        **os.environ,
        "PYTHONUNBUFFERED": "1",
        "RCUTILS_COLORIZED_OUTPUT": "0",
    }


def _require_ros() -> None:
    try:
        import rclpy  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            "the demo needs ROS 2",
            str(error),
            "Run `make demo`, which brings its own, or source the setup.bash of yours.",
        ) from error
