"""Muon for the matrices inside the network, AdamW for everything else.

In dense supervision the loss of the nouns fell about twice as fast per step with Muon as with AdamW (docs/log.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from spatialvlm_ros.training.split_muon import SplitMuon
from spatialvlm_ros.training.splitting import is_split

MATRIX_RATE = 2.0  # learning rate of the matrices over that of the rest
_VISION = "vision_tower."
_INSIDE = (_VISION, "multi_modal_projector.", "language_model.layers.")


def make_optimizers(model: nn.Module, weight_decay: float) -> list[torch.optim.Optimizer]:
    """[Muon, AdamW] over the parameters of ``model``; embeddings and heads belong to AdamW.

    Groups of the vision encoder have the key ``vision``, for a learning rate of its own. A model that is to be split
    over processes is split before.
    """
    named = list(model.named_parameters())
    matrices: list[dict[str, Any]] = []
    decayed: list[dict[str, Any]] = []
    plain: list[dict[str, Any]] = []
    for vision in (False, True):
        own = [(n, p) for n, p in named if (_VISION in n) == vision]
        matrices.append({"params": [p for n, p in own if _is_matrix(n, p)], "vision": vision})
        others = [p for n, p in own if not _is_matrix(n, p)]
        decayed.append(_group([p for p in others if p.ndim > 1], vision, 0.2 * weight_decay))
        plain.append(_group([p for p in others if p.ndim <= 1], vision, 0.0))
    kind = SplitMuon if any(is_split(p) for _, p in named) else torch.optim.Muon
    muon = kind(
        [g for g in matrices if g["params"]],
        lr=1e-3,
        momentum=0.95,
        weight_decay=weight_decay,
        adjust_lr_fn="match_rms_adamw",
    )
    adam = torch.optim.AdamW([g for g in (*decayed, *plain) if g["params"]], lr=1e-3, betas=(0.9, 0.95))
    return [muon, adam]


def _is_matrix(name: str, parameter: nn.Parameter) -> bool:
    return parameter.ndim == 2 and any(part in name for part in _INSIDE)


def _group(parameters: list[nn.Parameter], vision: bool, weight_decay: float) -> dict[str, Any]:
    return {"params": parameters, "vision": vision, "weight_decay": weight_decay}


def set_rate(optimizers: Sequence[torch.optim.Optimizer], rate: float, vision_share: float = 1.0) -> None:
    """Sets the learning rate of both; the vision encoder has ``vision_share`` of it."""
    for optimizer in optimizers:
        factor = MATRIX_RATE if isinstance(optimizer, torch.optim.Muon) else 1.0
        for group in optimizer.param_groups:
            group["lr"] = factor * rate * (vision_share if group["vision"] else 1.0)
