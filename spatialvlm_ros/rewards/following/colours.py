"""Whether a thing can be where it is thought to be, without depth: by its colours.

Where they differ from those around it (`PalettePicture`) a pixel shows the thing, speaks against the place as it is
rather one of the surroundings, or hides it as it is neither (a hand, something else). Else (`ColourPicture`) each point
is compared with the colour that it had, and what looks otherwise counts as hidden.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.rewards.following.agreement import Agreement, pixels_seen
from spatialvlm_ros.rewards.following.moving import Picture
from spatialvlm_ros.rewards.following.outlining import Outlined
from spatialvlm_ros.scenes.observation import Observation

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

_BINS = 16  # of each colour channel
_BLUR = 1.0  # bins, for light that changes on the way
_RING = 0.5  # of the sides of a box, around it: its surroundings
_KNOWN = 0.05  # of the density of the commonest colour, from which a colour is a known one
_LIKELIER = 2.0  # times, from which a colour is rather of the one than of the other
_TOLD_APART = 0.4  # share of a thing's pixels that has to have a colour of its own; else colours tell little
_FEWEST_POINTS = 12  # of its own colour, with which it is compared
_ALIKE = 40.0  # of 255, sum over the channels' difference that is the same colour
_LEAST_ALIKE = 0.25  # share of the points; less is chance, as some of them show what is beside the thing


@dataclass(frozen=True)
class Palette:
    """How often a thing and its surroundings have each colour.

    Attributes:
        thing, around, hand: (16, 16, 16) densities over red, green and blue, sum 1, or 0 of what is not seen.
    """

    thing: Float
    around: Float
    hand: Float

    @classmethod
    def of(cls, observation: Observation, thing: Outlined, hand: Float) -> Palette:
        """Of a picture with a thing and a hand, of which the points (M, 3) are given in the optical frame."""
        rgb = observation.rgb
        colours = rgb[thing.mask], rgb[_ring(thing)], _colours_of(rgb, observation.camera, hand)
        return cls(*(_density(some) for some in colours))

    def shows(self, colours: NDArray[np.uint8]) -> tuple[Bool, Bool]:
        """Which of (N, 3) colours are rather the thing's, and which rather those around it."""
        index = tuple((colours // (256 // _BINS)).T)
        thing, around, hand = self.thing[index], self.around[index], self.hand[index]
        own = (thing > _KNOWN * self.thing.max()) & (thing > _LIKELIER * np.maximum(around, hand))
        other = (around > _KNOWN * self.around.max()) & (around > _LIKELIER * thing)
        return own, other


class _NotSearched:
    """A picture that tells whether a thing is at a place, and not where else it might be."""

    def nearby(self, points: Float, sinking: tuple[Float, float], wide: bool = False) -> Float:
        """No displacement: shadows and other things have the same colours."""
        return np.zeros(3)


@dataclass(frozen=True)
class PalettePicture(_NotSearched):
    """Colours to compare a thing with, like a `DepthPicture`.

    Attributes:
        rgb: (H, W, 3) uint8.
        camera: of it.
        palette: of the thing.
        own: (N,) which of the thing's points had its colours in the picture that it was placed in; the others are
            where the body is larger than the thing.
    """

    rgb: NDArray[np.uint8]
    camera: Camera
    palette: Palette
    own: Bool

    def agreement(self, points: Float) -> Agreement:
        """How the points of the thing, (N, 3) optical frame, agree with the picture."""
        pixels, inside = pixels_seen(self.camera, points[self.own])
        own, other = self.palette.shows(self.rgb[pixels[:, 1], pixels[:, 0]])
        n = max(len(inside), 1)
        seen, gone = float(own.sum() / n), float(other.sum() / n)
        return Agreement(seen, 1.0 - seen - gone, gone)


@dataclass(frozen=True)
class ColourPicture(_NotSearched):
    """Colours to compare a thing with, point by point.

    Attributes:
        rgb: (H, W, 3) uint8.
        camera: of it.
        colours: (N, 3) of the thing's points, in the picture that it was placed in.
    """

    rgb: NDArray[np.uint8]
    camera: Camera
    colours: Float

    def agreement(self, points: Float) -> Agreement:
        """How the points of the thing, (N, 3) optical frame, agree with the picture."""
        alike = np.abs(colours_at(self.rgb, self.camera, points) - self.colours).sum(axis=1) < _ALIKE
        share = float(alike.mean())
        seen = share if share >= _LEAST_ALIKE else 0.0
        return Agreement(seen, 1.0 - seen, 0.0)


@dataclass(frozen=True)
class Look:
    """What a thing looked like in the picture that it was placed in.

    Attributes:
        palette: its colours and those around it.
        own: (N,) which of its points were where the picture had a colour of its own.
        colours: (N, 3) of its points; NaN outside the picture.
        told_apart: share of its pixels with a colour of its own.
    """

    palette: Palette
    own: Bool
    colours: Float
    told_apart: float

    @classmethod
    def of(cls, observation: Observation, thing: Outlined, points: Float, hand: Float) -> Look:
        """Of the picture with the thing; (N, 3), (M, 3) points of it and of the hand in the optical frame."""
        palette = Palette.of(observation, thing, hand)
        pixels, inside = pixels_seen(observation.camera, points)
        u, v = pixels.T
        own = np.zeros(len(points), dtype=bool)
        own[inside] = palette.shows(observation.rgb[v, u])[0] & thing.mask[v, u]
        told = float(palette.shows(observation.rgb[thing.mask])[0].mean()) if thing.told_apart else 0.0
        return cls(palette, own, colours_at(observation.rgb, observation.camera, points), told)

    def picture(self, rgb: NDArray[np.uint8], camera: Camera) -> Picture:
        """Another picture to look for it in."""
        if self.told_apart < _TOLD_APART or self.own.sum() < _FEWEST_POINTS:
            return ColourPicture(rgb, camera, self.colours)
        return PalettePicture(rgb, camera, self.palette, self.own)


def colours_at(rgb: NDArray[np.uint8], camera: Camera, points: Float) -> Float:
    """(N, 3) colours where points (N, 3) are seen; NaN outside the picture."""
    pixels, inside = pixels_seen(camera, points)
    found = np.full((len(points), 3), np.nan)
    found[inside] = rgb[pixels[:, 1], pixels[:, 0]]
    return found


def _colours_of(rgb: NDArray[np.uint8], camera: Camera, points: Float) -> NDArray[np.uint8]:
    """(M, 3) of the pixels in which the points are, each pixel once."""
    pixels = np.unique(pixels_seen(camera, points)[0], axis=0)
    return rgb[pixels[:, 1], pixels[:, 0]]


def _ring(thing: Outlined) -> Bool:
    """(H, W) the pixels around a thing."""
    sides = thing.box[2:] - thing.box[:2]
    outer = np.concatenate([thing.box[:2] - _RING * sides, thing.box[2:] + _RING * sides])
    x0, y0, x1, y1 = np.maximum(np.rint(outer), 0).astype(int)
    mask = np.zeros_like(thing.mask)
    mask[y0:y1, x0:x1] = True
    return mask & ~thing.mask


def _density(colours: NDArray[np.uint8]) -> Float:
    """(16, 16, 16) of (N, 3) colours."""
    from scipy.ndimage import gaussian_filter

    counts = np.zeros((_BINS,) * 3)
    np.add.at(counts, tuple((colours // (256 // _BINS)).T), 1.0)
    density = gaussian_filter(counts, _BLUR, mode="constant")
    return np.asarray(density / max(float(density.sum()), 1e-12))
