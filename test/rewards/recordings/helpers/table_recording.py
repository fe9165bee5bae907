"""Recordings of a hand over a table with a mug and a book, ray-cast with depth, and a model that sees them badly.

The model knows the scene of each picture by the number that is written into its first pixel, but errs in its ranges,
and calls "mug" what a step says: the mug, the book, or nothing.
"""

from __future__ import annotations

import functools
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

_TESTS = Path(__file__).parents[3]
for folder in (_TESTS / "rewards" / "following", _TESTS / "scenes", _TESTS / "models"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from oracle import Noise, Oracle  # noqa: E402
from table_scenes import AIM, BOOK, CAMERA, EYE, MUG, box_distance, moved, picture  # noqa: E402

from spatialvlm_ros.bags.writer import BagWriter  # noqa: E402
from spatialvlm_ros.errors import ModelError  # noqa: E402
from spatialvlm_ros.geometry.boxes import Boxes  # noqa: E402
from spatialvlm_ros.geometry.frames import CanonicalFrame  # noqa: E402
from spatialvlm_ros.models.spatial_vlm import SpatialVLM  # noqa: E402
from spatialvlm_ros.scenes.scene import Scene, SceneObject  # noqa: E402

COLOR, INFO = "/camera/color/image_raw", "/camera/color/camera_info"
DEPTH, DEPTH_INFO = "/camera/aligned_depth_to_color/image_raw", "/camera/aligned_depth_to_color/camera_info"
FRAMES = {"gripper_frame": "tool"}
PERIOD_NS = 100_000_000
_EPISODE = 64  # scenes that an episode may have


@dataclass(frozen=True)
class Step:
    """One picture of an episode.

    Attributes:
        tcp: (3,) tool centre point in the world.
        mug: where it is.
        called: what the model calls mug: "mug", "book" or nothing.
        broken: the model fails on it.
        eye: (3,) of the camera.
    """

    tcp: tuple[float, float, float]
    mug: object = MUG
    called: str = "mug"
    broken: bool = False
    eye: tuple[float, float, float] = EYE

    @property
    def gap(self) -> float:
        """Metres from the hand to the mug, in truth."""
        return box_distance(self.mug, self.tcp)

    @functools.lru_cache(maxsize=64)  # noqa: B019  for as long as the tests run
    def shown(self):
        """The ray-cast view, and the tool centre point in its optical frame."""
        return picture((self.mug, BOOK), self.tcp, eye=self.eye, aim=AIM)


def reaching(heights, mug=MUG, lost=(), **special):
    """A hand that comes down on the mug; the model has lost the mug in some pictures.

    Args:
        heights: of the hand, one a picture.
        mug: where it stands.
        lost: numbers of the pictures in which the model does not see it.
        special: "called" and "broken": number of a picture -> value.
    """
    x, y, _ = mug.center
    called, broken = special.get("called", {}), special.get("broken", ())
    steps = [Step((x, y, float(h)), mug) for h in heights]
    return [
        replace(step, called="" if k in lost else called.get(k, "mug"), broken=k in broken)
        for k, step in enumerate(steps)
    ]


HEIGHTS = np.linspace(0.42, 0.12, 14)
COURSE = reaching(HEIGHTS, lost=(2, 3, 6, 9, 10, 13), broken=(5,))
ELSEWHERE = reaching(HEIGHTS[:9], moved(MUG, dx=-0.12, dy=-0.16), lost=range(2, 9))


class Table(Oracle):
    """The model; it counts the pictures it looked at, and in which batches."""

    def __init__(self, episodes: Sequence[Sequence[Step]], seconds: float = 0.0) -> None:
        super().__init__({}, Noise(shared=0.2, own=0.1, center=3.0))
        self.batches: list[int] = []
        self.looked, self._seconds, self._broken = 0, seconds, set()
        for number, steps in enumerate(episodes):
            for k, step in enumerate(steps, number * _EPISODE):
                self.scenes[k] = _scene(step)
                self._broken |= {k} if step.broken else set()

    def encode_many(self, observations):
        self.batches.append(len(observations))
        time.sleep(self._seconds)
        return [self.encode(observation) for observation in observations]

    def encode(self, observation):
        self.looked += 1
        number = int(observation.rgb[0, 0, 0])
        if number in self._broken:
            raise ModelError("the model stumbles", number)
        return replace(observation, stamp_ns=number)


def model_of(episodes, seconds=0.0) -> SpatialVLM:
    """What `annotate` takes."""
    return SpatialVLM(Table(episodes, seconds))


def _scene(step: Step) -> Scene:
    view, _ = step.shown()
    objects = []
    for name, solid, seen in zip(("mug", "book"), (step.mug, BOOK), view.detections, strict=False):
        turn = Rotation.from_euler("z", solid.yaw).as_matrix()
        box = Boxes(view.optical(solid.center)[None], np.array(solid.size)[None], (view.rotation @ turn)[None])
        if name == step.called and seen.mask.any():
            objects.append(SceneObject("mug", seen.box2d, box, camera_height=step.eye[2]))
    return Scene(None, tuple(objects), CanonicalFrame.from_up(view.up, step.eye[2], "table"))


def pixels(view, number: int) -> np.ndarray:
    """(H, W, 3) a red mug, a green book and a blue hand on grey, with the number of the scene in the first pixel."""
    rgb = np.full((*view.observation.depth.shape, 3), 120, np.uint8)
    for seen, colour in zip(
        view.detections, ((200, 40, 30), (30, 160, 60), (30, 60, 200), (30, 60, 200)), strict=False
    ):
        rgb[seen.mask] = colour
    rgb[0, 0] = number, 0, 0
    return rgb


def write_table_bag(
    path: Path, steps: Sequence[Step], depth: bool = True, tracked=None, root: str = "map", tool_told=None
) -> Path:
    """A rosbag2 recording with the camera and the tool in /tf.

    Args:
        path: of its folder.
        steps: of the only episode.
        depth: whether depth is recorded.
        tracked: numbers of the pictures at which /tf tells where the camera is; by default once, for all times.
        root: frame that /tf tells it in.
        tool_told: numbers of the pictures at which /tf tells where the tool is; by default all.
    """
    with BagWriter(path) as bag:
        for k, step in enumerate(steps):
            view, _ = step.shown()
            stamp, turn = k * PERIOD_NS, Rotation.from_matrix(view.rotation.T).as_quat()
            if tracked is None and k == 0:
                bag.transform(root, "camera", turn, step.eye, stamp, static=True)
            elif tracked is not None and k in tracked:
                bag.transform(root, "camera", turn, step.eye, stamp)
            if tool_told is None or k in tool_told:
                bag.transform(root, "tool", (0, 0, 0, 1), step.tcp, stamp)
            bag.camera_info(INFO, CAMERA, stamp, "camera")
            bag.image(COLOR, pixels(view, k), "rgb8", stamp, "camera")
            if depth:
                bag.camera_info(DEPTH_INFO, CAMERA, stamp, "camera")
                bag.image(DEPTH, view.observation.depth, "32FC1", stamp, "camera")
    return path


def write_table_file(path: Path, episodes: Mapping[int, Sequence[Step]]) -> Path:
    """A robomimic file with depth, the hand's place and the camera; number of an episode -> its steps."""
    import h5py

    with h5py.File(path, "w") as file:
        for number, steps in episodes.items():
            demo = file.create_group(f"data/demo_{number}")
            views = [step.shown()[0] for step in steps]
            scenes = [pixels(view, number * _EPISODE + k) for k, view in enumerate(views)]
            demo["obs/agentview_image"] = np.array(scenes)
            demo["obs/agentview_depth"] = np.array([view.observation.depth for view in views])[..., None]
            demo["obs/robot0_eef_pos"] = np.array([step.tcp for step in steps])
            demo["actions"] = np.zeros((len(steps), 7))
            demo.attrs["num_samples"] = len(steps)
            demo.attrs["camera_info"] = json.dumps({"agentview": _camera_info(views[0])})
        file["data"].attrs["total"] = sum(map(len, episodes.values()))
        file["data"].attrs["env_args"] = json.dumps({"env_name": "Lift", "env_type": 1, "env_kwargs": {}})
    return path


def _camera_info(view) -> dict:
    pose, matrix = np.eye(4), np.eye(3)
    pose[:3, :3], pose[:3, 3] = view.rotation.T, view.eye
    matrix[0, 0], matrix[1, 1] = CAMERA.fx, CAMERA.fy
    matrix[:2, 2] = CAMERA.cx + 0.5, CAMERA.cy + 0.5  # robosuite counts pixels from the edge of the picture
    return {"intrinsics": matrix.tolist(), "extrinsics": pose.tolist()}
