"""Things without depth: a picture, a stated support plane and a stated hand tell where they are.

What stands on a known plane has a range, once its box in the picture is known: the upright cylinder on the plane that
fills the box, or a bar that lies across. From then on it stays, or goes with the hand, whichever its colours speak for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.geometry.frames import horizontal_axes
from spatialvlm_ros.geometry.transforms import Transform
from spatialvlm_ros.rewards.following.body import Body
from spatialvlm_ros.rewards.following.colours import Look
from spatialvlm_ros.rewards.following.moving import Hand, Place, Seen, followed
from spatialvlm_ros.rewards.following.naming import Vote, middle_box
from spatialvlm_ros.rewards.following.outlining import outlined
from spatialvlm_ros.rewards.following.shapes import foot_share
from spatialvlm_ros.rewards.following.standing_still import moved_apart
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
_HAND_M = (0.04, 0.12)  # radius and height of what is looked at of the hand, over the tool centre point
_BELOW_M = 1e-6  # from the point below the camera, within which the view has no horizontal direction
_NEAR_M = 0.15  # from the hand, within which a box is no longer trusted


def standing_body(box: Float, camera: Camera, ground: Ground, foot_share: float = 1.0) -> Body | None:
    """The body on the plane whose picture fills a box (4,) x0, y0, x1, y1, in the optical frame.

    An upright cylinder, or a cone with a foot of ``foot_share`` times its rim; where the box is too flat for any, a bar
    that lies across the view, as deep as it is high. None where there is neither: a box over the horizon, or cut by the
    border.
    """
    cut = (box[:2] <= 1.0).any() or box[2] >= camera.width - 1 or box[3] >= camera.height - 1
    foot = np.array([(box[0] + box[2]) / 2 - 0.5, box[3] - 0.5 - _FOOT * (box[3] - box[1])])
    ray = camera.rays(foot[None])[0]
    down = float(ray @ ground.up)
    if cut or not np.isfinite(down) or down > -1e-3:
        return None
    middle = ray * (-ground.height / down)
    axes = _axes(ground, middle)
    for outline in (partial(_cone, foot_share=foot_share), _lying_bar):
        fitted = _fitted(outline, box, camera, ground, middle, axes)
        if fitted is not None:
            return _body(fitted, ground, axes)
    return None


@dataclass(frozen=True)
class _Outline:
    """An upright elliptic cone: (2,) metres of its foot along the axes, radii of its rim along and across the view,
    height, and the share of those radii at its foot (1: a cylinder)."""

    foot: Float
    deep: float
    wide: float
    height: float
    foot_share: float = 1.0


def _cone(x: Float, foot_share: float) -> _Outline:
    return _Outline(x[:2], np.exp(x[2]), np.exp(x[2]), np.exp(x[3]), foot_share)


def _lying_bar(x: Float) -> _Outline:
    return _Outline(x[:2], np.exp(x[3]) / 2, np.exp(x[2]), np.exp(x[3]))


def _axes(ground: Ground, middle: Float) -> Float:
    """(3, 3) rows: horizontal away from the camera towards a point (3,), to the left of that, up.

    Straight below the camera, forward as in `horizontal_axes`.
    """
    along = middle - (middle @ ground.up) * ground.up
    if float(np.linalg.norm(along)) < _BELOW_M:
        along = horizontal_axes(ground.up[None])[0][0]
    along = along / np.linalg.norm(along)
    return np.stack([along, np.cross(ground.up, along), ground.up])


def _fitted(
    outline: Callable[[Float], _Outline], box: Float, camera: Camera, ground: Ground, middle: Float, axes: Float
) -> _Outline | None:
    """The body of one kind whose picture fills the box best; None where that is not well, or of no believable size."""
    from scipy.optimize import least_squares

    radius = (box[2] - box[0]) * middle[2] / camera.fx / 2
    height = (box[3] - box[1]) * _START_HEIGHT * middle[2] / camera.fy
    start = [middle @ axes[0], middle @ axes[1], np.log(max(radius, 1e-3)), np.log(max(height, 1e-3))]
    wanted = np.concatenate([box[:2], box[2:] - 1.0])

    def off(x: Float) -> Float:
        pixels = camera.project(_surface(outline(x), ground, axes, _RINGS[[0, -1]]))
        found = np.concatenate([pixels.min(axis=0), pixels.max(axis=0)])
        return np.nan_to_num(found - wanted, nan=1e3)

    fitted = least_squares(off, start, max_nfev=60)
    found = outline(fitted.x)
    sizes = np.array([found.wide, found.height])
    worst = _WORST_FIT_PX + _WORST_FIT_SHARE * float((box[2:] - box[:2]).max())
    if np.abs(fitted.fun).max() > worst or not ((sizes > _SIZES_M[0]) & (sizes < _SIZES_M[1])).all():
        return None
    return found


def _body(outline: _Outline, ground: Ground, axes: Float) -> Body:
    points = _surface(outline, ground, axes, _RINGS)
    size = 2 * np.array([outline.deep, outline.wide, outline.height / 2])
    return Body(points, Boxes(points.mean(axis=0)[None], size[None], axes.T[None]), std=_STD_M)


def _surface(outline: _Outline, ground: Ground, axes: Float, rings: Float) -> Float:
    """(24 R, 3) points on R rings (R,) from foot to top of a body."""
    foot = outline.foot @ axes[:2] - ground.height * ground.up
    ring = outline.deep * np.cos(_ANGLES)[:, None] * axes[0] + outline.wide * np.sin(_ANGLES)[:, None] * axes[1]
    wide = outline.foot_share + (1.0 - outline.foot_share) * rings
    points = foot + wide[:, None, None] * ring + (rings * outline.height)[:, None, None] * ground.up
    return np.asarray(points.reshape(-1, 3))


class Pictured:
    """The things that have a name, in pictures without depth; the camera stands still or its pose is given."""

    def __init__(self) -> None:
        self.named: dict[str, Thing] = {}
        self._votes: dict[str, list[Vote]] = {}
        self._looks: dict[str, Look] = {}
        self._hand: Float | None = None
        self._seen_from: Transform | None = None

    def wanted(self, names: Sequence[str]) -> list[str]:
        """The names whose boxes are still of use: of each place of the camera the first few."""
        return [name for name in names if len(self._votes.get(name, [])) < _MOST_BOXES]

    def look(
        self, observation: Observation, ground: Ground, pose: Transform, hand: Float, votes: dict[str, Vote]
    ) -> None:
        """Follow the things into the next picture.

        Args:
            observation: without depth.
            ground: the support plane.
            pose: of the camera.
            hand: (3,) tool centre point in the optical frame.
            votes: name -> its box in this picture.
        """
        if self._seen_from is None or moved_apart(self._seen_from, pose):
            self._votes, self._seen_from = {}, pose  # boxes from elsewhere do not lie over these
        tcp = pose.apply(hand[None])[0]
        moved = Hand(tcp, tcp if self._hand is None else self._hand)
        self._hand = tcp
        rgb = observation.rgb
        for name in list(self.named):
            self._follow(name, rgb, observation.camera, ground, pose, moved)
        for name, vote in votes.items():
            thing = self.named.get(name)
            if vote.is_cast and (thing is None or thing.distance(tcp) > _NEAR_M):
                self._place(name, vote, observation, ground, pose, hand)

    def _follow(
        self, name: str, rgb: NDArray[np.uint8], camera: Camera, ground: Ground, pose: Transform, hand: Hand
    ) -> None:
        thing = self.named[name]
        picture = self._looks[name].picture(rgb, camera)
        place = followed(thing.body, thing.place, Seen(picture, pose, pose.rotation @ ground.up), hand)
        self.named[name] = replace(thing, place=place)

    def _place(
        self, name: str, vote: Vote, observation: Observation, ground: Ground, pose: Transform, hand: Float
    ) -> None:
        """Place a thing by the median of the boxes so far."""
        told = self._votes.setdefault(name, [])
        told.append(vote)
        box = middle_box(told)
        body = standing_body(box, observation.camera, ground, foot_share(name))
        if body is None:
            return
        self._looks[name] = Look.of(observation, outlined(observation.rgb, box), body.points, _hand(hand, ground))
        still = replace(body, points=pose.apply(body.points), box=body.box.transformed(pose.rotation, pose.translation))
        self.named[name] = Thing(len(self.named), still, Place(np.zeros(3)))


def _hand(tcp: Float, ground: Ground) -> Float:
    """(N, 3) points of a hand over its tool centre point (3,), optical frame."""
    around = _Outline(np.zeros(2), _HAND_M[0], _HAND_M[0], _HAND_M[1])
    return tcp + _surface(around, Ground(ground.up, 0.0), _axes(ground, tcp), _RINGS)
