"""How one thing moves from a depth picture to the next: it stays, goes with the hand, or has fallen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.transforms import Transform
from spatialvlm_ros.rewards.following.agreement import Agreement
from spatialvlm_ros.rewards.following.body import Body

Float = NDArray[np.float64]

_HELD_REACH_M = 0.03  # from the hand to a thing that may go with it
_MOVED_M = 0.002  # by which a hand has moved
_TAKEN_M = 0.02  # by which a thing that was taken some pictures ago is elsewhere
_OTHER_TOUCH_M = 0.01  # between hands at a thing that are remembered apart
_MOST_TOUCHES = 6
_BETTER = 0.1  # in score, of going with the hand over staying
_SETTLED = 0.1  # contradicted share up to which nothing is searched for
_LOST = 0.5  # contradicted share from which a thing is not there
_LEAST_SEEN = 0.04  # of its points, below which a thing counts as hidden
_FOUND = 0.4  # score from which a place far from the last one is believed
_SINKS_M = 0.005
_LIFTED_M = 0.01


@dataclass(frozen=True)
class Touch:
    """A hand at a thing: the thing's displacement from where it was first seen, and the hand, (3,) metres each."""

    shift: Float
    hand: Float


@dataclass(frozen=True)
class Place:
    """Where a thing is thought to be.

    Attributes:
        shift: (3,) metres from where it was first seen, fixed frame.
        held: it has last moved together with the hand.
        agreement: with the last picture.
        unseen: pictures in a row in which it was hidden.
        lost: it is not where it was thought to be, and nobody knows where it is.
        touched: the last pictures in which a hand was near enough to have taken it.
    """

    shift: Float
    held: bool = False
    agreement: Agreement = Agreement(1.0, 0.0, 0.0)
    unseen: int = 0
    lost: bool = False
    touched: tuple[Touch, ...] = ()

    @property
    def visible(self) -> bool:
        """Whether it was seen in the last picture, where it is thought to be."""
        return not self.lost and self.agreement.seen >= _LEAST_SEEN


@dataclass(frozen=True)
class Hand:
    """The tool centre point in the fixed frame, (3,) metres each: now, and in the picture before."""

    now: Float
    before: Float

    @property
    def step(self) -> Float:
        """(3,) by how much it has moved."""
        return self.now - self.before


class Picture(Protocol):
    """What places of a thing are compared with."""

    def agreement(self, points: Float) -> Agreement:
        """How the points of a thing, (N, 3) optical frame, agree with it."""
        ...

    def nearby(self, points: Float, sinking: tuple[Float, float], wide: bool = False) -> Float:
        """(3,) the small displacement with which they agree best; see `DepthPicture.nearby`."""
        ...


@dataclass(frozen=True)
class Seen:
    """A picture to follow things in.

    Attributes:
        picture: what it shows.
        fixed_from_optical: pose of its camera.
        up: (3,) unit, in the fixed frame.
    """

    picture: Picture
    fixed_from_optical: Transform
    up: Float

    def agreement(self, body: Body, shift: Float) -> Agreement:
        """Of a thing displaced by (3,) metres."""
        return self.picture.agreement(self._optical(body, shift))

    def nearby(self, body: Body, shift: Float, wide: bool = False) -> Float:
        """(3,) the displacement near ``shift`` with which the thing agrees best."""
        deepest = body.height + float(shift @ self.up) + _SINKS_M  # no thing goes through its support
        up = self.fixed_from_optical.rotation.T @ self.up
        small = self.picture.nearby(self._optical(body, shift), (up, deepest), wide)
        return shift + self.fixed_from_optical.rotation @ small

    def _optical(self, body: Body, shift: Float) -> Float:
        return self.fixed_from_optical.inverse().apply(body.points + shift)


def followed(body: Body, place: Place, seen: Seen, hand: Hand | None) -> Place:
    """The place of a thing in the next picture.

    It stays where it is unless the picture speaks for another place: that to which the hand has carried it, or the
    plane below, onto which it has fallen. A thing that is hidden goes on as before: a held one with the hand.
    """
    reached = hand is not None and _reached(body, place.shift, hand)
    if hand is not None and reached:
        place = replace(place, touched=_touched(place, hand))
    stay = seen.agreement(body, place.shift)
    tried = [(place.shift, stay, False)]
    for shift, held in _elsewhere(body, place, seen.up, hand, reached):
        tried.append((shift, seen.agreement(body, shift), held))
    shift, agreement, held = max(tried, key=lambda t: t[1].score)
    if agreement.score < stay.score + _BETTER:
        shift, agreement, held = place.shift, stay, place.held and not _moved(hand)
    if agreement.seen < _LEAST_SEEN and all(found.contradicted < _LOST for _, found, _ in tried[:2]):
        return _hidden(place, hand, tried)
    for wide in (False, True):
        if agreement.contradicted > _SETTLED or (held and not wide):
            better = seen.nearby(body, shift, wide)
            found = seen.agreement(body, better)
            if found.score > agreement.score and (not wide or found.score > _FOUND):
                shift, agreement = better, found
    lost = agreement.contradicted > _LOST
    unseen = 0 if agreement.seen >= _LEAST_SEEN else place.unseen + 1
    return Place(shift, held, agreement, unseen, lost, place.touched)


def _elsewhere(body: Body, place: Place, up: Float, hand: Hand | None, reached: bool) -> list[tuple[Float, bool]]:
    """Where else a thing may be: displacements, and whether the hand holds it there."""
    found = []
    if hand is not None and _moved(hand) and (place.held or reached):
        found.append((place.shift + hand.step, True))
    if hand is not None and not place.held:  # it may have been taken some pictures ago, when it was hidden
        taken = [touch.shift + hand.now - touch.hand for touch in place.touched]
        found += [(shift, True) for shift in taken if float(np.linalg.norm(shift - place.shift)) > _TAKEN_M]
    risen = body.height + float(place.shift @ up)
    if risen > _LIFTED_M:
        fallen = place.shift - risen * up
        found.append((fallen, False))
        if hand is not None:
            found.append((fallen + hand.step - float(hand.step @ up) * up, False))
    return found


def _reached(body: Body, shift: Float, hand: Hand) -> bool:
    return body.distance(hand.before - shift) < _HELD_REACH_M


def _touched(place: Place, hand: Hand) -> tuple[Touch, ...]:
    """The last touches with this one, if the hand is elsewhere than at the one before."""
    last = place.touched[-1] if place.touched else None
    if last is not None and float(np.linalg.norm(last.hand - hand.before)) < _OTHER_TOUCH_M:
        return place.touched
    return (*place.touched, Touch(place.shift, hand.before))[-_MOST_TOUCHES:]


def _moved(hand: Hand | None) -> bool:
    return hand is not None and float(np.linalg.norm(hand.step)) > _MOVED_M


def _hidden(place: Place, hand: Hand | None, tried: list[tuple[Float, Agreement, bool]]) -> Place:
    """A thing that cannot be seen: it goes on as before."""
    index = 1 if place.held and _moved(hand) and len(tried) > 1 else 0
    shift, agreement, _ = tried[index]
    return replace(place, shift=shift, agreement=agreement, unseen=place.unseen + 1)
