"""Every exception this package raises on purpose.

An error names three things: the fault, the value that caused it, and the remedy. Code that catches a
library's exception re-raises one of these with ``from``.
"""

from __future__ import annotations

_NO_VALUE = object()


class SpatialVLMError(Exception):
    """Base of all errors of this package.

    Args:
        fault: what is wrong, as a sentence without a full stop.
        value: the offending value, shown in the message (leave out where there is none).
        remedy: what the caller can do about it.
    """

    def __init__(self, fault: str, value: object = _NO_VALUE, remedy: str = "") -> None:
        self.fault = fault
        self.value = None if value is _NO_VALUE else value
        self.remedy = remedy
        shown = "" if value is _NO_VALUE else f" (got {_brief(value)})"
        stop = "" if not shown and fault.endswith((".", "?", "!")) else "."
        super().__init__(f"{fault}{shown}{stop}" + (f" {remedy}" if remedy else ""))

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions cross process boundaries (dataset workers); the default would replay the formatted message.
        return (_rebuild, (type(self), self.args[0], self.fault, self.value, self.remedy))


def _rebuild(kind: type[SpatialVLMError], message: str, fault: str, value: object, remedy: str) -> SpatialVLMError:
    error = kind.__new__(kind)
    Exception.__init__(error, message)
    error.fault, error.value, error.remedy = fault, value, remedy
    return error


def _brief(value: object, limit: int = 120) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."


class CameraModelError(SpatialVLMError):
    """A camera model is incomplete, inconsistent or of an unknown kind."""


class DepthError(SpatialVLMError):
    """A depth picture has the wrong type, shape, unit or no valid pixel."""


class GeometryError(SpatialVLMError):
    """Points, planes, boxes or rotations are malformed or degenerate."""


class FrameError(SpatialVLMError):
    """A quantity needs a canonical frame (up, support plane) that is not known."""


class TransformError(SpatialVLMError):
    """A transform between two frames cannot be given at that time."""


class RelationError(SpatialVLMError):
    """An unknown relation, or a relation asked of the wrong number of objects."""


class ObservationError(SpatialVLMError):
    """A camera frame (picture, depth, camera) is malformed."""


class AssetError(SpatialVLMError):
    """The asset pack or one of its sources is missing, damaged or of another version."""


class SimulationError(SpatialVLMError):
    """A scene cannot be built, compiled or rendered."""


class TemplateError(SpatialVLMError):
    """A question or answer template is malformed."""


class QuestionError(SpatialVLMError):
    """A question cannot be generated or parsed as asked for."""


class SourceError(SpatialVLMError):
    """A data source (folder, bag, stereo pair, simulation) cannot be read."""


class PerceptionError(SpatialVLMError):
    """A perception expert failed or returned something unusable."""


class DatasetError(SpatialVLMError):
    """A data set, shard or manifest is missing, damaged or of another version."""


class OutputError(SpatialVLMError):
    """A result cannot be written: its folder is read-only, or the disk is full."""


class ConfigError(SpatialVLMError):
    """A configuration value is unknown or out of range."""


class QueryError(SpatialVLMError):
    """A measurement that cannot be asked for: no such object, too many words, a reference too many."""


class ModelError(SpatialVLMError):
    """A model cannot be loaded, does not fit its tokenizer, or failed while it ran."""


class RemoteError(ModelError):
    """A server cannot be reached, refuses, or answers something unusable."""


class CalibrationError(SpatialVLMError):
    """A calibration is missing, of another model, or has too little data to be fitted."""


class EvaluationError(SpatialVLMError):
    """A benchmark is missing, damaged, changed, or of an unknown format."""


class TrainingError(SpatialVLMError):
    """A training run cannot start, go on or be resumed."""


class MissingDependencyError(SpatialVLMError):
    """An optional package or system library is not installed."""
