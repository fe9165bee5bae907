"""An honest noisy model: it knows the true scene and errs by known amounts, so that every claim can be checked."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from scipy.spatial.transform import Rotation

from spatialvlm_ros.errors import ModelError
from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.geometry.frames import CanonicalFrame
from spatialvlm_ros.models.backend import FrameReading, Locations, Readings
from spatialvlm_ros.models.distributions import coordinate_scale
from spatialvlm_ros.models.quantities import N_BINS, OVERFLOW_BIN, bin_edges
from spatialvlm_ros.models.query import Region
from spatialvlm_ros.scenes.observation import Observation
from spatialvlm_ros.scenes.pairs import CAMERA, scene_pairs
from spatialvlm_ros.scenes.relations import RELATIONS, relation_values
from spatialvlm_ros.scenes.scene import Scene, SceneObject

NOUNS = ("mug", "bowl", "box", "lamp", "book", "tray", "jar", "fan")


@dataclass(frozen=True)
class Noise:
    """Standard deviations of the errors; what the oracle states is its deviation times ``stated``.

    shared, own: log range; size: log sizes; center: pixels; direct: of a quantity in its coordinate beside the shared
    error; bias: of log ranges, sizes and direct lengths together.
    """

    shared: float = 0.15
    own: float = 0.08
    size: float = 0.1
    center: float = 1.0
    direct: float = 0.12
    height: float = 0.05
    bias: float = 0.0
    stated: float = 1.0
    direct_stated: float = 1.0
    up: float = 0.0


@dataclass
class Oracle:
    """A `Backend` of scenes by their observation's stamp."""

    scenes: dict[int, Scene]
    noise: Noise = field(default_factory=Noise)
    grounds: bool = True
    says_direct: bool = True
    says_frame: bool = True
    vocabulary: frozenset[str] | None = None
    broken: str = ""  # a name whose query makes it fail
    calls: list[int] = field(default_factory=list)
    name: str = "oracle"
    fingerprint: str = "0123abcd"

    def knows(self, name):
        return self.vocabulary is None or name in self.vocabulary

    def encode(self, observation):
        return observation

    def _rng(self, observation, what, name=""):
        return np.random.default_rng([observation.stamp_ns, *map(ord, what + name)])

    def _shared(self, observation):
        return self.noise.bias + self.noise.shared * self._rng(observation, "shared").standard_normal()

    def frame(self, observation):
        if not self.says_frame:
            return None
        scene, n = self.scenes[observation.stamp_ns], self.noise
        rng = self._rng(observation, "frame")
        up = scene.frame.up + n.up * (
            rng.standard_normal() * scene.frame.forward + rng.standard_normal() * scene.frame.left
        )
        log_height = np.log(scene.frame.camera_height) + self._shared(observation) + n.height * rng.standard_normal()
        stated = n.stated * np.hypot(n.shared, n.height)
        return FrameReading(up / np.linalg.norm(up), n.up * n.stated, log_height, stated)

    def _find(self, scene, name):
        return [k for k, o in enumerate(scene.objects) if o.label == name]

    def _locate(self, observation, given):
        scene, n = self.scenes[observation.stamp_ns], self.noise
        name = given.name if isinstance(given, Region) else given
        if self.broken and name == self.broken:
            raise ModelError("the model broke", name, "")
        found = self._find(scene, name)
        unknown = Locations.unknown(1)
        if name == "camera":
            return replace(unknown, presence=np.array([[1.0, 0, 0]]))
        if len(found) != 1:
            sure = [0.04, 0.9, 0.06] if not found else [0.1, 0.1, 0.8]
            return replace(unknown, presence=np.array([sure]))
        item, rng = scene.objects[found[0]], self._rng(observation, "place", name)
        center = item.box3d.centers[0]
        frame = scene.frame
        extents = np.array([item.box3d.extent_along(a)[0] for a in (frame.left, frame.forward, frame.up)])
        shared = self._shared(observation)
        pixel = observation.camera.project(center[None])[0] + n.center * rng.standard_normal(2)
        return Locations(
            np.array([[0.95, 0.03, 0.02]]),
            item.box2d[None],
            np.ones((1, 4)),
            pixel[None],
            np.full((1, 2), n.center * n.stated),
            np.array([np.log(np.linalg.norm(center)) + shared + n.own * rng.standard_normal()]),
            np.array([n.stated * np.hypot(n.shared, n.own)]),
            (np.log(extents) + 0.5 * shared + n.size * rng.standard_normal(3))[None],
            np.full((1, 3), n.stated * np.hypot(0.5 * n.shared, n.size)),
        )

    def locate(self, observation, objects):
        return _stack([self._locate(observation, o) for o in objects])

    def read(self, observation, queries):
        self.calls.append(len(queries))
        blank = Locations.unknown(1)
        placed = [
            (
                self._locate(observation, q.subject),
                blank if q.reference is None else self._locate(observation, q.reference),
            )
            for q in queries
        ]
        lengths, p_true = np.full((len(queries), N_BINS), np.nan), np.full(len(queries), np.nan)
        if self.says_direct:
            for i, query in enumerate(queries):
                self._answer(observation, query, lengths[i], p_true[i : i + 1])
        subjects, references = (_stack([p[k] for p in placed]) for k in (0, 1))
        if not self.grounds:
            subjects, references = (Locations.unknown(len(queries)) for _ in range(2))
        return Readings(lengths, p_true, subjects, references)

    def _answer(self, observation, query, bins, p_true):
        scene, n = self.scenes[observation.stamp_ns], self.noise
        truth = truth_of(scene, query)
        rng = self._rng(observation, str(query.kind), f"{query.subject}{query.reference}")
        if any(isinstance(o, Region) and not o.name for o in (query.subject, query.reference)):
            return  # it has no word for what it cannot recognise
        if np.isnan(truth):
            truth = 0.3
        if RELATIONS[query.kind].predicate:
            p_true[:] = 0.5 * (1 + np.tanh((truth / 0.1 + rng.standard_normal()) / 2))
            return
        scale = coordinate_scale(query.kind)
        slope = truth / np.hypot(truth, scale)  # of the coordinate over log metres
        power = 3.0 if RELATIONS[query.kind].unit == "m3" else 1.0
        middle = (
            np.arcsinh(truth / scale) + slope * power * self._shared(observation) + n.direct * rng.standard_normal()
        )
        bins[:] = gaussian_bins(middle, n.direct_stated * np.hypot(n.direct, slope * power * n.shared), scale)

    def ask(self, observation, question, max_new_tokens=48):
        if self.broken and self.broken in question:
            raise ModelError("the model broke", question, "")
        return "About 30 cm."


