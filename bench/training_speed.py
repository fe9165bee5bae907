"""Speed of training the shipped model's shape in one process: pictures and tokens a second, share of the peak, memory.

    python bench/training_speed.py [--scenes 20] [--steps 12] [--batch 8] [--gpu-batch 128] [--json]
    python bench/training_speed.py --config config/train/embedded_gpu.yaml --store FOLDER --device cuda

Both stages of config/train/embedded.yaml, or of another configuration, are trained for a few steps on views that are
rendered before. "tokens" are those of pictures and questions without padding. The share of the peak is that of a step
alone, its batch prepared before: the operations of matrix products and convolutions that `torch.utils.flop_counter`
counts (forward, backward and optimiser) over its time, against a large matrix product of the same number format in the
same run. The processor is always measured; where there is a GPU, the same is measured there and stands under "gpu",
else that is null.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from spatialvlm_ros.models.embedded.folder import read_marker
from spatialvlm_ros.models.embedded.weights import shipped_folder
from spatialvlm_ros.training.config import StageConfig, TrainConfig
from spatialvlm_ros.training.loader import BatchKind, Prepared
from spatialvlm_ros.training.rendering import render_store
from spatialvlm_ros.training.run import _lexicon, _load_tokenizer, _loader, _model, _prepare_words
from spatialvlm_ros.training.trainer import Trainer

CONFIG = Path(__file__).resolve().parents[1] / "config" / "train" / "embedded.yaml"
WARM_UP, LONE_STEPS = 2, 5
MATRIX = {"cpu": 2048, "cuda": 8192}  # rows and columns of the product that tells the peak
SHORT = {torch.bfloat16: "bf16", torch.float16: "fp16", torch.float32: "fp32"}


def matmul_peak(device: str, dtype: torch.dtype, runs: int = 5) -> float:
    """Operations a second of the quickest of several large matrix products."""
    size = MATRIX[device]
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    best = float("inf")
    for _ in range(runs + 1):
        finish(device)
        began = time.perf_counter()
        torch.mm(a, b)
        finish(device)
        best = min(best, time.perf_counter() - began)
    return 2 * size**3 / best


def finish(device: str) -> None:
    """Waits until a device has done all that it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


def configuration(path: Path, folder: Path, store: Path, batch: int | None) -> TrainConfig:
    """A run on the views in ``store``; the usual one with the shape and weights of the shipped model."""
    config = TrainConfig.load(path)
    if path == CONFIG:
        shipped = read_marker(shipped_folder())
        warm = {"shape": shipped.shape, "camera_mode": shipped.camera_mode, "start_from": str(shipped_folder())}
        config = replace(config, encoder_from="", **warm)
    return replace(
        config,
        out=str(folder),
        train=replace(config.train, folder=str(store)),
        stages=tuple(replace(stage, batch=batch or stage.batch) for stage in config.stages),
    )


def trainer_of(config: TrainConfig, device: str) -> Trainer:
    """What ``spatialvlm train`` makes, without validation."""
    from accelerate import Accelerator

    _prepare_words(config, Path(config.out))
    lexicon, tokenizer = _lexicon(config), _load_tokenizer(Path(config.out) / "tokenizer")
    accelerator = Accelerator(cpu=device == "cpu")
    loader = _loader(config, config.train, lexicon, tokenizer, accelerator)
    return Trainer(config, _model(config, lexicon, tokenizer), loader, None, accelerator)


def tokens(batch: Prepared, picture_tokens: int) -> int:
    """Of the pictures, or of pictures and questions."""
    if batch.packed is None:
        return len(batch.pixels) * picture_tokens
    return int(np.count_nonzero(batch.packed.ids))  # padding is token 0


def backward_of_convolution(
    gradient: Sequence[int], _: Sequence[int], weight: Sequence[int], *settings: Any, **__: Any
) -> int:
    """Operations of a convolution's gradients from the shapes; torch's own count takes depthwise ones for full ones."""
    wanted = settings[-1]  # of input, weight and bias
    return 2 * gradient[0] * math.prod(gradient[2:]) * math.prod(weight) * (int(wanted[0]) + int(wanted[1]))


COUNTS = {torch.ops.aten.convolution_backward: backward_of_convolution}


def begin_stage(trainer: Trainer, stage: StageConfig) -> None:
    """What the trainer does before the first step of a stage."""
    for parameter in trainer.bare.vlm.model.vision_tower.parameters():
        parameter.requires_grad_(not stage.frozen_vision)
    trainer.bare.weights = replace(trainer.config.weights, **stage.weights)
    trainer.model.train()


