"""The things of a scene in depth, from picture to picture: found on the support plane, followed, found again."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.geometry.transforms import Transform
from spatialvlm_ros.rewards.following.agreement import DepthPicture
from spatialvlm_ros.rewards.following.body import Body
from spatialvlm_ros.rewards.following.moving import Hand, Place, Seen, followed
from spatialvlm_ros.rewards.following.tabletop import Ground, Piece, depth_noise, ground_of, pieces, standing
from spatialvlm_ros.scenes.lifting.detection import Detection
from spatialvlm_ros.scenes.lifting.lift import lift_with_report
from spatialvlm_ros.scenes.lifting.noise import smoothed_depth
from spatialvlm_ros.scenes.observation import Observation

Float = NDArray[np.float64]

_MOST_THINGS = 12
_MOST_POINTS = 1500
_TOLERANCE_M = 0.008
_NOISE_REACH = 2.5
_HAND_CLEAR_M = 0.05  # from the tool centre point, within which a new thing may be a part of the hand
_KNOWN_SHARE = 0.3  # of a piece that belongs to known things, from which it is no new one
_FOUND_AGAIN_M = 0.3  # how far from where it was last a lost thing is looked for
_STANDS_M = 0.015  # of the bottom over the plane, up to which a thing stands on it
_SIZE_RATIO = 1.8  # by which the sides of a thing found again may differ, as it has turned


@dataclass(frozen=True)
class Thing:
    """A thing that is followed.

    Attributes:
        number: never given twice.
        body: where it was first seen.
        place: where it is thought to be now.
    """

    number: int
    body: Body
    place: Place

    def box(self) -> Boxes:
        """Its upright box now, fixed frame."""
        return self.body.box.transformed(np.eye(3), self.place.shift)

    def distance(self, point: Float) -> float:
        """Metres from a point (3,) in the fixed frame to its surface."""
        return self.body.distance(point - self.place.shift)

    def risen(self, up: Float) -> float:
        """Metres of its bottom over its support plane."""
        return self.body.height + float(self.place.shift @ up)


class Things:
    """All things on the support plane of a scene.

    The camera stands still, or its pose in a fixed frame is given with each picture.
    """

    def __init__(self) -> None:
        self.all: list[Thing] = []
        self.ground: Ground | None = None
        self._next = 0
        self._hand: Float | None = None

    def look(self, observation: Observation, fixed_from_optical: Transform, hand: Float | None, wanted: bool) -> None:
        """Follow all things into the next picture.

        Args:
            observation: with depth.
            fixed_from_optical: pose of its camera.
            hand: (3,) tool centre point in the optical frame, or None.
            wanted: look for further things.
        """
        assert observation.depth is not None
        observation = replace(observation, depth=smoothed_depth(observation.depth))
        assert observation.depth is not None
        self.ground = ground = ground_of(observation) or self.ground
        if ground is None:
            return
        up = fixed_from_optical.rotation @ ground.up
        tolerance = _TOLERANCE_M + _NOISE_REACH * depth_noise(observation, ground)
        seen = Seen(DepthPicture(observation.depth, observation.camera, tolerance), fixed_from_optical, up)
        tcp = None if hand is None else fixed_from_optical.apply(hand[None])[0]
        moved = None if tcp is None else Hand(tcp, tcp if self._hand is None else self._hand)
        self._hand = tcp
        self.all = [
            replace(t, place=t.place if t.place.lost else followed(t.body, t.place, seen, moved)) for t in self.all
        ]
        if wanted or any(t.place.lost for t in self.all):
            self._find(observation, ground, fixed_from_optical, tcp)

    def _find(self, observation: Observation, ground: Ground, pose: Transform, tcp: Float | None) -> None:
        found = standing(
            pieces(observation, ground), ground, None if tcp is None else pose.inverse().apply(tcp[None])[0]
        )
        new = [piece for piece in found if not self._explained(piece, pose)]
        for piece in new:
            body = _body_of(piece, observation, ground, pose)
            if body is None:
                continue
            again = self._found_again(body)
            if again is not None:
                self.all = [replace(t, body=body, place=Place(np.zeros(3))) if t is again else t for t in self.all]
            elif len(self.all) < _MOST_THINGS and (tcp is None or body.distance(tcp) > _HAND_CLEAR_M):
                self.all.append(Thing(self._next, body, Place(np.zeros(3))))
                self._next += 1

    def _found_again(self, body: Body) -> Thing | None:
        """The lost thing that a new body is most likely to be."""
        best, least = None, _FOUND_AGAIN_M
        for thing in self.all:
            apart = float(np.linalg.norm(body.box.centers[0] - thing.box().centers[0]))
            if thing.place.lost and apart < least and _alike(body.box, thing.body.box):
                best, least = thing, apart
        return best

    def _explained(self, piece: Piece, pose: Transform) -> bool:
        """Whether a piece is made of things that are known."""
        points = pose.apply(piece.points[:: max(1, len(piece.points) // 200)])
        known = np.zeros(len(points), dtype=bool)
        for thing in self.all:
            if not thing.place.lost:
                local = (points - thing.box().centers[0]) @ thing.body.box.rotations[0]
                known |= (np.abs(local) < thing.body.box.sizes[0] / 2 + 0.015).all(axis=1)
        return bool(known.mean() > _KNOWN_SHARE)


def _alike(a: Boxes, b: Boxes) -> bool:
    """Whether two boxes may be of one thing that has turned: their sides, sorted, differ little."""
    first, second = np.sort(a.sizes[0]), np.sort(b.sizes[0])
    return bool((np.abs(np.log(first / second))[1:] < np.log(_SIZE_RATIO)).all())


def _body_of(piece: Piece, observation: Observation, ground: Ground, pose: Transform) -> Body | None:
    """The body of a piece, completed down to the plane, in the fixed frame."""
    seen = replace(observation, up=ground.up, camera_height=ground.height)
    report = lift_with_report(seen, [Detection.from_mask("thing", piece.mask)])
    if not report.scene.objects:
        return None
    found = report.scene.objects[0]
    assert found.box3d is not None and found.points is not None
    points = found.points[:: max(1, len(found.points) // _MOST_POINTS)]
    height = float(found.box3d.bottom_along(ground.up)[0]) + ground.height
    height = height if height > _STANDS_M else 0.0
    return Body(pose.apply(points), found.box3d.transformed(pose.rotation, pose.translation), height)
