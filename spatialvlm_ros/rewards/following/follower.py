"""Measures a task's objects over the pictures of an episode, with the memory that a single picture does not have.

follower = Follower()
for picture, tcp in episode:
    view = model.look(picture, gripper=tcp)
    engine.step(follower.measure(view, engine.queries(), tcp))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.frames import CanonicalFrame
from spatialvlm_ros.geometry.transforms import Transform
from spatialvlm_ros.models.estimate import Estimate, LocatedObject, Source
from spatialvlm_ros.models.query import ObjectRef, Query, is_camera, is_gripper
from spatialvlm_ros.rewards.following.answers import Known, answer
from spatialvlm_ros.rewards.following.hand import MovingHand
from spatialvlm_ros.rewards.following.naming import Vote, Votes, pointed_at, vote_of
from spatialvlm_ros.rewards.following.outlining import outlined
from spatialvlm_ros.rewards.following.pictured import Pictured
from spatialvlm_ros.rewards.following.standing_still import moved_apart
from spatialvlm_ros.rewards.following.tabletop import Ground
from spatialvlm_ros.rewards.following.things import Thing, Things
from spatialvlm_ros.scenes.observation import Observation
from spatialvlm_ros.scenes.relations import RELATIONS, SYMMETRIC, Relation

Float = NDArray[np.float64]

_TIP_STD_M = 0.01  # of the tip of a hand in depth
_MOST_VOTES = 12  # pictures in which the model is asked where a name is

# Followed beside the symmetric relations. Sizes are left to the model, as a body is only what was seen of a thing, and
# so are left, right, front and behind.
_ORDERED = frozenset(
    {
        Relation.ELEVATION,
        Relation.LIFTED,
        Relation.INSIDE,
        Relation.ON,
        Relation.ABOVE,
        Relation.BELOW,
        Relation.ABOVE_DIFF,
        Relation.BELOW_DIFF,
    }
)


class LookedAt(Protocol):
    """What a follower needs of a picture that a model has looked at (`models.view.View`)."""

    @property
    def observation(self) -> Observation:
        """The picture."""
        ...

    def measure_many(self, queries: Sequence[Query]) -> list[Estimate]:
        """The model's own estimates of N quantities, in order."""
        ...

    def locate_closer(self, subjects: Sequence[str]) -> Sequence[LocatedObject]:
        """Where the model sees objects of these names in its best look at them, in order."""
        ...


def can_follow(observation: Observation, gripper: Float | None) -> bool:
    """Whether a picture tells enough to follow anything into it; else the model measures it alone.

    Args:
        observation: the picture.
        gripper: (3,) tool centre point in the optical frame, metres, or None.
    """
    stated = gripper is not None and observation.up is not None and observation.camera_height is not None
    return observation.depth is not None or stated


@dataclass(frozen=True)
class _Point:
    """The tool centre point: (3,) metres in the optical frame or None, its deviation, and who says so."""

    at: Float | None
    std: float
    source: Source


