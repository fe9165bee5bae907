"""Where a model runs and in which number format: the first accelerator, and bfloat16 only where it is fast."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.optional import require

EXTRA = "models"
DTYPES = ("float32", "float16", "bfloat16")
FAST_BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})


def cpu_flags(cpuinfo: str | Path = "/proc/cpuinfo") -> frozenset[str]:
    """The instruction sets of the first CPU, in the kernel's spelling; empty where the kernel does not list them."""
    try:
        lines = Path(cpuinfo).read_text(errors="replace").splitlines()
    except OSError:
        return frozenset()
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()


def cpu_has_fast_bf16(flags: frozenset[str] | None = None) -> bool:
    """Whether the CPU multiplies bfloat16 itself (avx512_bf16 or AMX); without that it is slower than float32."""
    return bool(FAST_BF16_FLAGS & (cpu_flags() if flags is None else flags))


def pick_device(device: str = "auto") -> str:
    """ "cpu", "cuda", "cuda:1", "mps" as given; "auto" is the first accelerator, else the CPU.

    Raises:
        ConfigError: a device that torch does not know or that is not there.
        MissingDependencyError: torch is missing.
    """
    torch = require("torch", EXTRA)
    if device == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        kind = torch.device(device)
    except RuntimeError as error:
        raise ConfigError("unknown device", device, "Use auto, cpu, cuda, cuda:1 or mps.") from error
    there = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}.get(kind.type)
    if there is not None and not there():
        raise ConfigError("this device is not there", device, "Use auto or cpu.")
    return device


def pick_dtype(dtype: str = "auto", device: str = "cpu", flags: frozenset[str] | None = None) -> Any:
    """The torch dtype: as named; "auto" is bfloat16 on CUDA and on CPUs with avx512_bf16 or AMX, else float32.

    Args:
        dtype: "auto", "float32", "float16" or "bfloat16".
        device: a device as `pick_device` gives it.
        flags: instruction sets to decide by; None asks this machine.

    Raises:
        ConfigError: another dtype.
        MissingDependencyError: torch is missing.
    """
    torch = require("torch", EXTRA)
    if dtype == "auto":
        fast = torch.cuda.is_bf16_supported() if device.startswith("cuda") else cpu_has_fast_bf16(flags)
        return torch.bfloat16 if fast and not device.startswith("mps") else torch.float32
    if dtype not in DTYPES:
        raise ConfigError("unknown dtype of a model", dtype, f"Use auto, {', '.join(DTYPES)}.")
    return getattr(torch, dtype)
