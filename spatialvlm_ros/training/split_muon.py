"""Muon for split matrices: moments stay split, each update is orthogonalised as the whole matrix it is."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from spatialvlm_ros.training.splitting import split_like, whole


class SplitMuon(torch.optim.Muon):
    """`torch.optim.Muon` with ``adjust_lr_fn="match_rms_adamw"``, also over parameters that are DTensors.

    Every process gathers and orthogonalises every matrix, one at a time, and keeps its own part: time is not saved,
    and beyond its parts a process holds one matrix. All processes must step together.
    """

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One step over all parameters that have a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)
        return loss

    def _update(self, parameter: Tensor, group: dict[str, Any]) -> None:
        state, gradient, momentum = self.state[parameter], parameter.grad, group["momentum"]
        assert gradient is not None
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(gradient)
        buffer = state["momentum_buffer"]
        buffer.lerp_(gradient, 1 - momentum)
        direction = gradient.lerp(buffer, momentum) if group["nesterov"] else buffer
        orthogonal = orthogonalised(whole(direction), group["ns_coefficients"], group["ns_steps"], group["eps"])
        rate = group["lr"] * 0.2 * math.sqrt(max(parameter.shape))
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.add_(split_like(orthogonal, parameter), alpha=-rate)


def orthogonalised(matrix: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float) -> Tensor:
    """(A, B) -> (A, B) bfloat16 with singular values near 1, by the iteration of Newton and Schulz as torch has it."""
    a, b, c = coefficients
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.bfloat16().T if tall else matrix.bfloat16()
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x
