"""Whose answers they are: a name does not say which weights, settings and calibration a model has today."""

from __future__ import annotations

from typing import Any

from spatialvlm_ros.models.calibration import Calibration

_UNCALIBRATED = Calibration().digest()


def identity_of(model: Any) -> dict[str, str]:
    """What beside its name decides what a model says, as far as it can be told.

    Args:
        model: a `SpatialVLM`, or anything else that is judged.

    Returns:
        ``weights`` where its backend has a fingerprint of them (and of how it is asked), ``calibration`` where one was
        fitted.
    """
    weights = str(getattr(getattr(model, "backend", None), "fingerprint", "") or "")
    calibration = getattr(model, "calibration", None)
    fitted = calibration.digest() if isinstance(calibration, Calibration) else _UNCALIBRATED
    told = {"weights": weights, "calibration": "" if fitted == _UNCALIBRATED else fitted}
    return {name: value for name, value in told.items() if value}
