"""The Panda's links as capsules, cylinders and boxes, in link frames: what collides, and what is drawn without a pack.

Dimensions follow the outlines of the real links to about a centimetre; the finger pads are exact, since grasps and
the tool centre point depend on them.
"""

from __future__ import annotations

from dataclasses import dataclass

Vector = tuple[float, float, float]

WHITE = (0.93, 0.93, 0.94, 1.0)
GREY = (0.72, 0.73, 0.75, 1.0)
DARK = (0.18, 0.18, 0.19, 1.0)


@dataclass(frozen=True)
class Rod:
    """A cylinder or capsule (rounded ends) from ``start`` to ``end``, metres."""

    start: Vector
    end: Vector
    radius: float
    rounded: bool = False
    rgba: tuple[float, float, float, float] = WHITE


@dataclass(frozen=True)
class Block:
    """A box; ``half`` are half edge lengths, metres."""

    center: Vector
    half: Vector
    rgba: tuple[float, float, float, float] = WHITE


@dataclass(frozen=True)
class Link:
    """One rigid body: its name, mass in kg (approximate, identified values from the literature), and its shapes."""

    name: str
    mass: float
    shapes: tuple[Rod | Block, ...]


ARM_LINKS: tuple[Link, ...] = (
    Link(
        "link0",
        2.4,
        (
            Block((-0.045, 0.0, 0.035), (0.10, 0.085, 0.035), GREY),
            Rod((0.0, 0.0, 0.05), (0.0, 0.0, 0.14), 0.057),
        ),
    ),
    Link(
        "link1",
        4.97,
        (
            Rod((0.0, 0.0, -0.192), (0.0, 0.0, -0.02), 0.055),
            Rod((0.0, -0.128, 0.0), (0.0, 0.0, 0.0), 0.054),
        ),
    ),
    Link(
        "link2",
        0.647,
        (
            Rod((0.0, 0.0, 0.0), (0.0, 0.0, 0.128), 0.054),
            Rod((0.0, -0.193, 0.0), (0.0, -0.02, 0.02), 0.055),
        ),
    ),
    Link(
        "link3",
        3.23,
        (
            Rod((0.0, 0.0, -0.121), (0.0, 0.0, -0.065), 0.055),
            Rod((0.015, 0.01, -0.06), (0.07, 0.03, -0.012), 0.045, rounded=True),
            Rod((0.0825, 0.0, 0.0), (0.0825, 0.111, 0.0), 0.053),
        ),
    ),
    Link(
        "link4",
        3.59,
        (
            Rod((0.0, 0.0, 0.0), (0.0, 0.0, 0.111), 0.053),
            Rod((-0.012, 0.012, 0.03), (-0.068, 0.06, 0.01), 0.045, rounded=True),
            Rod((-0.0825, 0.065, 0.0), (-0.0825, 0.124, 0.0), 0.055),
        ),
    ),
    Link(
        "link5",
        1.23,
        (
            Rod((0.0, 0.0, -0.259), (0.0, 0.0, -0.2), 0.055),
            Rod((0.0, 0.03, -0.2), (0.0, 0.07, -0.045), 0.045, rounded=True),
            Rod((0.0, 0.016, 0.0), (0.0, 0.128, 0.0), 0.05),
        ),
    ),
    Link(
        "link6",
        1.67,
        (
            Rod((0.0, 0.0, -0.014), (0.0, 0.0, 0.054), 0.047),
            Rod((0.02, 0.0, 0.018), (0.075, 0.0, 0.008), 0.036, rounded=True),
            Rod((0.088, -0.051, 0.0), (0.088, 0.082, 0.0), 0.041),
        ),
    ),
    Link(
        "link7",
        0.736,
        (
            Rod((0.0, 0.0, 0.05), (0.0, 0.0, 0.107), 0.044, rgba=GREY),
            Rod((0.02, 0.02, 0.08), (0.048, 0.048, 0.08), 0.014, rounded=True, rgba=DARK),
        ),
    ),
)

HAND = Link(
    "hand",
    0.73,
    (
        Rod((0.0, 0.0, -0.003), (0.0, 0.0, 0.012), 0.031, rgba=GREY),
        Block((0.0, 0.0, 0.035), (0.023, 0.1, 0.031), GREY),
    ),
)

# The pad's inner face is the plane y = 0 of the finger frame, so the opening is the sum of both joint values.
PAD = Block((0.0, 0.007, 0.0445), (0.0095, 0.007, 0.0095), DARK)
FINGER = Link(
    "finger",
    0.05,
    (
        Block((0.0, 0.0195, 0.0095), (0.0105, 0.0065, 0.0095), DARK),
        Block((0.0, 0.0115, 0.0265), (0.0095, 0.0045, 0.0095), DARK),
        PAD,
    ),
)
