"""A model split over processes (FSDP 2): who asks for it, how it is cut, and how whole tensors come and go.

accelerate's variables decide, so a run is started as usual, but its own preparation is not used: without a GPU it
leaves the model whole and says nothing, and it wraps optimisers, which are then no `torch.optim.Muon` any more.
"""

from __future__ import annotations

import os
from typing import Any, cast

import torch
from torch import Tensor, nn

from spatialvlm_ros.errors import TrainingError

_WANTED, _VERSION = "ACCELERATE_USE_FSDP", "FSDP_VERSION"
_OTHER_WAYS = ("ACCELERATE_USE_DEEPSPEED", "ACCELERATE_USE_MEGATRON_LM", "ACCELERATE_USE_PARALLELISM_CONFIG")
# Whoever asks for them counts on memory that would not be saved.
_OPTIONS = ("FSDP_OFFLOAD_PARAMS", "FSDP_ACTIVATION_CHECKPOINTING", "FSDP_IGNORED_MODULES")
_OFF = ("", "false", "0", "no", "off", "none")


def split_wanted() -> bool:
    """Whether ``accelerate launch --use_fsdp``, or whoever set its variables, wants the model split.

    Raises:
        TrainingError: it is to be split in another way than by FSDP 2, or with options that are not heeded.
    """
    for variable in _OTHER_WAYS:
        if _on(variable):
            raise TrainingError(
                "this trainer splits a model by FSDP 2 alone", variable, f"Set {_WANTED}=true and {_VERSION}=2 instead."
            )
    if not _on(_WANTED):
        return False
    version = os.environ.get(_VERSION, "1")  # accelerate's default
    if version != "2":
        raise TrainingError(
            "this trainer splits a model by FSDP 2 alone",
            f"{_VERSION}={version}",
            f"Use accelerate launch --fsdp_version 2, or set {_VERSION}=2.",
        )
    for variable in _OPTIONS:
        if _on(variable):
            raise TrainingError("this trainer does not know this option of FSDP", variable, "Leave it out.")
    return True


def _on(variable: str) -> bool:
    return os.environ.get(variable, "").lower() not in _OFF


def split(model: nn.Module, device: torch.device) -> nn.Module:
    """Cuts all parameters of a `TrainedModel` along their first axis, in place; every process keeps its part.

    Units, which are gathered one at a time: each layer of the decoder, the vision encoder, and all the rest (the tied
    embeddings among it). As with DDP, the first process's weights count. Parameters become DTensors, so optimisers are
    made afterwards. One process alone keeps the model whole.

    Args:
        model: on ``device``, with the same parameters in all processes.
        device: of this process.
    """
    if not torch.distributed.is_initialized() or torch.distributed.get_world_size() == 1:
        return model
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    _equalise(model)
    mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
    vlm = cast(Any, model).vlm.model
    # The root gives its parameters back after a forward pass too: validation and checkpoints read them between steps.
    for unit in (*vlm.language_model.layers, vlm.vision_tower, model):
        fully_shard(unit, mesh=mesh, reshard_after_forward=True)
    return model


@torch.no_grad()
def _equalise(model: nn.Module) -> None:
    """transformers leaves weights out in all processes but the first where FSDP's variables ask for it."""
    for tensor in (*model.parameters(), *model.buffers()):
        torch.distributed.broadcast(tensor, 0)


def is_split(tensor: Tensor) -> bool:
    """Whether this process holds a part of the tensor only."""
    if not torch.distributed.is_available():
        return False
    from torch.distributed.tensor import DTensor

    return isinstance(tensor, DTensor)


def whole(tensor: Tensor) -> Tensor:
    """The tensor itself, or gathered where it is split: all processes must call this in the same order."""
    return tensor.full_tensor() if is_split(tensor) else tensor  # type: ignore[attr-defined]


def split_like(tensor: Tensor, like: Tensor) -> Tensor:
    """A whole tensor on the device of ``like``, and cut as that is; every process brings the whole one."""
    tensor = tensor.to(like.device)
    if not is_split(like):
        return tensor
    from torch.distributed.tensor import distribute_tensor

    mesh, placements = like.device_mesh, like.placements  # type: ignore[attr-defined]
    return distribute_tensor(tensor, mesh, placements, src_data_rank=None)
