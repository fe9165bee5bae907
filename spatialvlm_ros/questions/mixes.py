"""Which family is asked how often: mixes from a data file, restricted to what a picture allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.questions.families import FAMILIES, FAMILY_NAMES

DEFAULT_MIXES = Path(__file__).parent / "data" / "mixes.yaml"
LEVELS = (0, 1, 2)
_KINDS = ("qualitative", "numeric")


@dataclass(frozen=True)
class Mix:
    """Weights of the families.

    Attributes:
        name: as in the data file.
        weights: frame level -> (43,) weights in the order of `FAMILY_NAMES`, as written (not restricted to the level).
        shares: parts of qualitative and numeric questions, or None.
    """

    name: str
    weights: Mapping[int, NDArray[np.float64]]
    shares: tuple[float, float] | None

    def probabilities(self, level: int, objects: int = 2) -> NDArray[np.float64]:
        """(43,) probabilities at a frame level in a scene with ``objects`` objects to ask about.

        Families that the level or the number of objects (one object: only what needs one, or the camera as the
        other) does not allow have probability 0. All zeros if nothing can be asked.
        """
        families = FAMILIES.values()
        allowed = np.array(
            [f.min_level <= level and (objects >= f.objects or (objects == 1 and f.camera)) for f in families]
        )
        weights = np.where(allowed & (objects > 0), self.weights[level], 0.0)
        if self.shares is not None:
            qualitative = np.array([f.qualitative for f in families])
            for part, share in zip((qualitative, ~qualitative), self.shares, strict=True):
                total = weights[part].sum()
                if total > 0:
                    weights[part] *= share / total
        total = weights.sum()
        return weights / total if total > 0 else weights


@lru_cache(maxsize=8)
def load_mixes(path: Path | str = DEFAULT_MIXES) -> Mapping[str, Mix]:
    """All mixes of a file by name.

    Raises:
        ConfigError: the file cannot be read, or a family, level, weight or share in it is wrong.
    """
    try:
        data = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError("the file of question mixes cannot be read", str(path), str(error)) from error
    if not isinstance(data, dict) or not data:
        raise ConfigError("a file of question mixes holds named mixes", data, "See the default one.")
    return {name: parse_mix(name, entry) for name, entry in data.items()}


def parse_mix(name: str, data: object) -> Mix:
    """Check one entry of a mix file; see `load_mixes`."""
    if not isinstance(data, dict) or not {"levels", "tables"} <= set(data) <= {"levels", "tables", "shares"}:
        raise ConfigError(f"the mix {name!r} needs levels and tables", data, "See the default file.")
    levels, tables = data["levels"], data["tables"]
    if not isinstance(levels, dict) or set(levels) != set(LEVELS):
        raise ConfigError(f"the mix {name!r} needs a table for each frame level 0, 1, 2", levels, "Name them.")
    unknown = sorted({str(t) for t in levels.values()} - set(tables))
    if unknown:
        raise ConfigError(f"the mix {name!r} names tables it does not have", unknown, f"It has {sorted(tables)}.")
    weights = {table: _weights(name, entry) for table, entry in tables.items()}
    return Mix(name, {level: weights[levels[level]] for level in LEVELS}, _shares(name, data.get("shares")))


def _weights(mix: str, table: object) -> NDArray[np.float64]:
    if not isinstance(table, dict) or not set(table) <= {"all", *FAMILY_NAMES}:
        unknown = sorted(map(str, set(table) - set(FAMILY_NAMES))) if isinstance(table, dict) else table
        raise ConfigError(f"the mix {mix!r} weighs unknown families", unknown, "Use the names of families.py.")
    values = np.array([table.get(f, table.get("all", 0)) for f in FAMILY_NAMES], dtype=np.float64)
    if not (np.isfinite(values).all() and (values >= 0).all() and values.sum() > 0):
        raise ConfigError(f"the mix {mix!r} has a bad weight", table, "Weights are 0 or more, and not all 0.")
    return values


def _shares(mix: str, data: object) -> tuple[float, float] | None:
    if data is None:
        return None
    if not isinstance(data, dict) or set(data) != set(_KINDS):
        raise ConfigError(f"the shares of the mix {mix!r} are incomplete", data, f"Give {_KINDS}.")
    shares = float(data["qualitative"]), float(data["numeric"])
    if min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
        raise ConfigError(f"the shares of the mix {mix!r} do not add up to 1", data, "Mend them.")
    return shares


def get_mix(mix: Mix | str, path: Path | str = DEFAULT_MIXES) -> Mix:
    """A mix by name; `ConfigError` for an unknown one."""
    if isinstance(mix, Mix):
        return mix
    mixes = load_mixes(path)
    if mix not in mixes:
        raise ConfigError("unknown question mix", mix, f"Known: {', '.join(mixes)}.")
    return mixes[mix]
