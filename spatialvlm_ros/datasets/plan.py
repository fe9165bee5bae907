"""The plan of a data set: everything that decides its rows, and where each scene goes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from spatialvlm_ros.datasets.pictures import PictureFormat
from spatialvlm_ros.datasets.schema import SCHEMA_VERSION
from spatialvlm_ros.datasets.shards import DATA_FOLDER, shard_name
from spatialvlm_ros.datasets.views import ViewSource
from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.scenes.scene import Scene
from spatialvlm_ros.version import __version__

if TYPE_CHECKING:
    from spatialvlm_ros.questions.generator import QAPair

# The part of a split name that `datasets` understands in a file name.
_SPLIT_NAME = re.compile(r"\w+")


class Generator(Protocol):
    """What asks the questions, e.g. `QuestionGenerator`; picklable."""

    def generate(self, scenes: Sequence[Scene], per_scene: int, seeds: Sequence[int]) -> list[list[QAPair]]:
        """Questions of each scene; those of one scene depend on it and its seed only."""
        ...


@dataclass(frozen=True)
class DatasetPlan:
    """What to make and where. Workers get a copy, so all of it is picklable.

    Attributes:
        source: where views come from; its split must be ``split``.
        generator: what asks questions; not needed when ``per_view`` is 0.
        out: folder of the data set.
        split: name of the split, part of the file names.
        seed: the data seed.
        per_view: questions of a view.
        scenes: the first so many scenes of the source.
        scenes_per_shard: shard i holds scenes i * scenes_per_shard and following.
        pictures: how colour pictures are stored.
    """

    source: ViewSource
    generator: Generator | None
    out: Path
    split: str
    seed: int
    per_view: int
    scenes: int
    scenes_per_shard: int
    pictures: PictureFormat = field(default_factory=PictureFormat)

    def __post_init__(self) -> None:
        if not _SPLIT_NAME.fullmatch(self.split):
            raise ConfigError("a split's name has letters, digits and _ only", self.split, "E.g. train.")
        if self.scenes < 1:
            raise ConfigError("there is no scene to generate", self.scenes, "Is the source empty?")
        if self.scenes_per_shard < 1:
            raise ConfigError("scenes per shard must be positive", self.scenes_per_shard)
        if self.per_view < 0 or (self.per_view > 0 and self.generator is None):
            raise ConfigError("questions per view need a generator", self.per_view, "Pass one, or per_view=0.")
        if self.seed < 0:
            raise ConfigError("the data seed must not be negative", self.seed)

    @property
    def shard_count(self) -> int:
        return -(-self.scenes // self.scenes_per_shard)

    def shard_scenes(self, index: int) -> range:
        """The scenes of a shard."""
        start = index * self.scenes_per_shard
        return range(start, min(start + self.scenes_per_shard, self.scenes))

    @property
    def folder(self) -> Path:
        """Folder of the shards."""
        return self.out / DATA_FOLDER

    def shard_path(self, index: int) -> Path:
        return self.folder / shard_name(self.split, index, self.shard_count)

    def identity(self) -> dict[str, Any]:
        """Everything that decides the rows, as plain JSON; two runs with equal identities make equal rows."""
        return {
            "package_version": __version__,
            "schema_version": SCHEMA_VERSION,
            "split": self.split,
            "seed": self.seed,
            "scenes": self.scenes,
            "scenes_per_shard": self.scenes_per_shard,
            "per_view": self.per_view,
            "pictures": describe(self.pictures),
            "source": describe(self.source),
            "generator": describe(self.generator) if self.per_view else None,
        }


def describe(value: Any, depth: int = 6) -> Any:
    """A plain JSON description of a configuration object, equal for equal configurations in any process.

    An object with a ``describe()`` method describes itself; a dataclass by its fields; another object by its
    class and public simple attributes. Arrays are shown by a digest, sets sorted.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return f"array {value.shape} {hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()[:16]}"
    if isinstance(value, bytes):
        return f"bytes {hashlib.sha256(value).hexdigest()[:16]}"
    kind = type(value).__name__
    if depth == 0:
        return kind
    if isinstance(value, Mapping):
        return {str(describe(k)): describe(v, depth - 1) for k, v in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted((describe(v, depth - 1) for v in value), key=repr)
    if isinstance(value, (list, tuple)):
        return [describe(v, depth - 1) for v in value]
    if callable(getattr(value, "describe", None)) and not isinstance(value, type):
        return {"type": kind, "config": describe(value.describe(), depth - 1)}
    if isinstance(value, type) or callable(value):
        return f"{value.__module__}.{value.__qualname__}" if hasattr(value, "__qualname__") else kind
    if is_dataclass(value):
        content = {f.name: getattr(value, f.name) for f in fields(value) if f.repr}
    else:
        content = {k: v for k, v in sorted(getattr(value, "__dict__", {}).items()) if not k.startswith("_")}
    return {"type": kind, **{name: describe(v, depth - 1) for name, v in content.items()}}


def differences(old: Any, new: Any, path: str = "") -> list[str]:
    """Where two descriptions differ, as "name: old -> new" lines."""
    if isinstance(old, dict) and isinstance(new, dict):
        lines = []
        for name in sorted(old.keys() | new.keys()):
            lines += differences(old.get(name), new.get(name), f"{path}.{name}" if path else name)
        return lines
    return [] if old == new else [f"{path}: {old!r} -> {new!r}"]
