"""Where the estimates of an environment's step come from: a model that looks at its pictures, or the simulation.

An eye takes the numbers of the environments that are due and gives the estimates of each. `OneEnv` and `ManyEnvs` are
the two kinds of environments, seen alike.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialvlm_ros.errors import ConfigError, ModelError
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.models.estimate import Estimate, Reason
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.models.spatial_vlm import SpatialVLM
from spatialvlm_ros.rewards.following.follower import Follower
from spatialvlm_ros.rewards.looking import KnownSizes, Sight, look_at_all, not_measured
from spatialvlm_ros.scenes.observation import Observation

_log = logging.getLogger(__name__)

Info = Mapping[str, Any]
Shown = Sight | Observation | tuple[Observation, ArrayLike | None]
_REMEDY = "Use one of the package's robot environments, or pass observe, or camera and render."


class Eye(Protocol):
    """Measures environments."""

    def estimates(self, rows: Sequence[int], info: Info, queries: Sequence[Query]) -> list[list[Estimate]]:
        """The estimates of all queries for each environment in ``rows``, as it stands now.

        Args:
            rows: numbers of environments, at least one.
            info: that came with the step.
            queries: what is wanted.
        """
        ...

    def begin(self, rows: Sequence[int]) -> None:
        """The next pictures of these environments are the first of new episodes."""
        ...


class Envs(Protocol):
    """One environment or many: what both kinds have for an eye."""

    def attributes(self, name: str, rows: Sequence[int]) -> list[Any]:
        """An attribute, or what a method of that name returns, of each environment."""
        ...

    def of_info(self, info: Info, name: str, rows: Sequence[int]) -> list[Any]:
        """An entry of each environment's info; None where it is not there."""
        ...

    def shown(self, observe: Callable[[Any], Any], rows: Sequence[int]) -> list[Any]:
        """What the user's function shows of each environment."""
        ...

    def rendered(self, rows: Sequence[int]) -> list[Any]:
        """(H, W, 3) the picture that each environment renders."""
        ...


@dataclass(frozen=True)
class OneEnv:
    """A `gymnasium.Env`."""

    env: Any

    def attributes(self, name: str, rows: Sequence[int]) -> list[Any]:
        """See `Envs`."""
        found = _attribute(self.env, name)
        return [found() if callable(found) else found]

    def of_info(self, info: Info, name: str, rows: Sequence[int]) -> list[Any]:
        """See `Envs`."""
        return [info.get(name)]

    def shown(self, observe: Callable[[Any], Any], rows: Sequence[int]) -> list[Any]:
        """See `Envs`."""
        return [observe(self.env)]

    def rendered(self, rows: Sequence[int]) -> list[Any]:
        """See `Envs`."""
        return [self.env.render()]


@dataclass(frozen=True)
class ManyEnvs:
    """A `gymnasium.vector.VectorEnv`; where its environments live in this process, only those that are due work."""

    envs: Any

    def attributes(self, name: str, rows: Sequence[int]) -> list[Any]:
        """See `Envs`."""
        inside = getattr(self.envs.unwrapped, "envs", None)
        if inside is not None:
            return [OneEnv(inside[row]).attributes(name, rows)[0] for row in rows]
        if not hasattr(self.envs.unwrapped, "call"):
            raise ConfigError("these environments cannot be asked for pictures", type(self.envs).__name__, _REMEDY)
        found = self.envs.unwrapped.call(name)
        return [found[row] for row in rows]

    def of_info(self, info: Info, name: str, rows: Sequence[int]) -> list[Any]:
        """See `Envs`."""
        there = info.get(f"_{name}", np.zeros(self.envs.num_envs, dtype=bool))
        return [info[name][row] if there[row] else None for row in rows]

    def shown(self, observe: Callable[[Any], Any], rows: Sequence[int]) -> list[Any]:
        """See `Envs`."""
        return _of_all(observe(self.envs), self.envs.num_envs, rows)

    def rendered(self, rows: Sequence[int]) -> list[Any]:
        """See `Envs`."""
        return _of_all(self.envs.render(), self.envs.num_envs, rows)


def _attribute(env: Any, name: str) -> Any:
    try:
        return env.get_wrapper_attr(name)
    except AttributeError as error:
        raise ConfigError(f"the environment has no {name}", type(env.unwrapped).__name__, _REMEDY) from error


def _of_all(found: Any, count: int, rows: Sequence[int]) -> list[Any]:
    if found is None or len(found) != count:
        given = "None" if found is None else len(found)
        raise ConfigError("one picture of each environment is needed", given, f"Return {count}, in their order.")
    return [found[row] for row in rows]


# ---- where pictures come from ----

Sights = Callable[[Envs, Sequence[int], Info], list[Sight]]


def robot_sights(envs: Envs, rows: Sequence[int], info: Info) -> list[Sight]:
    """Of the package's robot environments: picture, depth, camera, vertical, and the tool centre point."""
    observations, views = envs.attributes("observation", rows), envs.attributes("view", rows)
    points = envs.of_info(info, "tcp", rows)
    return [
        Sight(observation, None if point is None else view.pose.to_optical(np.asarray(point)[None])[0])
        for observation, view, point in zip(observations, views, points, strict=True)
    ]


