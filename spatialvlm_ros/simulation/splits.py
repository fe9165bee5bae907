"""Which scenes, objects, cameras and lights each split may show, from the committed file ``splits.yaml``."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.shared_files import read_yaml

SPLITS_PATH = Path(__file__).with_name("splits.yaml")

Ranges = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class CameraRules:
    """Cameras of a split; the fields are those of the file, angles in degrees."""

    hfov_deg: Ranges
    aspects: tuple[float, ...]
    table_distance_m: tuple[float, float]
    room_distance_m: tuple[float, float]
    table_elevation_deg: Ranges
    room_elevation_deg: Ranges
    overhead: float
    roll_deg: float


@dataclass(frozen=True)
class LightRules:
    """Lights and sensor noise of a split; the fields are those of the file."""

    key: Ranges
    ambient: Ranges
    cast: float
    elevation_deg: Ranges
    rgb_noise: str
    depth_noise: str


@dataclass(frozen=True)
class LayoutRules:
    """Kinds of tables and arrangements of a split."""

    table_styles: tuple[str, ...]
    arrangements: tuple[str, ...]


@dataclass(frozen=True)
class Split:
    """One split.

    Attributes:
        name: "train", "calibrate", ...
        seeds: range [from, to) of scene seeds modulo ``buckets``.
        objects: "common" or "reserved".
        layouts, cameras, lights: what it may show.
    """

    name: str
    seeds: tuple[int, int]
    buckets: int
    salt: str
    objects: str
    layouts: LayoutRules
    cameras: CameraRules
    lights: LightRules

    def scene_seed(self, data_seed: int, index: int, what: str = "scene") -> int:
        """The seed (below 2**53) of scene ``index``; it lies in this split's range for every ``data_seed``.

        Args:
            data_seed: seed of the whole data set.
            index: number of the scene, or of another thing that needs its own stream of numbers.
            what: names that thing.
        """
        digest = hashlib.sha256(f"{self.salt}/{what}/{data_seed}/{index}".encode()).digest()
        high, low = int.from_bytes(digest[:5], "big"), int.from_bytes(digest[5:13], "big")
        first, end = self.seeds
        return high * self.buckets + first + low % (end - first)


def split_names() -> tuple[str, ...]:
    """All splits, in the order of the file."""
    return tuple(_splits())


def get_split(name: str) -> Split:
    """The split called ``name``; `ConfigError` for an unknown one."""
    if name not in _splits():
        raise ConfigError("there is no such split", name, f"Known: {', '.join(_splits())}.")
    return _splits()[name]


def split_of_seed(seed: int) -> str:
    """The split a scene seed belongs to."""
    for split in _splits().values():
        if split.seeds[0] <= seed % split.buckets < split.seeds[1]:
            return split.name
    raise ConfigError("no split has this scene seed", seed, f"See {SPLITS_PATH.name}.")


def draw_from(ranges: Ranges, rng: np.random.Generator) -> float:
    """A number from the union of ``ranges``, evenly."""
    lengths = np.array([high - low for low, high in ranges])
    low, high = ranges[int(rng.choice(len(ranges), p=lengths / lengths.sum()))]
    return float(rng.uniform(low, high))


@lru_cache(maxsize=1)
def _splits() -> dict[str, Split]:
    content = read_yaml(SPLITS_PATH)
    sets = {
        "layouts": {name: LayoutRules(**_frozen(v)) for name, v in content["layouts"].items()},
        "cameras": {name: CameraRules(**_frozen(v)) for name, v in content["cameras"].items()},
        "lights": {name: LightRules(**_frozen(v)) for name, v in content["lights"].items()},
    }
    return {
        name: Split(
            name=name,
            seeds=tuple(entry["seeds"]),
            buckets=content["buckets"],
            salt=content["salt"],
            objects=entry["objects"],
            **{kind: choices[entry[kind]] for kind, choices in sets.items()},
        )
        for name, entry in content["splits"].items()
    }


def _frozen(values: Mapping[str, Any]) -> dict[str, Any]:
    def freeze(value: Any) -> Any:
        return tuple(freeze(v) for v in value) if isinstance(value, list) else value

    return {name: freeze(value) for name, value in values.items()}
