"""Constants of lifting that were fitted in simulation (``bench/fit_lifting.py``), read from ``calibration.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.scenes.lifting.shape import FEATURES

Float = NDArray[np.float64]

# What tells the vertical; computed in `vertical`.
HINTS = (
    "bias",
    "roll",
    "upside_down",
    "log_share",  # of the surfaces that would be level and seen from above
    "no_level",  # there are none
    "ceiling_share",  # of the surfaces that would be level and seen from below
    "standing",
    "hovering",
    "behind",
    "upright",
    "owned",
    "low_in_picture",
)


@dataclass(frozen=True)
class Calibration:
    """Fitted constants.

    Attributes:
        hint_weights: (len(HINTS),) weights of what tells the vertical.
        input_mean, input_scale: (F,) of `shape.FEATURES`.
        hidden_weights: (F, H) and hidden_bias: (H,) of the tanh layer that predicts the hidden depth.
        output_weights: (H,), output_bias: of its linear output.
        depth_deviation: standard deviation of what it leaves, as a share of `SeenShape.scale`.
    """

    hint_weights: Float
    input_mean: Float
    input_scale: Float
    hidden_weights: Float
    hidden_bias: Float
    output_weights: Float
    output_bias: float
    depth_deviation: float

    def hidden_depth(self, features: Float) -> float:
        """How far an object reaches behind what is seen of it, as a share of `SeenShape.scale`."""
        inputs = np.clip((features - self.input_mean) / self.input_scale, -4.0, 4.0)
        return float(np.tanh(inputs @ self.hidden_weights + self.hidden_bias) @ self.output_weights + self.output_bias)

    @staticmethod
    def of(values: Mapping[str, Any]) -> Calibration:
        """From the mapping in the YAML file; names are checked against the code that uses them.

        Raises:
            ConfigError: it was fitted for other hints or features.
        """
        network = values["hidden_depth"]
        _same_names("hints", values["hint_weights"], HINTS)
        _same_names("features", network["inputs"], FEATURES)
        inputs = np.array([network["inputs"][name] for name in FEATURES])  # mean, scale, one weight per hidden unit
        return Calibration(
            hint_weights=np.array([float(values["hint_weights"][name]) for name in HINTS]),
            input_mean=inputs[:, 0],
            input_scale=inputs[:, 1],
            hidden_weights=inputs[:, 2:],
            hidden_bias=np.array(network["hidden_bias"]),
            output_weights=np.array(network["output_weights"]),
            output_bias=float(network["output_bias"]),
            depth_deviation=float(network["deviation"]),
        )


def _same_names(what: str, given: Mapping[str, Any], wanted: tuple[str, ...]) -> None:
    if set(given) != set(wanted):
        raise ConfigError(
            f"the lifting calibration was fitted for other {what}",
            sorted(set(given) ^ set(wanted)),
            "Fit it again with bench/fit_lifting.py.",
        )


@lru_cache(maxsize=1)
def default_calibration() -> Calibration:
    """The constants that come with the package."""
    import yaml

    text = files("spatialvlm_ros.scenes.lifting").joinpath("calibration.yaml").read_text(encoding="utf-8")
    return Calibration.of(yaml.safe_load(text))
