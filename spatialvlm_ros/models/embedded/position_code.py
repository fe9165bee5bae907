"""Sines and cosines that tell each picture token where it stands on the canvas.

The encoder hardly passes on where a token is: trained without this code, the tokens placed things of 20 pixels no
better than things of 100, 17 pixels off (docs/log.md). The code has no weights, so the checkpoint stays an ordinary
one; it is added behind the projector, where decoder and dense heads both read.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from spatialvlm_ros.models.embedded.architecture import STRIDE, ModelShape

_SHORTEST = 2.0  # wavelength in tokens; the longest is twice the canvas


def position_code(rows: int, columns: int, width: int) -> Tensor:
    """(rows * columns, width) float32 of unit amplitude: the first half tells the column, the second the row."""
    half = width // 2
    longest = 2.0 * max(rows, columns)
    waves = _SHORTEST * (longest / _SHORTEST) ** (torch.arange(half // 2) / max(half // 2 - 1, 1))
    code = torch.zeros(rows, columns, width)
    for first, at in ((0, torch.arange(columns) + 0.5), (half, torch.arange(rows) + 0.5)):
        angles = 2 * math.pi * at[:, None] / waves
        part = torch.cat([angles.sin(), angles.cos()], dim=1)
        part = part[None] if first == 0 else part[:, None]
        code[..., first : first + part.shape[-1]] = part
    return code.flatten(0, 1)


def add_position_code(vlm: Any, shape: ModelShape) -> None:
    """Lets a model add the code to its picture tokens from now on; nothing where the shape has none.

    Args:
        vlm: ``FastVlmForConditionalGeneration``.
        shape: of the model; ``position_code`` is the amplitude.
    """
    if not shape.position_code:
        return
    code = shape.position_code * position_code(shape.height // STRIDE, shape.width // STRIDE, shape.hidden)

    def add(_: Any, __: Any, tokens: Tensor) -> Tensor:
        return tokens + code.to(tokens.device, tokens.dtype)

    vlm.model.multi_modal_projector.register_forward_hook(add)
