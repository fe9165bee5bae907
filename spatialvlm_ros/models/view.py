"""One picture, encoded once, of which many things are asked."""

from __future__ import annotations

import logging
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import QueryError, SpatialVLMError
from spatialvlm_ros.geometry.frames import CanonicalFrame
from spatialvlm_ros.models.abstention import Refusal, object_refusals, query_refusals
from spatialvlm_ros.models.answering import estimates_of, located_of
from spatialvlm_ros.models.backend import Backend, FrameReading, Locations
from spatialvlm_ros.models.calibration import Calibration
from spatialvlm_ros.models.closer import Window, better_recognised
from spatialvlm_ros.models.estimate import Answer, Estimate, LocatedObject, Reason
from spatialvlm_ros.models.fusion import ReadOuts, interpret
from spatialvlm_ros.models.gathering import (
    DepthCache,
    Failure,
    RobotKnowledge,
    distinct_objects,
    failure_of,
    gather,
    grounded,
    read_queries,
    with_regions,
)
from spatialvlm_ros.models.known_sizes import known_size_table
from spatialvlm_ros.models.located import Located, locate_objects, view_frame
from spatialvlm_ros.models.query import ObjectRef, Query, Region, checked_object
from spatialvlm_ros.models.question_reading import ReadQuestion, read_family_question
from spatialvlm_ros.models.readings import ViewReadings
from spatialvlm_ros.models.telling import told
from spatialvlm_ros.models.unit_checks import check_units
from spatialvlm_ros.scenes.observation import Observation
from spatialvlm_ros.scenes.relations import Relation

Float = NDArray[np.float64]

NO_WORDS = "The model had no words for this."

_log = logging.getLogger(__name__)


