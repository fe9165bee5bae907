"""Scripted episodes with a known outcome, as camera frames with truth.

    for frame in run_episode("pick", "drop", seed=7, pack=AssetPack.load()):
        frame.scene.observation.rgb, frame.state.gap, frame.is_success

The seed decides everything: objects, their sizes and places, light, camera, what the script does. What the physics
made of it is checked afterwards (`verdicts`); a run that did not earn its label is thrown away and the next one is
drawn from the same seed, and `EpisodeInfo.rejected` counts why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import SimulationError
from spatialvlm_ros.scenes.observation import Observation
from spatialvlm_ros.scenes.scene import Scene
from spatialvlm_ros.simulation.assets.pack import AssetPack
from spatialvlm_ros.simulation.rendering import require_mujoco
from spatialvlm_ros.simulation.robot.cameras import View, draw_view, wrist_view
from spatialvlm_ros.simulation.robot.casting import Cast, draw_cast
from spatialvlm_ros.simulation.robot.control import MAX_STEP_M, ArmControl
from spatialvlm_ros.simulation.robot.layout import arrange
from spatialvlm_ros.simulation.robot.room import Look
from spatialvlm_ros.simulation.robot.scripts import OPEN, Actor, Command, check_outcome, script
from spatialvlm_ros.simulation.robot.tasks import TASKS, Task, TaskState, measure
from spatialvlm_ros.simulation.robot.truth import TruthCamera
from spatialvlm_ros.simulation.robot.verdicts import Course, earned
from spatialvlm_ros.simulation.robot.world import World

Float = NDArray[np.float64]

MAX_ATTEMPTS = 40
_MAX_STEPS = 150
_SPEEDS_M = (0.6 * MAX_STEP_M, 0.9 * MAX_STEP_M)
_CAMERA_TRIES = 8
_LEAST_VISIBLE = 0.5  # of the target, and of the container, in the first frame
_DOMAIN = 0x526F626F  # keeps these random numbers apart from other uses of the same seed


@dataclass(frozen=True)
class EpisodeInfo:
    """What an episode is about.

    Attributes:
        task, outcome, seed: as asked for.
        instruction: in words.
        target, container, distractors: labels; the container is None when the task has none.
        n_frames: number of frames.
        rejected: how many runs were thrown away before this one, by reason.
    """

    task: str
    outcome: str
    seed: int
    instruction: str
    target: str
    container: str | None
    distractors: tuple[str, ...]
    n_frames: int
    rejected: Mapping[str, int]


@dataclass(frozen=True)
class EpisodeFrame:
    """One control step.

    Attributes:
        episode: the same in all frames.
        index: 0 is before the first command.
        time_s: since the start of the episode.
        phase: what the script is doing ("start", "approach", ...).
        action: (5,) the command that led here: dx, dy, dz in metres, grip -1..1, turn in radians.
        scene: the camera frame (``scene.observation``) with all objects exact.
        instances: (H, W) uint16, index in ``scene.objects`` + 1.
        wrist: the frame of the camera on the hand, or None.
        state: true task quantities of the target.
        reward: the task's dense reward.
        tcp: (3,) tool centre point in the optical frame, metres.
        opening: metres between the pads.
        touched: labels of the objects that a finger touches.
        is_success: the task's condition holds now.
        is_last: the last frame.
    """

    episode: EpisodeInfo
    index: int
    time_s: float
    phase: str
    action: Float
    scene: Scene
    instances: NDArray[np.uint16]
    wrist: Observation | None
    state: TaskState
    reward: float
    tcp: Float
    opening: float
    touched: tuple[str, ...]
    is_success: bool
    is_last: bool


@dataclass(frozen=True)
class Moment:
    """The physics of one control step, enough to come back to it."""

    physics: Float
    command: Command
    state: TaskState
    time_s: float


@dataclass(frozen=True)
class Recording:
    """A verified run without pictures: the world, who is who in it, and its moments."""

    info: EpisodeInfo
    world: World
    cast: Cast
    moments: tuple[Moment, ...]
    rng: np.random.Generator

    def restore(self, moment: Moment) -> None:
        """Put the world back into that moment."""
        mujoco = require_mujoco()
        mujoco.mj_setState(self.world.model, self.world.data, moment.physics, mujoco.mjtState.mjSTATE_INTEGRATION)
        self.world.forward()


def simulate_episode(
    task: str,
    outcome: str,
    seed: int,
    pack: AssetPack | None = None,
    n_distractors: int = 2,
    twins: bool = False,
    control_hz: float = 5.0,
) -> Recording:
    """Run the physics of an episode until one earns its outcome; no pictures are drawn.

    Args:
        task: reach, pick or place_in.
        outcome: success, miss, drop, wrong_object or stops_short; a reach cannot drop anything.
        seed: decides everything.
        pack: objects and link meshes; None gives plain shapes.
        n_distractors: two or more.
        twins: let one distractor have the target's noun.
        control_hz: frames (and commands) per second.

    Raises:
        ConfigError: an unknown task or outcome.
        SimulationError: none of `MAX_ATTEMPTS` runs earned its outcome.
    """
    check_outcome(task, outcome)
    chosen_pack = AssetPack.primitives() if pack is None else pack
    rejected: Counter[str] = Counter()
    for attempt in range(MAX_ATTEMPTS):
        rng = np.random.default_rng([_DOMAIN, sorted(TASKS).index(task), *outcome.encode(), seed, attempt])
        cast = draw_cast(TASKS[task], chosen_pack, rng, n_distractors, twins)
        world = World(cast.items, chosen_pack, cast.scales, Look.draw(rng), twins=twins)
        control = ArmControl(world, control_hz)
        try:
            arrange(world, control, rng, upright=tuple(range(len(cast.items))))
            moments, course = _play(world, control, cast, TASKS[task], outcome, rng)
        except SimulationError as error:
            rejected[error.fault] += 1
            continue
        if earned(course, outcome):
            info = _describe(task, outcome, seed, world, cast, len(moments), rejected)
            return Recording(info, world, cast, moments, rng)
        rejected["the physics took another turn"] += 1
    raise SimulationError(
        f"no {task} episode with the outcome {outcome!r} came about",
        dict(rejected),
        "Try another seed or a pack with more kinds of small objects.",
    )


def run_episode(
    task: str,
    outcome: str,
    seed: int,
    pack: AssetPack | None = None,
    width: int = 640,
    height: int = 480,
    wrist: bool = False,
    **options: Any,
) -> Iterator[EpisodeFrame]:
    """The frames of an episode, rendered as they are asked for.

    Args:
        task, outcome, seed, pack: see `simulate_episode`.
        width, height: of the pictures, in pixels.
        wrist: also take the pictures of a camera on the hand.
        options: ``n_distractors``, ``twins`` and ``control_hz`` of `simulate_episode`.

    Raises:
        ConfigError, SimulationError: see `simulate_episode`; at the first frame.
    """
    recording = simulate_episode(task, outcome, seed, pack, **options)
    camera = TruthCamera(recording.world, width, height)
    try:
        view = _find_view(recording, camera, width, height)
        for index in range(len(recording.moments)):
            yield _frame(recording, camera, view, index, (width, height) if wrist else None)
    finally:
        camera.close()


def _play(
    world: World, control: ArmControl, cast: Cast, task: Task, outcome: str, rng: np.random.Generator
) -> tuple[tuple[Moment, ...], Course]:
    """Follow the script to its end (or `_MAX_STEPS`)."""
    actor = Actor(world, control, cast, rng, float(rng.uniform(*_SPEEDS_M)))
    start_places = world.data.xpos[world.body_ids].copy()
    start_time = world.data.time
    moments: list[Moment] = []
    others: list[list[TaskState]] = [[] for _ in cast.distractors]

    def note(command: Command) -> None:
        state = measure(world, cast.target, cast.container)
        moments.append(Moment(_physics(world), command, state, float(world.data.time - start_time)))
        for states, index in zip(others, cast.distractors, strict=True):
            states.append(measure(world, index, cast.container))

    note(Command(np.zeros(3), OPEN, 0.0, "start"))
    for command in script(actor, task.name, outcome):
        control.step(command.move, command.grip, command.turn)
        note(command)
        if len(moments) >= _MAX_STEPS:
            break
    moved = np.linalg.norm(world.data.xpos[world.body_ids] - start_places, axis=1)
    return tuple(moments), Course(task, [m.state for m in moments], others, moved)


def _physics(world: World) -> Float:
    mujoco = require_mujoco()
    kind = mujoco.mjtState.mjSTATE_INTEGRATION
    state = np.zeros(mujoco.mj_stateSize(world.model, kind))
    mujoco.mj_getState(world.model, world.data, state, kind)
    return state


def _describe(
    task: str, outcome: str, seed: int, world: World, cast: Cast, n_frames: int, rejected: Counter[str]
) -> EpisodeInfo:
    labels = [made.label for made in world.objects]
    container = None if cast.container is None else labels[cast.container]
    return EpisodeInfo(
        task=task,
        outcome=outcome,
        seed=seed,
        instruction=TASKS[task].instruction.format(target=labels[cast.target], container=container),
        target=labels[cast.target],
        container=container,
        distractors=tuple(labels[k] for k in cast.distractors),
        n_frames=n_frames,
        rejected=dict(rejected),
    )


def _find_view(recording: Recording, camera: TruthCamera, width: int, height: int) -> View:
    """A random view of all that happens; the one that shows the target best, unless one shows it well enough."""
    world, cast = recording.world, recording.cast
    points = []
    for moment in recording.moments[:: max(1, len(recording.moments) // 10)]:
        recording.restore(moment)
        points.append(world.tcp()[None])
    recording.restore(recording.moments[0])
    points.append(world.boxes().centers)
    actors = [k for k in (cast.target, cast.container) if k is not None]
    best, most = None, -1.0
    for _ in range(_CAMERA_TRIES):
        view = draw_view(recording.rng, width, height, np.concatenate(points))
        shown = float(camera.visible_fractions(view)[actors].min())
        if shown > most:
            best, most = view, shown
        if most >= _LEAST_VISIBLE:
            break
    assert best is not None
    return best


def _frame(
    recording: Recording, camera: TruthCamera, view: View, index: int, wrist_size: tuple[int, int] | None
) -> EpisodeFrame:
    moment, world = recording.moments[index], recording.world
    recording.restore(moment)
    task = TASKS[recording.info.task]
    taken = camera.take(view)
    command = moment.command
    return EpisodeFrame(
        episode=recording.info,
        index=index,
        time_s=moment.time_s,
        phase=command.phase,
        action=np.array([*command.move, command.grip, command.turn]),
        scene=taken.scene,
        instances=taken.instances,
        wrist=None if wrist_size is None else camera.observe(wrist_view(world, *wrist_size)),
        state=moment.state,
        reward=task.dense(moment.state),
        tcp=view.pose.to_optical(world.tcp()[None])[0],
        opening=world.opening(),
        touched=tuple(made.label for k, made in enumerate(world.objects) if any(world.pads_on(k))),
        is_success=task.success(moment.state),
        is_last=index == len(recording.moments) - 1,
    )
