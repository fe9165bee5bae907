"""A friend with exact geometry: what a chain of thought can at best be told, and where the truth comes from."""

from __future__ import annotations

from collections.abc import Generator, Sequence

import numpy as np

from spatialvlm_ros.geometry.frames import CanonicalFrame
from spatialvlm_ros.models.estimate import PROBABILITY, Answer, Estimate, LocatedObject, Reason, Source
from spatialvlm_ros.models.query import ObjectRef, Query, is_camera
from spatialvlm_ros.models.question_reading import read_question
from spatialvlm_ros.reasoning.texts import estimate_words
from spatialvlm_ros.scenes.pairs import CAMERA, scene_pairs
from spatialvlm_ros.scenes.relations import Relation, relation_values
from spatialvlm_ros.scenes.scene import Scene

_SOURCES = frozenset({Source.GROUND_TRUTH})


class ExactFriend:
    """Stands in for a `View` of a scene whose objects have 3D boxes.

    Args:
        scene: with its frame; names are the labels of its objects, and "camera".
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    def measure_many(self, queries: Sequence[Query]) -> list[Estimate]:
        """See `Friend`."""
        return [self._measure(query) for query in queries]

    def locate_many(self, subjects: Sequence[ObjectRef | Sequence[float]]) -> list[LocatedObject]:
        """See `Friend`; sizes are extents along the axes of the frame."""
        return [self._locate(str(subject)) for subject in subjects]

    def ask(self, question: str) -> Answer:
        """The measurement that the question asks for, in words."""
        query = read_question(question)
        if query is None:
            return Answer(question, reason=Reason.MODEL_ERROR, detail="I only measure.")
        estimate = self._measure(query)
        if not estimate.valid:
            return Answer(question, reason=estimate.reason, estimate=estimate, detail=estimate.detail)
        return Answer(question, f"{estimate_words(estimate)}.", True, Reason.OK, estimate)

    def ask_steps(self, question: str) -> Generator[None, None, Answer]:
        """`ask` with one pause."""
        yield
        return self.ask(question)

    def frame(self) -> CanonicalFrame:
        """Of the scene."""
        return self.scene.frame

    def index(self, name: str) -> int | Reason:
        """The place of a named object in the scene, `CAMERA`, or why there is none."""
        if is_camera(name):
            return CAMERA
        found = [k for k, thing in enumerate(self.scene.objects) if thing.label.lower() == name.lower()]
        if len(found) == 1:
            return found[0]
        return Reason.AMBIGUOUS if found else Reason.NOT_VISIBLE

    def value(self, relation: Relation, *names: str) -> float:
        """The exact value of a relation; NaN where a name is not there once, or the frame is not known."""
        found = [self.index(name) for name in names]
        if any(isinstance(k, Reason) for k in found):
            return float("nan")
        rows = [[k] for k in found if not isinstance(k, Reason)]
        return float(relation_values(relation, scene_pairs(self.scene, *rows))[0])

    def _measure(self, query: Query) -> Estimate:
        names = [str(n) for n in (query.subject, query.reference) if n is not None]
        subject, reference = names[0], names[1] if len(names) > 1 else ""
        for name in names:
            missing = self.index(name)
            if isinstance(missing, Reason):
                detail = f'"{name}": {"several of them" if missing is Reason.AMBIGUOUS else "not in the picture"}.'
                return Estimate.invalid(query.kind, subject, reference, missing, query.unit, detail)
        value = self.value(query.kind, *names)
        if np.isnan(value):
            detail = "The vertical or the support plane is not known."
            return Estimate.invalid(query.kind, subject, reference, Reason.NO_FRAME, query.unit, detail)
        value = float(value > 0) if query.unit == PROBABILITY else value
        return Estimate(
            query.kind,
            subject,
            reference,
            value,
            0.0,
            (value, value),
            query.unit,
            _SOURCES,
            True,
            Reason.OK,
        )

    def _locate(self, name: str) -> LocatedObject:
        found = self.index(name)
        if isinstance(found, Reason):
            return LocatedObject(name, reason=found, detail=f'"{name}": {found}.')
        if found == CAMERA:
            zero = np.zeros(3)
            nowhere = np.full(4, np.nan)
            return LocatedObject(name, True, Reason.OK, nowhere, 1.0, zero, np.zeros((3, 3)), zero, zero, _SOURCES)
        thing, frame = self.scene.objects[found], self.scene.frame
        assert thing.box3d is not None
        size = np.array([thing.box3d.extent_along(a)[0] for a in (frame.left, frame.forward, frame.up)])
        position, covariance = thing.box3d.centers[0], np.zeros((3, 3))
        return LocatedObject(name, True, Reason.OK, thing.box2d, 1.0, position, covariance, size, np.zeros(3), _SOURCES)
