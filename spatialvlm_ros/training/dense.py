"""Dense supervision of the picture tokens: what stands in each cell, where its object is, how far and how large.

Answers alone teach a small model nothing: it falls into the blind answer and stays there. Simulation knows the truth of
every cell, and heads on the picture tokens (dropped when the model is saved) make the tokens say it. The heads sit on
the tokens that the language model reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from spatialvlm_ros.scenes.scene import SceneObject
from spatialvlm_ros.training.augmentation import Sample

CELLS_PER_TOKEN = 2  # along each side
PLACE_UNIT = 64.0  # canvas pixels
_NUMBERS = 11  # depth; centre x, y; log range; log sizes; box
_BACKGROUND = 0.01  # weight of a cell; most cells are background, and it is learnt first
_DEPTH, _CENTER, _RANGE, _SIZES, _BOX = 0, slice(1, 3), 3, slice(4, 7), slice(7, 11)


@dataclass(frozen=True)
class DenseTargets:
    """Truth per cell of B views; arrays (B, h, w, ...).

    Attributes:
        words: (B, h, w) int64 index of the object's noun, 0 for background.
        attributes: (B, h, w) int64 index of the object's first attribute, 0 for none.
        numbers: (B, h, w, 11) float32: log canonical depth; the object's centre from the middle of the canvas in
            units of 64 pixels (2), log canonical range of the centre, log extents along left, forward, up (3), its box
            like the centre (4); NaN where unknown. Places are absolute on purpose: a decoder can only say where a thing
            is if the picture's tokens carry where they are.
        weights: (B, h, w) float32 of the cells. A wardrobe fills a hundred times the cells of a mug; were all cells
            alike, small things would never be learnt (docs/log.md).
    """

    words: NDArray[np.int64]
    attributes: NDArray[np.int64]
    numbers: NDArray[np.float32]
    weights: NDArray[np.float32]


class Lexicon:
    """Nouns and attributes that dense supervision tells apart; index 0 is "none of them".

    Args:
        nouns, attributes: in a fixed order.
    """

    def __init__(self, nouns: Sequence[str], attributes: Sequence[str]) -> None:
        self.nouns, self.attributes = tuple(nouns), tuple(attributes)
        self._nouns = {w: k + 1 for k, w in enumerate(self.nouns)}
        self._attributes = {w: k + 1 for k, w in enumerate(self.attributes)}

    def codes(self, objects: Sequence[SceneObject]) -> NDArray[np.int64]:
        """(K + 1, 2) noun and attribute of each object; the last row is background."""
        rows = [(self._nouns.get(o.noun, 0), self._attribute(o.attributes)) for o in objects]
        return np.array([*rows, (0, 0)], dtype=np.int64)

    def _attribute(self, attributes: Sequence[str]) -> int:
        return next((self._attributes[a] for a in attributes if a in self._attributes), 0)


def object_numbers(sample: Sample) -> NDArray[np.float64]:
    """(K, 6) per object: canvas pixels of its centre (x, y), log canonical range, log extents (left, forward, up)."""
    boxes, frame = sample.scene.boxes(), sample.scene.frame
    n = len(boxes)
    centers = sample.camera.project(boxes.centers)
    behind = boxes.centers[:, 2] < 0.05
    centers = np.where(behind[:, None], np.nan, centers)
    ranges = np.log(np.linalg.norm(boxes.centers, axis=1) * sample.canonical_scale)
    axes = (frame.left, frame.forward, frame.up)
    sizes = [np.log(np.maximum(boxes.extent_along(np.tile(a, (n, 1))), 1e-3)) for a in axes]
    return np.column_stack([centers, ranges, *sizes])


def dense_targets(samples: Sequence[Sample], lexicon: Lexicon) -> DenseTargets:
    """Targets of a batch."""
    words, attributes, numbers, weights = [], [], [], []
    for sample in samples:
        codes = lexicon.codes(sample.scene.objects)[sample.cells]
        words.append(codes[..., 0])
        attributes.append(codes[..., 1])
        numbers.append(_numbers(sample))
        weights.append(cell_weights(sample.cells, len(sample.scene.objects)))
    return DenseTargets(np.stack(words), np.stack(attributes), np.stack(numbers), np.stack(weights))


def cell_weights(cells: NDArray[np.integer], objects: int) -> NDArray[np.float32]:
    """(h, w) weight of each cell; an object's cells weigh together as the fourth root of their number.

    Args:
        cells: (h, w) index of the object in each cell, -1 (or ``objects``) for background.
        objects: number of objects of the view.
    """
    there = (cells >= 0) & (cells < objects)
    counts = np.bincount(cells[there], minlength=max(objects, 1))
    own = np.maximum(counts, 1).astype(np.float64) ** -0.75
    return np.where(there, own[np.where(there, cells, 0)], _BACKGROUND).astype(np.float32)


def _numbers(sample: Sample) -> NDArray[np.float32]:
    middle = np.array([sample.camera.width / 2, sample.camera.height / 2])
    about = object_numbers(sample)
    centers = np.clip((about[:, :2] - middle) / PLACE_UNIT, -4, 4)
    boxes = (sample.boxes - np.tile(middle, 2)) / PLACE_UNIT
    known = np.column_stack([centers, about[:, 2:], boxes])
    numbers = np.empty((*sample.cells.shape, _NUMBERS), np.float32)
    numbers[..., _DEPTH] = sample.depths
    numbers[..., 1:] = np.vstack([known, np.full(_NUMBERS - 1, np.nan)])[sample.cells]
    return numbers


class DenseHeads(nn.Module):
    """Linear heads from each picture token to its 2 x 2 cells.

    Args:
        width: of the tokens.
        nouns, attributes: number of classes, background included.
    """

    def __init__(self, width: int, nouns: int, attributes: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.cells = nn.Linear(width, CELLS_PER_TOKEN**2 * 128)
        self.words = nn.Linear(128, nouns)
        self.attributes = nn.Linear(128, attributes)
        self.numbers = nn.Linear(128, _NUMBERS)

    def forward(self, tokens: Tensor, rows: int, columns: int) -> tuple[Tensor, Tensor, Tensor]:
        """(B, rows * columns, width) tokens -> per cell (B, 2 rows, 2 columns, ...) nouns, attributes, numbers."""
        n = CELLS_PER_TOKEN
        cells = self.cells(self.norm(tokens)).view(len(tokens), rows, columns, n, n, 128)
        cells = cells.permute(0, 1, 3, 2, 4, 5).reshape(len(tokens), rows * n, columns * n, 128)
        cells = functional.gelu(cells)
        return self.words(cells), self.attributes(cells), self.numbers(cells)


def dense_losses(heads: tuple[Tensor, Tensor, Tensor], targets: DenseTargets) -> dict[str, Tensor]:
    """Mean losses per kind, weighted by cells; depth counts every cell alike."""
    words, attributes, numbers = (h.float() for h in heads)
    device = words.device
    nouns = torch.from_numpy(targets.words).to(device)
    named = torch.from_numpy(targets.attributes).to(device)
    truth = torch.from_numpy(targets.numbers).to(device)
    weight = torch.from_numpy(targets.weights).to(device)
    known = torch.isfinite(truth)
    errors = functional.smooth_l1_loss(numbers, torch.nan_to_num(truth), reduction="none", beta=0.1)
    of_objects = weight[..., None].expand(*weight.shape, _NUMBERS - 1)
    share = known * torch.cat([torch.ones_like(weight)[..., None], of_objects], dim=-1)
    means = (errors * share).sum(dim=(0, 1, 2)) / share.sum(dim=(0, 1, 2)).clamp(min=1e-6)
    noun_loss = functional.cross_entropy(words.flatten(0, 2), nouns.flatten(), reduction="none")
    attribute_loss = functional.cross_entropy(attributes.flatten(0, 2), named.flatten(), reduction="none")
    total = weight.sum()
    return {
        "noun": (noun_loss * weight.flatten()).sum() / total,
        "attribute": (attribute_loss * weight.flatten()).sum() / total,
        "depth": means[_DEPTH],
        "center": means[_CENTER].mean(),
        "range": means[_RANGE],
        "size": means[_SIZES].mean(),
        "box": means[_BOX].mean(),
    }