def observed_sights(observe: Callable[[Any], Any]) -> Sights:
    """What a function of the user shows."""
    return lambda envs, rows, info: [_sight(shown) for shown in envs.shown(observe, rows)]


def rendered_sights(camera: Camera, render: Callable[[Any], Any] | None) -> Sights:
    """What the environment renders (or ``render`` of it), seen by a camera that is known."""

    def sights(envs: Envs, rows: Sequence[int], info: Info) -> list[Sight]:
        pictures: Sequence[Any] = envs.rendered(rows) if render is None else envs.shown(render, rows)
        return [Sight(Observation(_picture(picture), camera)) for picture in pictures]

    return sights


def _picture(rendered: Any) -> NDArray[np.uint8]:
    if rendered is None:
        raise ConfigError("the environment renders no picture", None, 'Make it with render_mode="rgb_array".')
    return np.asarray(rendered)


def _sight(shown: Shown) -> Sight:
    if isinstance(shown, Sight):
        return shown
    if isinstance(shown, Observation):
        return Sight(shown)
    if isinstance(shown, tuple) and len(shown) == 2 and isinstance(shown[0], Observation):
        point = None if shown[1] is None else np.asarray(shown[1], dtype=np.float64)
        return Sight(shown[0], point)
    raise ConfigError(
        "observe returned no observation", type(shown).__name__, "Return an Observation, or (Observation, gripper)."
    )


# ---- eyes ----


@dataclass(frozen=True)
class PictureEye:
    """A model that looks at the pictures of all environments that are due in one pass.

    Attributes:
        envs: the environments.
        sights: where their pictures come from.
        model: that measures.
        depth: whether it may use depth.
        known_sizes: as of `SpatialVLM.look`.
        follow: whether objects are followed from picture to picture (`following.follower`): the camera stands still.
    """

    envs: Envs
    sights: Sights
    model: SpatialVLM
    depth: bool = True
    known_sizes: KnownSizes | None = None
    follow: bool = False
    _followers: dict[int, Follower] = field(default_factory=dict)

    def begin(self, rows: Sequence[int]) -> None:
        """See `Eye`."""
        for row in rows:
            self._followers.pop(row, None)

    def estimates(self, rows: Sequence[int], info: Info, queries: Sequence[Query]) -> list[list[Estimate]]:
        """See `Eye`; a picture that the model fails on is one that is not seen."""
        sights = self.sights(self.envs, rows, info)
        if not self.depth:
            sights = [replace(sight, observation=replace(sight.observation, depth=None)) for sight in sights]
        try:
            views = look_at_all(self.model, sights, self.known_sizes)
            if not self.follow:
                return [view.measure_many(queries) for view in views]
            seen = zip(rows, views, sights, strict=True)
            return [self._follower(row).measure(view, queries, sight.gripper) for row, view, sight in seen]
        except ModelError as error:
            _log.warning("%d pictures were not measured: %s", len(sights), error)
            return [not_measured(queries, Reason.MODEL_ERROR, str(error)) for _ in rows]

    def _follower(self, row: int) -> Follower:
        return self._followers.setdefault(row, Follower())


@dataclass(frozen=True)
class TrueEye:
    """The simulation's own numbers: what a perfect model would answer, for baselines."""

    envs: Envs

    def begin(self, rows: Sequence[int]) -> None:
        """See `Eye`; the truth remembers nothing."""

    def estimates(self, rows: Sequence[int], info: Info, queries: Sequence[Query]) -> list[list[Estimate]]:
        """See `Eye`.

        Raises:
            ConfigError: not an environment of this package that lives in this process.
        """
        from spatialvlm_ros.rewards.robot_scene import true_estimates

        worlds, views = self.envs.attributes("world", rows), self.envs.attributes("view", rows)
        return [true_estimates(world, queries, view) for world, view in zip(worlds, views, strict=True)]


def eye_of(
    envs: Envs,
    model: SpatialVLM | str | None,
    *,
    truth: bool,
    observe: Callable[[Any], Any] | None,
    camera: Camera | None,
    render: Callable[[Any], Any] | None,
    depth: bool,
    known_sizes: KnownSizes | None,
    follow: bool = False,
) -> Eye:
    """The eye that the arguments of `SpatialReward` describe.

    Raises:
        ConfigError: arguments that exclude each other, or no model.
    """
    if truth:
        if model is not None or observe is not None or camera is not None or render is not None:
            raise ConfigError("the truth needs no model and no pictures", True, "Pass truth=True alone.")
        return TrueEye(envs)
    if model is None:
        raise ConfigError("a reward from pictures needs a model", None, "Pass one, or truth=True.")
    if observe is not None and (camera is not None or render is not None):
        raise ConfigError("observe gives picture and camera", "camera, render", "Pass observe, or camera and render.")
    if render is not None and camera is None:
        raise ConfigError("a rendered picture has no camera model", None, "Pass camera, the one that renders.")
    if observe is not None:
        sights = observed_sights(observe)
    else:
        sights = robot_sights if camera is None else rendered_sights(camera, render)
    loaded = SpatialVLM.from_pretrained(model) if isinstance(model, str) else model
    return PictureEye(envs, sights, loaded, depth, known_sizes, follow)
