"""Rigid transforms and a buffer of them over time (the part of tf2 that this package needs, without ROS).

A transform ``T_a_b`` takes points given in frame b into frame a: p_a = R p_b + t. In tf's words a is the parent
(header.frame_id) and b the child (child_frame_id). (REP-105; tf2 design.)
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialvlm_ros.errors import TransformError

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Transform:
    """p_parent = rotation @ p_child + translation.

    Attributes:
        rotation: (3, 3) rotation matrix.
        translation: (3,) metres.
    """

    rotation: Float
    translation: Float

    def __post_init__(self) -> None:
        rotation = np.asarray(self.rotation, dtype=np.float64)
        translation = np.asarray(self.translation, dtype=np.float64)
        if rotation.shape != (3, 3) or translation.shape != (3,):
            raise TransformError("a transform is (3, 3) and (3,)", (rotation.shape, translation.shape), "")
        if not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-5) or np.linalg.det(rotation) < 0:
            raise TransformError("the rotation is not a proper rotation", rotation.tolist(), "Normalise it first.")
        object.__setattr__(self, "rotation", rotation)
        object.__setattr__(self, "translation", translation)

    @staticmethod
    def identity() -> Transform:
        return Transform(np.eye(3), np.zeros(3))

    @staticmethod
    def from_quaternion(xyzw: ArrayLike, translation: ArrayLike) -> Transform:
        """From a quaternion x, y, z, w (normalised here) and metres."""
        return Transform(quaternion_matrix(xyzw), np.asarray(translation, dtype=np.float64))

    def inverse(self) -> Transform:
        return Transform(self.rotation.T, -self.rotation.T @ self.translation)

    def __matmul__(self, other: Transform) -> Transform:
        """T_a_b @ T_b_c = T_a_c."""
        return Transform(self.rotation @ other.rotation, self.rotation @ other.translation + self.translation)

    def apply(self, points: ArrayLike) -> Float:
        """(N, 3) points of the child frame in the parent frame, metres."""
        return np.asarray(points, dtype=np.float64) @ self.rotation.T + self.translation


def quaternion_matrix(xyzw: ArrayLike) -> Float:
    """(3, 3) rotation matrix of a quaternion x, y, z, w; `TransformError` for a zero or non-finite one."""
    q = np.asarray(xyzw, dtype=np.float64)
    norm = float(np.linalg.norm(q)) if q.shape == (4,) else float("nan")
    if not np.isfinite(norm) or norm < 1e-9:
        raise TransformError("not a quaternion", xyzw, "An all-zero quaternion means the message was never filled.")
    x, y, z, w = q / norm
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def _slerp(a: Float, b: Float, t: float) -> Float:
    """Unit quaternion between a and b (xyzw), t in 0..1, along the shorter arc."""
    dot = float(a @ b)
    if dot < 0:
        b, dot = -b, -dot
    if dot > 0.9995:
        mixed = a + t * (b - a)
        return mixed / np.linalg.norm(mixed)
    angle = np.arccos(min(dot, 1.0))
    return (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle)


@dataclass(frozen=True)
class _Stamped:
    stamp_ns: int
    xyzw: tuple[float, float, float, float]
    translation: tuple[float, float, float]


_NUMBERS = 7  # of an entry: the quaternion and the translation


class _History:
    """A dynamic link over time, 64 bytes an entry: in an hour of an arm's /tf there are millions."""

    def __init__(self) -> None:
        self.stamps = array("q")
        self._numbers = array("d")

    def __len__(self) -> int:
        return len(self.stamps)

    def __getitem__(self, index: int) -> _Stamped:
        place = range(len(self.stamps))[index] * _NUMBERS
        x, y, z, w, *t = self._numbers[place : place + _NUMBERS]
        return _Stamped(self.stamps[index], (x, y, z, w), (t[0], t[1], t[2]))

    def put(self, entry: _Stamped) -> None:
        """Keep an entry in the order of time, in the place of one of the same time."""
        place = bisect_right(self.stamps, entry.stamp_ns)
        same = place > 0 and self.stamps[place - 1] == entry.stamp_ns
        start = place - 1 if same else place
        self.stamps[start:place] = array("q", (entry.stamp_ns,))
        self._numbers[start * _NUMBERS : place * _NUMBERS] = array("d", (*entry.xyzw, *entry.translation))

    def forget_before(self, stamp_ns: int) -> None:
        """Leave out what is older."""
        if self.stamps and self.stamps[0] < stamp_ns:
            gone = bisect_left(self.stamps, stamp_ns)
            del self.stamps[:gone], self._numbers[: gone * _NUMBERS]


