"""Things without depth: a picture, a stated support plane and a stated hand tell where they are.

What stands on a known plane has a range, once its box in the picture is known: the upright cylinder on the plane that
fills the box. From then on it stays, or goes with the hand, whichever its colours speak for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.geometry.frames import horizontal_axes
from spatialvlm_ros.geometry.transforms import Transform
from spatialvlm_ros.rewards.following.agreement import Agreement
from spatialvlm_ros.rewards.following.body import Body
from spatialvlm_ros.rewards.following.moving import Hand, Place, Seen, followed
from spatialvlm_ros.rewards.following.tabletop import Ground
from spatialvlm_ros.rewards.following.things import Thing
from spatialvlm_ros.scenes.observation import Observation

Float = NDArray[np.float64]

_ANGLES = np.linspace(0.0, 2.0 * np.pi, 24, endpoint=False)
_RINGS = np.linspace(0.0, 1.0, 8)
_FOOT = 0.15  # share of a box's height from its lower edge to the middle of the foot, to begin with
_START_HEIGHT = 0.7  # of the height of a box that is the height of the thing, to begin with
_WORST_FIT_PX, _WORST_FIT_SHARE = 2.0, 0.1  # of the longer side of the box, together
_SIZES_M = (0.01, 0.6)  # of radius and height that are believed
_STD_M = 0.025  # of the surface of such a body
_MOST_BOXES = 8  # of the model that a thing is placed by
_ALIKE = 40.0  # of 255, sum over the channels' difference that is the same colour
_LEAST_ALIKE = 0.25  # share of the points; less is chance, as some of them show what is beside the thing
_NEAR_M = 0.15  # from the hand, within which a box is no longer trusted


def standing_cylinder(box: Float, camera: Camera, ground: Ground) -> Body | None:
    """The upright cylinder on the plane whose picture fills a box (4,) x0, y0, x1, y1, in the optical frame.

    None where there is none: a box over the horizon, or cut by the border.
    """
    from scipy.optimize import least_squares

    cut = (box[:2] <= 1.0).any() or box[2] >= camera.width - 1 or box[3] >= camera.height - 1
    foot = np.array([(box[0] + box[2]) / 2 - 0.5, box[3] - 0.5 - _FOOT * (box[3] - box[1])])
    ray = camera.rays(foot[None])[0]
    down = float(ray @ ground.up)
    if cut or not np.isfinite(down) or down > -1e-3:
        return None
    middle = ray * (-ground.height / down)
    forward, left = (axis[0] for axis in horizontal_axes(ground.up[None]))
    radius = (box[2] - box[0]) * middle[2] / camera.fx / 2
    height = (box[3] - box[1]) * _START_HEIGHT * middle[2] / camera.fy
    start = [middle @ forward, middle @ left, np.log(max(radius, 1e-3)), np.log(max(height, 1e-3))]
    wanted = np.concatenate([box[:2], box[2:] - 1.0])

    def off(x: Float) -> Float:
        pixels = camera.project(_surface(x, forward, left, ground, _RINGS[[0, -1]]))
        found = np.concatenate([pixels.min(axis=0), pixels.max(axis=0)])
        return np.nan_to_num(found - wanted, nan=1e3)

    fitted = least_squares(off, start, max_nfev=60)
    sizes = np.exp(fitted.x[2:])
    worst = _WORST_FIT_PX + _WORST_FIT_SHARE * float((box[2:] - box[:2]).max())
    if np.abs(fitted.fun).max() > worst or not ((sizes > _SIZES_M[0]) & (sizes < _SIZES_M[1])).all():
        return None
    points = _surface(fitted.x, forward, left, ground, _RINGS)
    center = points.mean(axis=0)
    rotation = np.stack([forward, left, ground.up], axis=1)
    size = np.array([2 * sizes[0], 2 * sizes[0], sizes[1]])
    return Body(points, Boxes(center[None], size[None], rotation[None]), std=_STD_M)


def _surface(x: Float, forward: Float, left: Float, ground: Ground, rings: Float) -> Float:
    """(24 R, 3) points on R rings (R,) from foot to top of a cylinder: x holds its place, log radius and log height."""
    foot = x[0] * forward + x[1] * left - ground.height * ground.up
    ring = np.exp(x[2]) * (np.cos(_ANGLES)[:, None] * forward + np.sin(_ANGLES)[:, None] * left)
    points = foot + ring[None] + (rings * np.exp(x[3]))[:, None, None] * ground.up
    return np.asarray(points.reshape(-1, 3))


@dataclass(frozen=True)
class ColourPicture:
    """Colours to compare a thing with; like a `DepthPicture`, but what looks otherwise counts as hidden.

    Attributes:
        rgb: (H, W, 3) float.
        camera: of it.
        colours: (N, 3) of the thing's points, in the picture that it was placed in.
    """

    rgb: Float
    camera: Camera
    colours: Float

    def agreement(self, points: Float) -> Agreement:
        """How the points of the thing, (N, 3) optical frame, agree with the picture."""
        alike = np.abs(colours_at(self.rgb, self.camera, points) - self.colours).sum(axis=1) < _ALIKE
        share = float(alike.mean())
        seen = share if share >= _LEAST_ALIKE else 0.0
        return Agreement(seen, 1.0 - seen, 0.0)

    def nearby(self, points: Float, sinking: tuple[Float, float], wide: bool = False) -> Float:
        """No displacement: colours are not searched."""
        return np.zeros(3)


def colours_at(rgb: Float, camera: Camera, points: Float) -> Float:
    """(N, 3) colours where points (N, 3) are seen; NaN outside the picture."""
    pixels = camera.project(points)
    inside: NDArray[np.bool_] = np.asarray(np.isfinite(pixels).all(axis=1))
    inside[inside] = camera.contains(pixels[inside])
    found = np.full((len(points), 3), np.nan)
    u, v = np.rint(pixels[inside]).astype(np.int64).T
    found[inside] = rgb[np.clip(v, 0, camera.height - 1), np.clip(u, 0, camera.width - 1)]
    return found


class Pictured:
    """The things that have a name, in pictures without depth; the camera stands still or its pose is given."""

    def __init__(self) -> None:
        self.named: dict[str, Thing] = {}
        self._boxes: dict[str, list[Float]] = {}
        self._colours: dict[str, Float] = {}
        self._hand: Float | None = None

    def wanted(self, names: Sequence[str]) -> list[str]:
        """The names whose boxes are still of use."""
        return [name for name in names if len(self._boxes.get(name, [])) < _MOST_BOXES]

    def look(
        self, observation: Observation, ground: Ground, pose: Transform, hand: Float, boxes: dict[str, Float]
    ) -> None:
        """Follow the things into the next picture.

        Args:
            observation: without depth.
            ground: the support plane.
            pose: of the camera.
            hand: (3,) tool centre point in the optical frame.
            boxes: name -> (4,) box in this picture, NaN where there is none.
        """
        tcp = pose.apply(hand[None])[0]
        moved = Hand(tcp, tcp if self._hand is None else self._hand)
        self._hand = tcp
        rgb = observation.rgb.astype(np.float64)
        for name in list(self.named):
            self._follow(name, rgb, observation.camera, ground, pose, moved)
        for name, box in boxes.items():
            thing = self.named.get(name)
            if np.isfinite(box).all() and (thing is None or thing.distance(tcp) > _NEAR_M):
                self._place(name, box, rgb, observation.camera, ground, pose)

    def _follow(self, name: str, rgb: Float, camera: Camera, ground: Ground, pose: Transform, hand: Hand) -> None:
        thing = self.named[name]
        picture = ColourPicture(rgb, camera, self._colours[name])
        place = followed(thing.body, thing.place, Seen(picture, pose, pose.rotation @ ground.up), hand)
        self.named[name] = replace(thing, place=place)

    def _place(self, name: str, box: Float, rgb: Float, camera: Camera, ground: Ground, pose: Transform) -> None:
        """Place a thing by the median of the boxes so far."""
        told = self._boxes.setdefault(name, [])
        told.append(box)
        body = standing_cylinder(np.median(told, axis=0), camera, ground)
        if body is None:
            return
        self._colours[name] = colours_at(rgb, camera, body.points)
        still = replace(body, points=pose.apply(body.points), box=body.box.transformed(pose.rotation, pose.translation))
        self.named[name] = Thing(len(self.named), still, Place(np.zeros(3)))