class View:
    """A picture that a model has looked at. Made by `SpatialVLM.look` and `look_many`, which encode it.

    Attributes:
        observation: as it was given.

    Raises:
        ObservationError: its depth or camera height cannot be metres, or no lens sees what its camera says.
    """

    def __init__(
        self,
        backend: Backend,
        calibration: Calibration,
        observation: Observation,
        knowledge: RobotKnowledge,
        encoded: Any,
    ) -> None:
        check_units(observation)
        self.observation = observation
        self._backend = backend
        self._calibration = calibration
        self._knowledge = knowledge
        self._encoded = encoded
        self._frame: FrameReading | None = None
        self._frame_read = False
        self._depth = DepthCache(observation, knowledge)

    # ---- measuring ----

    def measure(
        self,
        subject: ObjectRef | Sequence[float],
        reference: ObjectRef | Sequence[float] | None = None,
        relation: Relation | str = Relation.DISTANCE,
    ) -> Estimate:
        """Measure one quantity.

        Args:
            subject: a name, a box (x0, y0, x1, y1) or a point (u, v) in pixels, "camera" or "gripper".
            reference: the other object; None for quantities of one object.
            relation: a `Relation` or its name.

        Returns:
            Metres (m3 for a volume) or, for a predicate, P(true); invalid with a reason instead of an exception where
            the picture gives no answer.

        Raises:
            QueryError: a malformed object, or a reference too few or too many.
            RelationError: an unknown relation.
        """
        return self.measure_many([Query(subject, reference, relation)])[0]  # type: ignore[arg-type]

    def measure_many(self, queries: Sequence[Query]) -> list[Estimate]:
        """Measure N quantities in one batch; one `Estimate` each, in order.

        Raises:
            QueryError: one of them is no `Query`.
        """
        queries = list(queries)
        return self.measure_with_readouts(queries)[0] if queries else []

    def measure_with_readouts(self, queries: Sequence[Query]) -> tuple[list[Estimate], ReadOuts]:
        """`measure_many` and the `readouts` that it rests on, of one reading."""
        queries = list(queries)
        readings, failures = self._read(queries)
        readouts = interpret(readings, self._calibration)
        of_objects = self._object_refusals(readings, readouts.raw.located)
        refusals = query_refusals(readings, readouts, self._calibration, of_objects)
        for n, failure in failures.items():
            refusals[n] = refusals[n] if _stronger(refusals[n]) else Refusal(failure.reason, failure.detail)
        return estimates_of(queries, readings, readouts, refusals), readouts

    def readouts(self, queries: Sequence[Query]) -> ReadOuts:
        """Both read-outs of N queries and what they are combined to, without abstention; for evaluation."""
        return interpret(self._read(list(queries))[0], self._calibration)

    def readings(self, queries: Sequence[Query]) -> ViewReadings:
        """Everything known of N queries before calibration; what a calibration is fitted on."""
        return self._read(list(queries))[0]

    # ---- locating ----

    def locate(self, subject: ObjectRef | Sequence[float]) -> LocatedObject:
        """Where an object is (see `locate_many`)."""
        return self.locate_many([subject])[0]

    def locate_many(self, subjects: Sequence[ObjectRef | Sequence[float]]) -> list[LocatedObject]:
        """Where objects are: 2D box in pixels, position in the optical frame in metres with covariance, size.

        Raises:
            QueryError: a malformed object.
        """
        objects = tuple(dict.fromkeys(checked_object(s) for s in subjects))
        if not objects:
            return []
        try:
            locations = self._backend.locate(self._encoded, list(objects))
        except Exception as error:  # noqa: BLE001  whatever a model raises, an answer says so
            failure = failure_of(error)
            _log.warning("locating %d objects failed: %s", len(objects), error)
            return [
                LocatedObject(str(checked_object(s)), reason=failure.reason, detail=failure.detail) for s in subjects
            ]
        readings = self._gathered(objects, locations)
        put = locate_objects(readings, self._calibration.location, self._calibration.depth)
        refusals = self._object_refusals(readings, put)
        located = dict(zip(objects, located_of(readings, put, refusals, self._calibration.location), strict=True))
        return [located[checked_object(s)] for s in subjects]

    def locate_closer(self, subjects: Sequence[ObjectRef | Sequence[float]]) -> list[LocatedObject]:
        """`locate_many`, and once more in the part of the picture where these objects seem to be.

        Costs another encoding of a picture. Each object is as the look has it that recognises it better (see
        `LocatedObject.recognition`; without a calibration that tells it, as the first look has it), in pixels of the
        whole picture.

        Raises:
            QueryError: a malformed object.
        """
        located = self.locate_many(subjects)
        boxes = np.array([found.box2d for found in located], dtype=np.float64).reshape(-1, 4)
        camera = self.observation.camera
        window = Window.around(boxes, camera.width, camera.height)
        given = [isinstance(checked_object(subject), Region) for subject in subjects]
        if window is None or any(given):  # a region needs no search, and is in pixels of this picture
            return located
        part = window.of(self.observation)
        try:
            encoded = self._backend.encode(part)
        except Exception as error:  # noqa: BLE001  whatever a model raises, there is the first look
            _log.warning("looking closer failed: %s", error)
            return located
        near = View(self._backend, self._calibration, part, self._knowledge, encoded)
        return better_recognised(located, [window.in_picture(found) for found in near.locate_many(subjects)])

    # ---- words ----

    def ask(self, question: str, own_words: bool = False) -> Answer:
        """Answer a question in words.

        A question of one of the 43 families is answered by a measurement, which is attached, told in a sentence: a
        model that measures well may still say another number, and it says one of what is not there. All other
        questions are answered in the model's own words.

        Args:
            question: in English.
            own_words: the model's own words for every question, the measurement beside them.

        Returns:
            An invalid `Answer` with the reason of the measurement; with `Reason.MODEL_ERROR` (or TIMEOUT) if the
            model fails or says nothing.

        Raises:
            QueryError: the question is no text.
        """
        return _last(self.ask_steps(question, own_words))

    def ask_steps(self, question: str, own_words: bool = False) -> Generator[None, None, Answer]:
        """`ask` in steps: yields after the measurement and, where the model can, after every token.

        Whoever owns the model does other things in between (standing queries of newer pictures). Returns the answer.
        """
        if not isinstance(question, str):
            raise QueryError("a question is text", question, "Pass a string.")
        text = " ".join(question.split())
        if not text:
            return Answer(question, reason=Reason.MODEL_ERROR, detail="The question is empty.")
        try:
            read, estimate = read_family_question(text), None
        except QueryError as error:
            return Answer(text, reason=Reason.MODEL_ERROR, detail=str(error))
        if read is not None:
            try:
                estimate = self.measure_many([read.query])[0]
            except SpatialVLMError as error:
                _log.debug("no measurement for %r: %s", text, error)
            yield
            if estimate is not None and not own_words:
                return _told(text, read, estimate)
        try:
            steps = getattr(self._backend, "ask_steps", None)
            said = self._backend.ask(self._encoded, text) if steps is None else (yield from steps(self._encoded, text))
        except Exception as error:  # noqa: BLE001
            failure = failure_of(error)
            return Answer(text, reason=failure.reason, estimate=estimate, detail=failure.detail)
        if not said.strip():
            return Answer(text, reason=Reason.MODEL_ERROR, estimate=estimate, detail=NO_WORDS)
        return Answer(text, said, valid=True, reason=Reason.OK, estimate=estimate)

    # ---- the frame ----

    def frame(self) -> CanonicalFrame:
        """The canonical frame that signed quantities are in: by the robot's vertical, else the planes in depth, else
        the model's. Level 0 where nothing tells it."""
        return view_frame(self._gathered((), Locations.unknown(0)), self._calibration.location).frame

    # ---- gathering ----

    def _read(self, queries: list[Query]) -> tuple[ViewReadings, dict[int, Failure]]:
        for query in queries:
            if not isinstance(query, Query):
                raise QueryError("a view is asked by `Query`s", query, 'Pass Query("mug", "bowl", "distance").')
        read, failures = read_queries(self._backend, self._encoded, queries)
        objects, subjects, references = distinct_objects(queries)
        locations = grounded(read, subjects, references, len(objects))
        locations = self._located_besides(objects, locations)
        readings = self._gathered(objects, locations, queries, subjects, references, read)
        return readings, failures

    def _located_besides(self, objects: tuple[ObjectRef, ...], locations: Locations) -> Locations:
        """Models that answer without locating are asked where things are, where depth or a known size makes metres of
        it. Whether a thing is there they have said already: who is asked for a box may give one of something else."""
        tells = np.isfinite(known_size_table(self._knowledge.known_sizes, objects)).all(axis=1)
        unseen = np.isnan(locations.boxes).any(axis=1) & (tells | (self.observation.depth is not None))
        wanted = [k for k in np.flatnonzero(unseen) if isinstance(objects[k], str) and self._is_named(objects[k])]
        if not wanted:
            return locations
        try:
            found = self._backend.locate(self._encoded, [objects[k] for k in wanted])
        except Exception as error:  # noqa: BLE001
            _log.warning("locating %d objects for depth or their size failed: %s", len(wanted), error)
            return locations
        names = Locations.__dataclass_fields__
        arrays = {name: np.array(getattr(locations, name)) for name in names}
        for name in names:
            arrays[name][wanted] = getattr(found, name)
        said = locations.presence[wanted]
        arrays["presence"][wanted] = np.where(np.isfinite(said), said, found.presence)
        return Locations(**arrays)

    def _is_named(self, given: ObjectRef) -> bool:
        return bool(np.isnan(self._knowledge.position(given)[1]).any())

    def _gathered(
        self,
        objects: tuple[ObjectRef, ...],
        locations: Locations,
        queries: Sequence[Query] = (),
        *rest: Any,
    ) -> ViewReadings:
        locations = with_regions(locations, objects, self.observation)
        depth = self._depth.measure(objects, locations)
        return gather(self.observation, self._knowledge, self._frame_of(), objects, locations, depth, queries, *rest)

    def _frame_of(self) -> FrameReading | None:
        if not self._frame_read:
            try:
                self._frame = self._backend.frame(self._encoded)
            except Exception as error:  # noqa: BLE001
                _log.warning("the model gives no frame: %s", error)
            self._frame_read = True
        return self._frame

    def _object_refusals(self, readings: ViewReadings, located: Located) -> list[Refusal | None]:
        """Of the trained ranges only where the metres come from the model: a depth sensor sees as far as it sees."""
        ranges_m = getattr(self._backend, "ranges_m", None)
        thresholds = self._calibration.thresholds
        return object_refusals(readings.objects, readings, thresholds, self._knows, ranges_m, located.metric)

    def _knows(self, name: str) -> bool:
        knows = getattr(self._backend, "knows", None)
        return True if knows is None else bool(knows(name))


def _last(steps: Generator[None, None, Answer]) -> Answer:
    """What a generator returns, all steps at once."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            answer: Answer = end.value
            return answer


def _told(question: str, read: ReadQuestion, estimate: Estimate) -> Answer:
    """The measurement in words, or its refusal."""
    if not estimate.valid:
        return Answer(question, reason=estimate.reason, estimate=estimate, detail=estimate.detail)
    said = told(read.family, read.query, estimate)
    return Answer(question, said, valid=True, reason=Reason.OK, estimate=estimate, detail=estimate.detail)


def _stronger(refusal: Refusal | None) -> bool:
    """Reasons that hold whether or not the model answered."""
    return refusal is not None and refusal.reason in (Reason.OUT_OF_VIEW, Reason.UNKNOWN_NAME)
