"""One API for every model.

model = SpatialVLM.from_pretrained("embedded")
view = model.look(observation)
view.measure("red mug", "bowl").value            # metres between their centres
view.measure("red mug", relation="height")
view.measure("mug", "bowl", "left").value        # P(the mug is left of the bowl)
view.locate("red mug").position                  # metres, optical frame
view.ask("How far is the red mug from the bowl?").text
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from spatialvlm_ros.errors import ModelError, ObservationError, SpatialVLMError
from spatialvlm_ros.models.backend import Backend
from spatialvlm_ros.models.calibration import Calibration
from spatialvlm_ros.models.calibration_place import calibration_path
from spatialvlm_ros.models.gathering import RobotKnowledge
from spatialvlm_ros.models.loading import fingerprint_of, load_backend
from spatialvlm_ros.models.opposites import with_opposites_alike
from spatialvlm_ros.models.view import View
from spatialvlm_ros.scenes.observation import Observation

_log = logging.getLogger(__name__)


class SpatialVLM:
    """A model with its calibration.

    Args:
        backend: any `Backend`.
        calibration: fitted for it; the defaults if None (medians stay as the model says them, and the stated
            intervals are not to be trusted).

    Raises:
        CalibrationError: the calibration belongs to another model.
    """

    def __init__(self, backend: Backend, calibration: Calibration | None = None) -> None:
        self.backend = backend
        fitted = calibration or Calibration()
        fitted.check(backend.name, fingerprint_of(backend))
        self.calibration = with_opposites_alike(fitted, getattr(backend, "opposites", {}))

    @staticmethod
    def from_pretrained(
        spec: str, *, calibration: Calibration | str | Path | None = None, **options: Any
    ) -> SpatialVLM:
        """Load a model.

        Args:
            spec: "embedded" (the one that comes with this package), a folder, a hub id, or "openai:URL#model".
            calibration: one, or the path of its file; None takes the one beside the weights, or in the user's cache
                for hub and remote models, where there is one for these weights and options.
            options: for the backend.

        Raises:
            ModelError: it cannot be loaded.
            ConfigError: an option that this kind of model does not have.
            MissingDependencyError: a package it needs is not installed.
            CalibrationError: the calibration is damaged or belongs to another model.
        """
        backend = load_backend(spec, **options)
        if not isinstance(calibration, Calibration):
            path = calibration_path(spec, backend) if calibration is None else Path(calibration)
            if calibration is None and not path.exists():
                _log.warning("%s is not calibrated: its intervals are rough (`spatialvlm calibrate`)", spec)
                calibration = None
            else:
                calibration = Calibration.load(path)
        return SpatialVLM(backend, calibration)

    @property
    def name(self) -> str:
        """What it was loaded from."""
        return self.backend.name

    def look(
        self,
        observation: Observation,
        known_sizes: Mapping[str, Sequence[float]] | None = None,
        gripper: ArrayLike | None = None,
    ) -> View:
        """Encode a picture once.

        Args:
            observation: picture and camera; its depth, vertical and camera height are used where they are known.
            known_sizes: name -> (width, depth, height) in metres of objects whose size is known. One that contradicts
                everything else is left out, and the answers say so; so is a camera height.
            gripper: (3,) tool centre point in the optical frame, metres; makes "gripper" exact.

        Raises:
            ObservationError: not an observation, or one whose depth or camera height cannot be metres.
            QueryError: a malformed size or gripper.
            ModelError: the model cannot encode the picture.
        """
        knowledge = RobotKnowledge.of(known_sizes, gripper)
        return self._views([observation], knowledge)[0]

    def look_many(
        self, observations: Sequence[Observation], known_sizes: Mapping[str, Sequence[float]] | None = None
    ) -> list[View]:
        """Encode many pictures, in one pass where the model can: for recordings and data sets.

        Args:
            observations: of any cameras. Memory grows with their number; a few dozen fill the processor.
            known_sizes: as of `look`, in all pictures.

        Returns:
            A `View` each, in order.

        Raises:
            ObservationError, QueryError, ModelError: as `look`; one bad observation fails them all.
        """
        return self._views(list(observations), RobotKnowledge.of(known_sizes, None))

    def _views(self, observations: list[Observation], knowledge: RobotKnowledge) -> list[View]:
        for observation in observations:
            if not isinstance(observation, Observation):
                raise ObservationError(
                    "a model looks at an Observation", type(observation).__name__, "Make one of picture and camera."
                )
        encode_many = getattr(self.backend, "encode_many", None)
        try:
            if encode_many is None or len(observations) < 2:
                encoded = [self.backend.encode(observation) for observation in observations]
            else:
                encoded = encode_many(observations)
            seen = zip(observations, encoded, strict=True)
            return [View(self.backend, self.calibration, observation, knowledge, one) for observation, one in seen]
        except SpatialVLMError:
            raise
        except Exception as error:
            raise ModelError(
                f"{self.name} failed on a picture", str(error), "Try a smaller model or picture."
            ) from error