class TransformBuffer:
    """A tree of frames over time.

    Args:
        keep_ns: how long the history of a dynamic link is kept. A transform that is older is left out, unless a
            second one follows: then the time of that link has begun anew.
    """

    def __init__(self, keep_ns: int = 10_000_000_000) -> None:
        self._keep_ns = keep_ns
        self._parents: dict[str, str] = {}
        self._static: dict[str, _Stamped] = {}
        self._dynamic: dict[str, _History] = {}
        self._outdated: set[str] = set()  # children whose last transform was older than what is kept

    def set(
        self, parent: str, child: str, stamp_ns: int, xyzw: ArrayLike, translation: ArrayLike, static: bool = False
    ) -> None:
        """Store p_parent = R(xyzw) p_child + translation at a time; a static one holds for all times.

        Raises:
            TransformError: a frame name is empty, parent and child are the same, a number is not finite.
        """
        parent, child = parent.lstrip("/"), child.lstrip("/")
        if not parent or not child or parent == child:
            raise TransformError("a link needs two different frame names", (parent, child), "Check frame_id.")
        quaternion = np.asarray(xyzw, dtype=np.float64)
        quaternion_matrix(quaternion)  # validates
        quaternion = quaternion / np.linalg.norm(quaternion)
        offset = np.asarray(translation, dtype=np.float64)
        if offset.shape != (3,) or not np.isfinite(offset).all():
            raise TransformError("a translation has three finite numbers", translation, f"Link {parent} -> {child}.")
        entry = _Stamped(int(stamp_ns), tuple(quaternion.tolist()), tuple(offset.tolist()))
        if self._parents.get(child, parent) != parent:  # re-parented: the old history is of another link
            self._static.pop(child, None)
            self._dynamic.pop(child, None)
        self._parents[child] = parent
        if static:
            self._static[child] = entry
            self._dynamic.pop(child, None)
            return
        self._static.pop(child, None)
        history = self._dynamic.setdefault(child, _History())
        if self._is_outdated(child, entry):
            return
        history.put(entry)
        history.forget_before(history.stamps[-1] - self._keep_ns)

    def _is_outdated(self, child: str, entry: _Stamped) -> bool:
        """Whether a transform is older than what is kept. The second one in a row is not: its history is forgotten."""
        history = self._dynamic[child]
        if not history or entry.stamp_ns >= history.stamps[-1] - self._keep_ns:
            self._outdated.discard(child)
            return False
        if child not in self._outdated:
            self._outdated.add(child)
            return True
        self._outdated.discard(child)
        history.forget_before(history.stamps[-1] + 1)
        return False

    def clear(self) -> None:
        """Forget the dynamic links (after a jump of the clock); static ones stay."""
        for child in self._dynamic:
            self._parents.pop(child, None)
        self._dynamic.clear()

    def frames(self) -> tuple[str, ...]:
        """All frame names known, sorted."""
        return tuple(sorted(set(self._parents) | set(self._parents.values())))

    def root(self, frame: str) -> str:
        """The frame at the top of the tree that holds ``frame``: itself where nothing is above it.

        Raises:
            TransformError: the frames form a loop.
        """
        return self._ancestors(frame.lstrip("/"))[-1]

    def lookup(self, target: str, source: str, stamp_ns: int | None = None, tolerance_ns: int = 0) -> Transform:
        """The transform that takes points of ``source`` into ``target``.

        Args:
            stamp_ns: the time; None is the latest time known to each link.
            tolerance_ns: a link whose history ends so much before the time (or begins so much after it) counts as
                standing still in between: transforms often come a little later than the picture.

        Raises:
            TransformError: names the unknown frame, the missing link, or the link whose history does not cover
                the time (no extrapolation).
        """
        target, source = target.lstrip("/"), source.lstrip("/")
        if target == source:
            return Transform.identity()
        up_target, up_source = self._ancestors(target), self._ancestors(source)
        common = next((f for f in up_source if f in set(up_target)), None)
        if common is None:
            raise self._not_connected(target, source, up_target, up_source)
        when = (stamp_ns, tolerance_ns)
        return self._chain(up_target, common, *when).inverse() @ self._chain(up_source, common, *when)

    def _ancestors(self, frame: str) -> list[str]:
        chain = [frame]
        while chain[-1] in self._parents:
            parent = self._parents[chain[-1]]
            if parent in chain:
                raise TransformError("the frames form a loop", [*chain, parent], "One child has one parent.")
            chain.append(parent)
        return chain

    def _not_connected(self, target: str, source: str, up_target: list[str], up_source: list[str]) -> TransformError:
        known = self.frames()
        for name in (target, source):
            if name not in known:
                return TransformError(f"frame {name!r} is unknown", known, "Is its /tf or /tf_static published?")
        return TransformError(
            f"no link between {source!r} and {target!r}",
            f"{source} ends at {up_source[-1]}, {target} ends at {up_target[-1]}",
            f"Publish a transform between {up_source[-1]!r} and {up_target[-1]!r}.",
        )

    def _chain(self, ancestors: list[str], stop: str, stamp_ns: int | None, tolerance_ns: int) -> Transform:
        """T_stop_frame along a chain of ancestors that starts at frame."""
        total = Transform.identity()
        for child in _until(ancestors, stop):
            total = self._link(child, stamp_ns, tolerance_ns) @ total
        return total

    def _link(self, child: str, stamp_ns: int | None, tolerance_ns: int) -> Transform:
        if child in self._static:
            entry = self._static[child]
            return Transform.from_quaternion(entry.xyzw, entry.translation)
        history = self._dynamic[child]
        if stamp_ns is None:
            latest = history[-1]
            return Transform.from_quaternion(latest.xyzw, latest.translation)
        first, last = history.stamps[0], history.stamps[-1]
        if first - tolerance_ns <= stamp_ns <= last + tolerance_ns:
            stamp_ns = min(max(stamp_ns, first), last)
        else:
            raise TransformError(
                f"the link {self._parents[child]} -> {child} does not cover the time",
                f"{stamp_ns} ns outside {first}..{last} ns",
                "Wait for a newer transform, or keep a longer history.",
            )
        after = bisect_left(history.stamps, stamp_ns)
        b = history[after]
        if b.stamp_ns == stamp_ns:
            return Transform.from_quaternion(b.xyzw, b.translation)
        a = history[after - 1]
        t = (stamp_ns - a.stamp_ns) / (b.stamp_ns - a.stamp_ns)
        quaternion = _slerp(np.array(a.xyzw), np.array(b.xyzw), t)
        offset = (1 - t) * np.array(a.translation) + t * np.array(b.translation)
        return Transform.from_quaternion(quaternion, offset)


def _until(chain: list[str], stop: str) -> Iterable[str]:
    for frame in chain:
        if frame == stop:
            return
        yield frame