class Follower:
    """Follows the objects of one episode: in depth; or in colour, where the robot states its hand, the vertical and the
    camera's height over the support plane. Where neither is there every picture is measured alone.

    The camera stands still, unless its pose in a fixed frame comes with every picture.

    Args:
        pointed: name -> x0, y0, x1, y1 in pixels of the first picture, where somebody knows which thing is meant; the
            model's word does not count for those.
    """

    def __init__(self, pointed: Mapping[str, Sequence[float]] | None = None) -> None:
        boxes = {name.lower(): np.asarray(box, dtype=np.float64) for name, box in (pointed or {}).items()}
        self._pointed: dict[str, Vote] = {name: pointed_at(box) for name, box in boxes.items()}
        self.reset()

    def reset(self) -> None:
        """The next picture is the first of another episode."""
        self._things = Things()
        self._hand, self._pictured = MovingHand(), Pictured()
        self._hand_seen_from = Transform.identity()
        self._pointed_from: Transform | None = None
        self._votes: dict[str, Votes] = {}

    def measure(
        self,
        view: LookedAt,
        queries: Sequence[Query],
        gripper: Float | None = None,
        fixed_from_optical: Transform | None = None,
    ) -> list[Estimate]:
        """The estimates of N queries in the next picture, in order.

        Args:
            view: of the picture.
            queries: about objects by name.
            gripper: (3,) tool centre point in the optical frame, metres, or None.
            fixed_from_optical: pose of the camera, for one that moves.
        """
        queries = list(queries)
        if not can_follow(view.observation, gripper):
            return view.measure_many(queries)
        pose = fixed_from_optical or Transform.identity()
        self._pointed_from = self._pointed_from or pose
        names = _names(queries)
        if view.observation.depth is None:
            return self._measure_pictured(view, queries, names, gripper, pose)
        unnamed = [name for name in names if self._votes.setdefault(name, Votes()).chosen is None]
        self._things.look(view.observation, pose, gripper, bool(unnamed))
        self._vote(view, names, pose)
        named = {name: self._thing(self._votes[name].chosen) for name in names}
        ground = self._things.ground
        tcp = _Point(gripper, 0.0, Source.TF)
        if gripper is None:
            tcp = _Point(self._tip(view.observation, pose), _TIP_STD_M, Source.DEPTH_SENSOR)
        return self._answers(view, queries, _Known(named, tcp, pose, ground, Source.DEPTH_SENSOR))

    def _measure_pictured(
        self, view: LookedAt, queries: list[Query], names: list[str], gripper: Float | None, pose: Transform
    ) -> list[Estimate]:
        """Without depth: where the robot states the support plane and its hand."""
        observation = view.observation
        assert gripper is not None and observation.up is not None and observation.camera_height is not None
        ground = Ground(observation.up, float(observation.camera_height))
        asked = [name for name in self._pictured.wanted(names) if name not in self._pointed]
        votes = {
            name: _fitted(vote_of(f), observation) for name, f in zip(asked, view.locate_closer(asked), strict=True)
        }
        if self._pointed_here(pose):
            votes |= {n: self._pointed[n] for n in set(names) & set(self._pointed) - set(self._pictured.named)}
        self._pictured.look(observation, ground, pose, gripper, votes)
        tcp = _Point(gripper, 0.0, Source.TF)
        return self._answers(view, queries, _Known(self._pictured.named, tcp, pose, ground, Source.CAMERA_HEIGHT))

    def _answers(self, view: LookedAt, queries: list[Query], known: _Known) -> list[Estimate]:
        """Of what is followed; the model answers the rest."""
        found = [_answer(query, known) for query in queries]
        left = [k for k, estimate in enumerate(found) if estimate is None]
        for k, estimate in zip(left, view.measure_many([queries[k] for k in left]), strict=True):
            found[k] = estimate
        return [estimate for estimate in found if estimate is not None]

    def _tip(self, observation: Observation, pose: Transform) -> Float | None:
        """(3,) the tip of the hand in depth, optical frame, for a robot that does not state it. While the camera moves
        there is none: everything in its pictures moves."""
        if moved_apart(self._hand_seen_from, pose):
            self._hand, self._hand_seen_from = MovingHand(), pose
        if self._things.ground is None:
            return None
        points = [t.body.points + t.place.shift for t in self._things.all if not t.place.lost]
        things = pose.inverse().apply(np.concatenate([np.zeros((0, 3)), *points]))
        return self._hand.tip(observation, self._things.ground, things)

    def where(self, name: str) -> Float | None:
        """(3,) centre of the thing that has a name, in the fixed frame, metres; None while no thing has it."""
        votes = self._votes.get(name.lower())
        thing = self._pictured.named.get(name.lower()) if votes is None else self._thing(votes.chosen)
        return None if thing is None else np.array(thing.box().centers[0])

    def _vote(self, view: LookedAt, names: list[str], pose: Transform) -> None:
        seen = [thing for thing in self._things.all if thing.place.visible]
        boxes = _picture_boxes(seen, view.observation, pose)
        numbers = [thing.number for thing in seen]
        for name in names:
            if name in self._pointed and self._pointed_here(pose) and self._votes[name].chosen is None:
                self._votes[name].cast(self._pointed[name], numbers, boxes)
        asked = [name for name in names if name not in self._pointed and self._votes[name].pictures < _MOST_VOTES]
        for name, found in zip(asked, view.locate_closer(asked), strict=True):
            self._votes[name].cast(vote_of(found), numbers, boxes)

    def _pointed_here(self, pose: Transform) -> bool:
        """Whether the boxes of the first picture lie over this one."""
        return self._pointed_from is not None and not moved_apart(self._pointed_from, pose)

    def _thing(self, number: int | None) -> Thing | None:
        return next((thing for thing in self._things.all if thing.number == number), None)


@dataclass(frozen=True)
class _Known:
    """All that is known of a picture.

    Attributes:
        named: name -> the thing that has it; None or missing where there is none.
        tcp: the hand.
        pose: of the camera.
        ground: the support plane, None while it is unknown; there are no things then.
        source: where the metres of things come from.
    """

    named: Mapping[str, Thing | None]
    tcp: _Point
    pose: Transform
    ground: Ground | None
    source: Source


def _answer(query: Query, known: _Known) -> Estimate | None:
    """The estimate of a query, or None where the model has to answer it."""
    subject, reference = query.subject, query.reference
    if query.kind not in SYMMETRIC | _ORDERED:
        return None
    if is_gripper(subject) and query.kind in SYMMETRIC and reference is not None:
        subject, reference = reference, subject
    first, second = known.named.get(_name(subject)), known.named.get(_name(reference))
    point = known.tcp.at if is_gripper(reference) else None
    if first is None or (RELATIONS[query.kind].arity == 2 and second is None and point is None):
        return None
    assert known.ground is not None  # there are no things without it
    frame = CanonicalFrame.from_up(known.pose.rotation @ known.ground.up, known.ground.height, "support")
    sources = {known.source} | ({known.tcp.source} if point is not None else set())
    at = None if point is None else known.pose.apply(point[None])[0]
    return answer(query, Known(first, second, at, frame, frozenset(sources), known.tcp.std))


def _names(queries: Sequence[Query]) -> list[str]:
    """The objects that can be followed, by name, once each."""
    given = [thing for q in queries for thing in (q.subject, q.reference)]
    return list(dict.fromkeys(_name(thing) for thing in given if _name(thing)))


def _name(thing: ObjectRef | None) -> str:
    """The name of an object in lower case; "" for what is not followed."""
    if not isinstance(thing, str) or is_camera(thing) or is_gripper(thing):
        return ""
    return thing.lower()


def _fitted(vote: Vote, observation: Observation) -> Vote:
    """With a box that fits what the model's box holds: ranges without depth come from its edges."""
    return replace(vote, box=outlined(observation.rgb, vote.box).box) if vote.is_cast else vote


def _picture_boxes(things: Sequence[Thing], observation: Observation, pose: Transform) -> Float:
    """(N, 4) boxes in the picture around the known points of things."""
    found = np.zeros((len(things), 4))
    limits = [observation.camera.width, observation.camera.height]
    for k, thing in enumerate(things):
        points = pose.inverse().apply(thing.body.points + thing.place.shift)
        pixels = observation.camera.project(points)
        low, high = np.nanmin(pixels, axis=0) - 0.5, np.nanmax(pixels, axis=0) + 0.5
        found[k] = np.concatenate([np.clip(low, 0, limits), np.clip(high, 0, limits)])
    return found
