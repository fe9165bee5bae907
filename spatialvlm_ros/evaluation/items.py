"""What a bench asks of a view, and what is true: one `Item` per question, one `TruthView` per picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from enum import Enum
from typing import Any

import numpy as np

from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.models.query import CAMERA_NAME, Query
from spatialvlm_ros.questions.families import FAMILIES

DECIMALS = 4  # metres (and shares) are kept to a tenth of a millimetre: what the hash of a bench is taken over
NO_OBJECT, CAMERA_OBJECT = -1, -2


class ItemKind(str, Enum):
    """What the right reaction to an item is."""

    MEASURE = "measure"  # an answer
    ABSENT = "absent"  # a refusal: a named object is not there
    AMBIGUOUS = "ambiguous"  # a refusal: several objects have that name
    OUT_OF_RANGE = "out_of_range"  # a refusal: the camera and the lengths are beyond what models are trained for

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Item:
    """One question about a view.

    Attributes:
        kind: what is expected.
        family: one of the 43.
        subject, reference: the names as they are asked for; the reference is "" where there is none.
        subject_index, reference_index: in the view's objects; -1 none (or no such object), -2 the camera.
        value: exact signed length or signed margin, metres; NaN where the question has no truth.
        range_m: metres from the camera to the farther of the named objects; NaN where there is none.
        side: shorter side of the smaller 2D box of the named objects, as a share of the picture's width; NaN for none.
        question: the question in words, "" for items that are only measured.
        zoom: focal length of the picture that is shown, in units of the true one (1 except out of range).
    """

    kind: ItemKind
    family: str
    subject: str
    reference: str = ""
    subject_index: int = NO_OBJECT
    reference_index: int = NO_OBJECT
    value: float = float("nan")
    range_m: float = float("nan")
    side: float = float("nan")
    question: str = ""
    zoom: float = 1.0

    def query(self) -> Query:
        """What `View.measure_many` is asked. Choices and classes are asked as the predicate that decides them."""
        return Query(self.subject, self.reference or None, FAMILIES[self.family].relation)

    def to_json(self) -> dict[str, Any]:
        """As a mapping of plain values, rounded; defaults are left out."""
        values = {name: _rounded(value) for name, value in asdict(self).items()}
        values["kind"] = str(self.kind)
        keep = ("kind", "family", "subject")
        return {n: v for n, v in values.items() if n in keep or v != _DEFAULTS[n] and v is not None}

    @staticmethod
    def from_json(values: dict[str, Any]) -> Item:
        """The inverse of `to_json`."""
        return Item(**{**values, "kind": ItemKind(values["kind"])})


_DEFAULTS = {f.name: f.default for f in Item.__dataclass_fields__.values()}


@dataclass(frozen=True)
class TruthObject:
    """A visible object of a view: label and noun, asset, visible box (4,) pixels, visible fraction, centre (3,) and
    size (3,) of its whole box in metres (optical frame; the box's own axes)."""

    label: str
    noun: str
    asset: str
    box2d: tuple[float, ...]
    visible: float
    center: tuple[float, ...]
    size: tuple[float, ...]

    @staticmethod
    def from_json(values: dict[str, Any]) -> TruthObject:
        """From a mapping of plain values."""
        frozen: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in values.items()}
        return TruthObject(**frozen)


@dataclass(frozen=True)
class TruthView:
    """Everything that is true of one picture, and what is asked about it.

    Attributes:
        view_id: unique in the bench.
        scene: id of the arrangement that it shows; pictures of one scene are no independent witnesses.
        split: the shift ("new_objects", ...).
        setting: "room" or "table".
        picture: path of the picture without ending, relative to the bench.
        camera: width, height, fx, fy, cx, cy.
        up: (3,) in the optical frame.
        camera_height: metres over the support plane, or None.
        objects, items: see there.
    """

    view_id: str
    scene: str
    split: str
    setting: str
    picture: str
    camera: tuple[float, ...]
    up: tuple[float, ...]
    camera_height: float | None
    objects: tuple[TruthObject, ...]
    items: tuple[Item, ...]

    def camera_model(self, zoom: float = 1.0) -> Camera:
        """The pinhole camera; ``zoom`` multiplies its focal lengths."""
        width, height, fx, fy, cx, cy = self.camera
        return Camera(int(width), int(height), fx * zoom, fy * zoom, cx, cy)

    def with_items(self, items: Sequence[Item]) -> TruthView:
        """The same view, asked something else."""
        return replace(self, items=tuple(items))

    def to_json(self) -> dict[str, Any]:
        """As a mapping of plain values, rounded."""
        return {
            "view_id": self.view_id,
            "scene": self.scene,
            "split": self.split,
            "setting": self.setting,
            "picture": self.picture,
            "camera": _rounded(self.camera),
            "up": _rounded(self.up),
            "camera_height": _rounded(self.camera_height),
            "objects": [{n: _rounded(v) for n, v in asdict(o).items()} for o in self.objects],
            "items": [i.to_json() for i in self.items],
        }

    @staticmethod
    def from_json(values: dict[str, Any]) -> TruthView:
        """The inverse of `to_json`."""
        objects = tuple(map(TruthObject.from_json, values["objects"]))
        items = tuple(Item.from_json(i) for i in values["items"])
        camera, up = tuple(values["camera"]), tuple(values["up"])
        return TruthView(**{**values, "objects": objects, "items": items, "camera": camera, "up": up})


def _rounded(value: Any) -> Any:
    """Floats to `DECIMALS`, without a negative zero; NaN becomes None."""
    if isinstance(value, (tuple, list)):
        return [_rounded(v) for v in value]
    if isinstance(value, (float, np.floating)):
        return None if not np.isfinite(value) else round(float(value), DECIMALS) + 0.0
    return value


def names_of(item: Item) -> tuple[str, ...]:
    """The names of an item that mean objects (not the camera)."""
    return tuple(n for n in (item.subject, item.reference) if n and n != CAMERA_NAME)
