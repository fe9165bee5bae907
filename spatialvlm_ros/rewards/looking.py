"""Pictures of robots: what is looked at, and one pass of a model over the pictures of many robots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import ModelError, SpatialVLMError
from spatialvlm_ros.models.estimate import Estimate, Reason
from spatialvlm_ros.models.gathering import RobotKnowledge
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.models.view import View
from spatialvlm_ros.scenes.observation import Observation

if TYPE_CHECKING:
    from spatialvlm_ros.models.spatial_vlm import SpatialVLM

Float = NDArray[np.float64]
KnownSizes = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Sight:
    """A picture of a robot at work.

    Attributes:
        observation: picture and camera; depth, vertical and camera height where they are known.
        gripper: (3,) tool centre point in the optical frame, metres; None if it is not known.
    """

    observation: Observation
    gripper: Float | None = None


def look_at_all(model: SpatialVLM, sights: Sequence[Sight], known_sizes: KnownSizes | None = None) -> list[View]:
    """One view of each picture, encoded in one pass where the model can.

    Raises:
        ObservationError, QueryError, ModelError: as `SpatialVLM.look`.
    """
    sights = list(sights)
    if len(sights) == 1:
        return [model.look(sights[0].observation, known_sizes, sights[0].gripper)]
    if all(sight.gripper is None for sight in sights):
        return model.look_many([sight.observation for sight in sights], known_sizes)
    # `look_many` knows the same of all pictures; each robot's hand is elsewhere.
    knowledge = [RobotKnowledge.of(known_sizes, sight.gripper) for sight in sights]
    encoded = _encoded(model, [sight.observation for sight in sights])
    seen = zip(sights, knowledge, encoded, strict=True)
    return [View(model.backend, model.calibration, sight.observation, known, one) for sight, known, one in seen]


def _encoded(model: SpatialVLM, observations: list[Observation]) -> Sequence[Any]:
    """What the model makes of each; a picture that comes several times, with more or less beside it, is read once."""
    encode_many = getattr(model.backend, "encode_many", None)
    different = {(id(o.rgb), o.camera): o for o in observations}
    pictures = list(different.values())
    try:
        made = [model.backend.encode(o) for o in pictures] if encode_many is None else encode_many(pictures)
    except SpatialVLMError:
        raise
    except Exception as error:
        raise ModelError(f"{model.name} failed on a picture", str(error), "Try a smaller model or picture.") from error
    encoded = dict(zip(different, made, strict=True))
    return [encoded[id(o.rgb), o.camera] for o in observations]


def not_measured(queries: Sequence[Query], reason: Reason, detail: str) -> list[Estimate]:
    """The estimates of a picture that nobody looked at."""
    return [
        Estimate.invalid(
            q.kind, str(q.subject), "" if q.reference is None else str(q.reference), reason, q.unit, detail
        )
        for q in queries
    ]
