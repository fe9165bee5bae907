"""What is learnt at the read-out positions: soft labels on the grids, classes, words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from spatialvlm_ros.models.embedded.vocabulary import Vocabulary
from spatialvlm_ros.training.packing import Packed, Target

# Width of the soft labels in bins: a neighbouring bin is nearly right.
_SIGMA = {Target.PLACE: 1.0, Target.LENGTH: 1.0}


@dataclass(frozen=True)
class Batch:
    """A packed batch as tensors on one device.

    Attributes:
        ids, positions: (B, S) int64.
        mask: (B, 1, S, S) additive attention mask in the compute type.
        targets: (B, S) int64, `Target` per position.
        values: (B, S) float32.
        pixels: (B, 5, H, W) float32.
    """

    ids: Tensor
    positions: Tensor
    mask: Tensor
    targets: Tensor
    values: Tensor
    pixels: Tensor

    @staticmethod
    def of(packed: Packed, pixels: np.ndarray, device: torch.device, dtype: torch.dtype) -> Batch:
        """Moves a packed batch to a device."""
        allowed = torch.from_numpy(packed.allowed).to(device)[:, None]
        mask = torch.zeros(allowed.shape, dtype=dtype, device=device).masked_fill_(~allowed, torch.finfo(dtype).min)
        return Batch(
            torch.from_numpy(packed.ids).to(device),
            torch.from_numpy(packed.positions).to(device),
            mask,
            torch.from_numpy(packed.targets.astype(np.int64)).to(device),
            torch.from_numpy(packed.values).to(device),
            torch.from_numpy(pixels).to(device),
        )


def answer_tokens(vocabulary: Vocabulary, target: Target) -> range:
    """Ids that can stand at a position of this kind."""
    return {
        Target.PLACE: vocabulary.places,
        Target.LENGTH: vocabulary.lengths,
        Target.PRESENCE: vocabulary.presence,
        Target.YES_NO: vocabulary.yes_no,
    }[target]


def read_logits(hidden: Tensor, embedding: Tensor, ids: range) -> Tensor:
    """(N, D) states -> (N, len(ids)) float32 logits of the admissible tokens only."""
    return (hidden @ embedding[ids.start : ids.stop].to(hidden.dtype).T).float()


def answer_losses(hidden: Tensor, embedding: Tensor, batch: Batch, vocabulary: Vocabulary) -> dict[str, Tensor]:
    """Mean loss per kind of target.

    Args:
        hidden: (B, S, D) last states of the decoder.
        embedding: (V, D) tied embeddings.
        batch: with targets.
        vocabulary: of the special tokens.
    """
    losses = {}
    for target in (Target.PLACE, Target.LENGTH, Target.PRESENCE, Target.YES_NO):
        at = batch.targets == target
        values = batch.values[at]
        if not len(values):
            losses[target.name.lower()] = hidden.sum() * 0.0
            continue
        logits = read_logits(hidden[at], embedding, answer_tokens(vocabulary, target))
        losses[target.name.lower()] = _loss(logits, values, _SIGMA.get(target))
    at = batch.targets == Target.TEXT
    if bool(at.any()):
        logits = (hidden[at] @ embedding.to(hidden.dtype).T).float()
        losses["text"] = functional.cross_entropy(logits, batch.values[at].long())
    else:
        losses["text"] = hidden.sum() * 0.0
    return losses


def _loss(logits: Tensor, values: Tensor, sigma: float | None) -> Tensor:
    if sigma is None:
        return functional.cross_entropy(logits, values.long())
    middles = torch.arange(logits.shape[1], device=logits.device) + 0.5
    label = torch.softmax(-0.5 * ((middles - values[:, None]) / sigma) ** 2, dim=1)
    return functional.cross_entropy(logits, label)
