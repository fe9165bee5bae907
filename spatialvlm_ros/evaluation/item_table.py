"""All items of a bench as columns, so that scoring is a few array operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.evaluation.items import ItemKind, TruthView
from spatialvlm_ros.questions.families import FAMILIES, FAMILY_NAMES, Kind

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Bool = NDArray[np.bool_]

NEAR_ZERO_M = 0.05  # a shorter length is judged in centimetres, not in per cent
MODEL_SIDE_PX = 16.0  # shorter side of a named object's box in the model's picture

_NUMERIC = np.array([f.kind is Kind.NUMBER for f in FAMILIES.values()])
_SIGNED = np.array([f.signed for f in FAMILIES.values()])
_KINDS = tuple(ItemKind)


@dataclass(frozen=True)
class ItemTable:
    """M items of V views, in the order of the bench.

    Attributes:
        view: (M,) number of the view.
        cluster: (M,) number of the scene; pictures of one scene are drawn together by the bootstrap.
        position: (M,) number of the item in its view.
        kind: (M,) index in `ItemKind`.
        family: (M,) index in `FAMILY_NAMES`.
        value, range_m, side: (M,) as in `Item`.
        split: (M,) index in ``splits``.
        subject, reference: M names as asked ("" for none); the nouns of the objects are in the next two.
        subject_noun, reference_noun: "camera" for the camera.
        question: M questions, "" for none.
        splits: names of the shifts.
    """

    view: Int
    cluster: Int
    position: Int
    kind: Int
    family: Int
    value: Float
    range_m: Float
    side: Float
    split: Int
    subject: NDArray[np.object_]
    reference: NDArray[np.object_]
    subject_noun: NDArray[np.object_]
    reference_noun: NDArray[np.object_]
    question: NDArray[np.object_]
    splits: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.view)

    @staticmethod
    def of(views: Sequence[TruthView]) -> ItemTable:
        """The table of ``views``."""
        splits = tuple(dict.fromkeys(v.split for v in views))
        scenes = {scene: k for k, scene in enumerate(dict.fromkeys(v.scene for v in views))}
        rows = [(n, v, k, i) for n, v in enumerate(views) for k, i in enumerate(v.items)]

        def noun(view: TruthView, index: int, name: str) -> str:
            return view.objects[index].noun if index >= 0 else name

        def words(values: list[str]) -> NDArray[np.object_]:
            column = np.empty(len(values), dtype=object)
            column[:] = values
            return column

        return ItemTable(
            view=np.array([n for n, *_ in rows], np.int64),
            cluster=np.array([scenes[v.scene] for _, v, _, _ in rows], np.int64),
            position=np.array([k for _, _, k, _ in rows], np.int64),
            kind=np.array([_KINDS.index(i.kind) for *_, i in rows], np.int64),
            family=np.array([FAMILY_NAMES.index(i.family) for *_, i in rows], np.int64),
            value=np.array([i.value for *_, i in rows], np.float64),
            range_m=np.array([i.range_m for *_, i in rows], np.float64),
            side=np.array([i.side for *_, i in rows], np.float64),
            split=np.array([splits.index(v.split) for _, v, _, _ in rows], np.int64),
            subject=words([i.subject for *_, i in rows]),
            reference=words([i.reference for *_, i in rows]),
            subject_noun=words([noun(v, i.subject_index, i.subject) for _, v, _, i in rows]),
            reference_noun=words([noun(v, i.reference_index, i.reference) for _, v, _, i in rows]),
            question=words([i.question for *_, i in rows]),
            splits=splits,
        )

    def take(self, index: Int | Bool) -> ItemTable:
        """The rows at ``index``."""
        return replace(self, **{f.name: getattr(self, f.name)[index] for f in fields(self) if f.name != "splits"})

    # ---- which rows count where ----

    def of_kind(self, kind: ItemKind) -> Bool:
        """(M,) items of one kind."""
        return self.kind == _KINDS.index(kind)

    def answerable(self, model_width: int) -> Bool:
        """(M,) items that ask for a value, of objects that are large enough in a picture ``model_width`` wide. (That
        each name is there once and half of the object is seen holds for all of them.)"""
        return self.of_kind(ItemKind.MEASURE) & (self.side * model_width >= MODEL_SIDE_PX)

    @property
    def numeric(self) -> Bool:
        """(M,) items of the 13 numeric families."""
        return _NUMERIC[self.family]

    @property
    def signed(self) -> Bool:
        """(M,) items of families whose value may be negative."""
        return _SIGNED[self.family]

    @property
    def by_ratio(self) -> Bool:
        """(M,) numbers that are judged in per cent: unsigned and at least 5 cm."""
        return self.numeric & ~self.signed & (self.value >= NEAR_ZERO_M)

    @property
    def by_metres(self) -> Bool:
        """(M,) numbers that are judged in centimetres: signed or near zero."""
        return self.numeric & ~self.by_ratio
