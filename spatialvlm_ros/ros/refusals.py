"""Why there is no answer from a picture, as errors and as estimates. No rclpy in here."""

from __future__ import annotations

from spatialvlm_ros.errors import SpatialVLMError
from spatialvlm_ros.models.estimate import PROBABILITY, Estimate, Reason
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.ros.observations import FrameRefusedError
from spatialvlm_ros.scenes.relations import RELATIONS


class NoPictureError(SpatialVLMError):
    """There is no picture to answer from.

    Attributes:
        reason: what the answer says.
    """

    def __init__(self, reason: Reason, fault: str, remedy: str = "") -> None:
        super().__init__(fault, remedy=remedy)
        self.reason = reason


def not_active() -> NoPictureError:
    """The node was deactivated meanwhile."""
    return NoPictureError(Reason.NOT_CONFIGURED, "the node is not active any more", "Activate it.")


def of_frame(error: FrameRefusedError) -> NoPictureError:
    """Where no observation can be made of a picture."""
    return NoPictureError(error.reason, str(error).removesuffix("."))


def refusal_of(query: Query, reason: Reason, detail: str) -> Estimate:
    """The invalid answer to a query."""
    unit = PROBABILITY if RELATIONS[query.kind].predicate else RELATIONS[query.kind].unit
    reference = "" if query.reference is None else str(query.reference)
    return Estimate.invalid(query.kind, str(query.subject), reference, reason, unit, detail)
