"""Supervised attention: where a slot should look in the picture while it locates its object.

A small model finds it hard to discover that the patch with the right noun is the one to copy places from. Simulation
knows which patches show the object, so two heads of one decoder layer are taught to look there; what they carry over is
the model's own business. The architecture is untouched, and nothing of this is left in the saved model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spatialvlm_ros.training.augmentation import Sample
from spatialvlm_ros.training.packing import Tree

LAYER, HEADS = 1, 2  # the second layer: the first one gathers the words of the name
_LEAST_COVERED = 0.25  # of a patch
_FLOOR = 1e-4


@dataclass(frozen=True)
class Looks:
    """M tokens and the patches they should look at.

    Attributes:
        views, positions: (M,) index of the view in the batch and position in the packed sequence.
        patches: (M, T) bool, which of the T picture tokens show the object.
    """

    views: NDArray[np.int64]
    positions: NDArray[np.int64]
    patches: NDArray[np.bool_]


def looks_of(trees: Sequence[Tree], samples: Sequence[Sample], prefix: int, cells_per_token: int) -> Looks:
    """Which tokens of a batch look where; objects without a cell are left out."""
    views, positions, patches = [], [], []
    for b, (tree, sample) in enumerate(zip(trees, samples, strict=True)):
        covered = covered_patches(sample, cells_per_token)
        for token, thing in tree.looks:
            if covered[thing].any():
                views.append(b)
                positions.append(prefix + token)
                patches.append(covered[thing])
    n = (samples[0].cells.size // cells_per_token**2) if samples else 0
    shape = (len(views), n)
    return Looks(np.array(views, np.int64), np.array(positions, np.int64), np.array(patches, bool).reshape(shape))


def covered_patches(sample: Sample, cells_per_token: int) -> NDArray[np.bool_]:
    """(K, T) whether picture token t shows enough of object k; the fullest one always counts."""
    n, k = cells_per_token, len(sample.scene.objects)
    rows, columns = sample.cells.shape
    own = sample.cells[None] == np.arange(k)[:, None, None]
    share = own.reshape(k, rows // n, n, columns // n, n).mean(axis=(2, 4)).reshape(k, -1)
    return (share >= np.minimum(_LEAST_COVERED, share.max(axis=1, keepdims=True, initial=0.0))) & (share > 0)


class AttentionTap:
    """Keeps the attention of one decoder layer of the running forward pass.

    Args:
        vlm: the model, with eager attention.
    """

    def __init__(self, vlm: Any) -> None:
        self.weights: Tensor | None = None
        layers = vlm.model.language_model.layers
        layers[min(LAYER, len(layers) - 1)].self_attn.register_forward_hook(self._keep)

    def _keep(self, _: Any, __: Any, output: Any) -> None:
        self.weights = output[1]

    def loss(self, looks: Looks) -> Tensor:
        """Mean negative log share of the attention that falls on the right patches; frees what was kept."""
        assert self.weights is not None
        weights, self.weights = self.weights, None
        if not len(looks.views):
            return weights.sum() * 0.0
        device = weights.device
        at = (torch.from_numpy(looks.views).to(device), torch.from_numpy(looks.positions).to(device))
        patches = torch.from_numpy(looks.patches).to(device)
        taught = weights[:, :HEADS][at[0], :, at[1], : patches.shape[1]].float()
        right = (taught * patches[:, None]).sum(dim=-1)
        return -torch.log(right + _FLOOR).mean()
