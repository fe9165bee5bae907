"""A small bench, and models with the judge's API that know its truth, to a known error."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from spatialvlm_ros.evaluation.items import Item, ItemKind, TruthView
from spatialvlm_ros.evaluation.score import named_objects
from spatialvlm_ros.models.estimate import Answer, Estimate, LocatedObject, Reason
from spatialvlm_ros.questions.families import FAMILIES, Kind

Z90 = 1.6448536269514722

# Small enough to be rendered in a few seconds; a real bench never has primitives.
SMALL_BENCH = {
    "name": "tiny",
    "seed": 3,
    "views_per_part": 6,
    "splits": ["new_scenes", "new_cameras"],
    "out_of_range_every": 2,
    "least_questions": 4,
    "pack": None,
    "simulation": {"width": 160, "height": 120, "antialiasing": 0, "shadow_size": 0, "min_visible_pixels": 20},
}


@dataclass
class OracleModel:
    """Answers with the truth of the bench, which it recognises by the camera (different in every view).

    Args:
        views: truth.
        log_noise: standard deviation of the factor on unsigned lengths, in log metres.
        metre_noise: standard deviation of what is added to signed lengths, metres.
        claimed: multiplies the standard deviation that its intervals are made from.
        refuses: whether it refuses what is to be refused.
        wrong_sides: share of predicates that it answers wrongly.
        fails_after: raises KeyboardInterrupt once it has looked at so many pictures.
    """

    views: tuple[TruthView, ...]
    log_noise: float = 0.0
    metre_noise: float = 0.0
    claimed: float = 1.0
    refuses: bool = True
    wrong_sides: float = 0.0
    fails_after: int | None = None
    name: str = "oracle"
    looked: list[str] = field(default_factory=list)

    def look(self, observation) -> OracleView:
        if self.fails_after is not None and len(self.looked) >= self.fails_after:
            raise KeyboardInterrupt
        camera = observation.camera
        size = (camera.width, camera.height)
        view = next(v for v in self.views if v.camera[:2] == size and _zoom(v, camera) is not None)
        self.looked.append(view.view_id)
        return OracleView(self, view, abs(_zoom(view, camera) - 1) > 1e-6)


def _zoom(view: TruthView, camera) -> float | None:
    for zoom in {1.0, *(i.zoom for i in view.items)}:
        if abs(view.camera[2] * zoom - camera.fx) < 1e-3:
            return zoom
    return None


@dataclass
class OracleView:
    model: OracleModel
    view: TruthView
    far: bool

    def _items(self, query) -> list[Item]:
        return [i for i in self.view.items if (i.zoom != 1) == self.far and i.query() == query]

    def measure_many(self, queries):
        return [self._measure(q) for q in queries]

    def _measure(self, query) -> Estimate:
        item = self._items(query)[0]
        invalid = Estimate.invalid(query.kind, item.subject, item.reference, Reason.NOT_VISIBLE)
        if item.kind is not ItemKind.MEASURE and self.model.refuses:
            return invalid
        value = item.value if np.isfinite(item.value) else 1.0
        rng = np.random.default_rng(abs(hash((item.subject, item.reference, item.family, value))) % 2**32)
        family = FAMILIES[item.family]
        if family.qualitative:
            right = (value > 0) == (rng.random() >= self.model.wrong_sides)
            return self._valid(query, item, 0.9 if right else 0.1, 0.0, (0.0, 1.0))
        if family.signed or value <= 0:
            std = self.model.metre_noise
            said = value + std * rng.standard_normal()
            half = Z90 * std * self.model.claimed
            return self._valid(query, item, said, std, (said - half, said + half))
        std = self.model.log_noise
        said = value * np.exp(std * rng.standard_normal())
        factor = np.exp(Z90 * std * self.model.claimed)
        return self._valid(query, item, said, said * std, (said / factor, said * factor))

    @staticmethod
    def _valid(query, item, value, std, interval) -> Estimate:
        return Estimate(
            query.kind, item.subject, item.reference, float(value), float(std), interval, valid=True, reason=Reason.OK
        )

    def locate_many(self, names):
        known = named_objects(self.view)
        boxes = [np.array(self.view.objects[known[n]].box2d) for n in names]
        return [LocatedObject(n, True, Reason.OK, box) for n, box in zip(names, boxes, strict=True)]

    def ask(self, question, own_words=False) -> Answer:
        item = next(i for i in self.view.items if i.question == question)
        return Answer(question, in_words(item), True, Reason.OK)


def in_words(item: Item) -> str:
    """A true answer, as exact as words with millimetres are."""
    family = FAMILIES[item.family]
    first = item.value > 0
    if family.kind is Kind.PREDICATE:
        return "Yes." if first else "No."
    if family.kind is Kind.CHOICE:
        return f"The {item.subject if first else item.reference}."
    if family.kind is Kind.CLASSIFY:
        return f"{family.words[0 if first else 1]}.".capitalize()
    length = f"{abs(item.value) * 100:.2f} cm"
    if family.signed and abs(item.value) > 5e-5:
        return f"{length} {family.words[0 if first else 1]}"
    return length