def stage_speed(trainer: Trainer, stage: StageConfig, steps: int, device: str, peak: float) -> dict[str, float]:
    """One stage: with its batches made on the way as in training, and the step alone."""
    begin_stage(trainer, stage)
    picture_tokens = trainer.config.shape.picture_tokens
    stream = trainer.loader.stream(0, BatchKind(stage.batch, stage.language, dense=True))
    times, said, kept, shares = [], [], [], []
    for number, batch in enumerate(itertools.islice(stream, WARM_UP + steps)):
        if number == WARM_UP:
            finish(device)
            began = time.perf_counter()
        trainer._step(batch, stage, number, 0.5)
        if number >= WARM_UP:
            said.append(tokens(batch, picture_tokens))
            kept.append(batch)
    finish(device)
    seconds = time.perf_counter() - began
    stream.close()
    for batch in kept[:LONE_STEPS]:
        with FlopCounterMode(display=False, custom_mapping=COUNTS) as counter:
            trainer._step(batch, stage, 0, 0.5)
        finish(device)
        began = time.perf_counter()
        trainer._step(batch, stage, 0, 0.5)
        finish(device)
        times.append(time.perf_counter() - began)
        shares.append(counter.get_total_flops() / times[-1] / peak)
    return {
        "batch": stage.batch,
        "pictures_per_s": steps * stage.batch / seconds,
        "tokens_per_s": sum(said) / seconds,
        "tokens_per_picture": sum(said) / steps / stage.batch,
        "step_ms": 1e3 * statistics.median(times),
        "gflop_per_picture": counter.get_total_flops() / stage.batch / 1e9,
        "share_of_peak": statistics.median(shares),
    }


def on_device(device: str, config: TrainConfig, steps: int) -> dict[str, Any]:
    """All rows of one device."""
    torch.manual_seed(0)
    trainer = trainer_of(config, device)
    peaks = {dtype: matmul_peak(device, dtype) for dtype in (torch.bfloat16, torch.float32)}
    result: dict[str, Any] = {
        "device": torch.cuda.get_device_name() if device == "cuda" else device,
        "threads": torch.get_num_threads(),
        "dtype": SHORT[trainer.dtype],
        "million_parameters": sum(p.numel() for p in trainer.bare.vlm.parameters()) / 1e6,
        **{f"peak_{SHORT[dtype]}_gflops": peak / 1e9 for dtype, peak in peaks.items()},
    }
    for stage in config.stages:
        result[stage.name] = stage_speed(trainer, stage, steps, device, peaks[trainer.dtype])
    host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    result["peak_mib"] = torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else host
    return result


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=CONFIG, help="another run, its shape and fresh weights")
    parser.add_argument("--scenes", type=int, default=20, help="that are rendered (default: 20, of 16 views)")
    parser.add_argument("--steps", type=int, default=12, help="of each stage (default: 12)")
    parser.add_argument("--batch", type=int, help="pictures a step on the processor (default: as configured)")
    parser.add_argument("--gpu-batch", type=int, default=128, help="pictures a step on a GPU (default: 128)")
    parser.add_argument("--store", type=Path, help="measure on the views in this folder instead of rendering some")
    parser.add_argument("--device", choices=sorted(MATRIX), help="this one alone, from --store")
    parser.add_argument("--json", action="store_true", help="print nothing but the JSON, in one line")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if args.device:
            batch = args.gpu_batch if args.device == "cuda" else args.batch
            config = configuration(args.config, Path(folder), args.store, batch)
            result = on_device(args.device, config, args.steps)
        else:
            result = on_all(Path(folder), args)
    print(json.dumps(result, indent=None if args.json else 1))


def on_all(folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """The rows of the processor, and under "gpu" those of a GPU; each in a process of its own, to know its memory."""
    store = args.store or folder / "store"
    if args.store is None:
        simulation = {**configuration(args.config, folder, store, None).train.simulation, "scenes": args.scenes}
        render_store(store, simulation, "train", processes=1)

    def measured(device: str) -> dict[str, Any]:
        command = [sys.executable, __file__, "--json", "--device", device, "--store", str(store)]
        command += ["--config", str(args.config)]
        command += ["--steps", str(args.steps), "--gpu-batch", str(args.gpu_batch)]
        command += ["--batch", str(args.batch)] if args.batch else []
        out = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        return json.loads(out.splitlines()[-1])

    return {**measured("cpu"), "gpu": measured("cuda") if torch.cuda.is_available() else None}


if __name__ == "__main__":
    main()