def gaussian_bins(middle, std, scale):
    """Probabilities on the grid of a quantity that is Gaussian in its coordinate."""
    from scipy.special import ndtr

    bins = np.zeros(N_BINS)
    bins[:OVERFLOW_BIN] = np.diff(ndtr((np.arcsinh(bin_edges() / scale) - middle) / std))
    bins[OVERFLOW_BIN] = max(1 - bins.sum(), 0)
    return bins


def truth_of(scene, query):
    """The exact value, NaN where an object is not there once."""
    index = []
    for name in (query.subject, query.reference):
        if name is None:
            index.append(None)
            continue
        name = name.name if isinstance(name, Region) else name
        found = [CAMERA] if name == "camera" else [k for k, o in enumerate(scene.objects) if o.label == name]
        if len(found) != 1:
            return np.nan
        index.append(found)
    return float(relation_values(query.kind, scene_pairs(scene, index[0], index[1]))[0])


def _stack(parts):
    return Locations(*(np.concatenate([getattr(p, name) for p in parts]) for name in Locations.__dataclass_fields__))


def make_scene(stamp, n_objects=4, level=2, camera=None, labels=NOUNS, with_depth=False):
    """Boxes on the floor, aligned to the frame, seen from above; and its observation."""
    rng = np.random.default_rng([7, stamp])
    camera = camera or Camera(160, 120, 150.0, 150.0, 79.5, 59.5)
    pitch, height = rng.uniform(0.3, 0.7), rng.uniform(0.6, 1.6)
    up = np.array([0.0, -np.cos(pitch), -np.sin(pitch)])
    frame = CanonicalFrame.from_up(up, height, "floor")
    axes = np.stack([frame.forward, frame.left, frame.up], axis=1)
    objects = []
    while len(objects) < n_objects:
        size = np.exp(rng.uniform(np.log(0.06), np.log(0.4), 3))
        ahead, aside = rng.uniform(0.5, 3.0), rng.uniform(-1.0, 1.0)
        center = axes @ np.array([ahead, aside, size[2] / 2 - height])
        pixel = camera.project(center[None])[0]
        if not (10 < pixel[0] < camera.width - 10 and 10 < pixel[1] < camera.height - 10):
            continue
        box = Boxes(center[None], size[None], axes[None])
        corners = camera.project(box.corners()[0])
        box2d = np.concatenate([corners.min(axis=0), corners.max(axis=0) + 1])
        label = labels[len(objects)]
        objects.append(SceneObject(label, box2d, box, camera_height=height, support_id="floor"))
    observation = Observation(
        np.zeros((camera.height, camera.width, 3), np.uint8),
        camera,
        up=up if level else None,
        camera_height=height if level == 2 else None,
        stamp_ns=stamp,
    )
    return Scene(observation, tuple(objects), frame)


def scenes(n, **options):
    """Stamp -> scene."""
    return {k: make_scene(k, **options) for k in range(n)}


__all__ = ["Noise", "Oracle", "Rotation", "gaussian_bins", "make_scene", "scenes", "truth_of"]
