"""Constants of lifting that were fitted in simulation (``bench/fit_lifting.py``), read from ``calibration.yaml``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import ConfigError

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """Fitted constants.

    Attributes:
        hint_weights: weight of each of `vertical.HINTS`.
        depth_weights: weight of each of `amodal.FEATURES` in the predicted depth of an object along the line of
            sight, as a share of its visible width, and the residual standard deviation of that share.
        depth_deviation: that residual.
    """

    hint_weights: Float
    depth_weights: Float
    depth_deviation: float

    @staticmethod
    def of(values: dict[str, dict[str, float] | float]) -> Calibration:
        """From the mapping in the YAML file; names are checked against the code that uses them."""
        from spatialvlm_ros.scenes.lifting.amodal import FEATURES
        from spatialvlm_ros.scenes.lifting.vertical import HINTS

        return Calibration(
            _ordered("hint_weights", values, HINTS),
            _ordered("depth_weights", values, FEATURES),
            float(values["depth_deviation"]),  # type: ignore[arg-type]
        )


def _ordered(section: str, values: dict, names: tuple[str, ...]) -> Float:
    given = values.get(section, {})
    if set(given) != set(names):
        raise ConfigError(
            f"the lifting calibration's {section} do not fit this version",
            sorted(set(given) ^ set(names)),
            "Fit them again with bench/fit_lifting.py.",
        )
    return np.array([float(given[name]) for name in names])


@lru_cache(maxsize=1)
def default_calibration() -> Calibration:
    """The constants that come with the package."""
    import yaml

    text = files("spatialvlm_ros.scenes.lifting").joinpath("calibration.yaml").read_text(encoding="utf-8")
    return Calibration.of(yaml.safe_load(text))
