"""Device and number format."""

from __future__ import annotations

import pytest

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.models.devices import cpu_flags, cpu_has_fast_bf16, pick_device, pick_dtype

OLD, NEW = frozenset({"avx2", "avx512f"}), frozenset({"avx2", "avx512_bf16"})


def test_flags_are_read_as_the_kernel_lists_them(tmp_path):
    listing = tmp_path / "cpuinfo"
    listing.write_text("processor\t: 0\nflags\t\t: fpu amx_bf16 avx2\n\nprocessor\t: 1\nflags\t\t: fpu\n")
    assert cpu_flags(listing) == {"fpu", "amx_bf16", "avx2"}
    listing.write_text("processor : 0\nFeatures : fp asimd bf16\n")
    assert cpu_flags(listing) == {"fp", "asimd", "bf16"}
    assert cpu_flags(tmp_path / "missing") == frozenset()


def test_only_two_instruction_sets_make_bfloat16_fast():
    assert cpu_has_fast_bf16(NEW) and cpu_has_fast_bf16(frozenset({"amx_bf16"}))
    assert not cpu_has_fast_bf16(OLD) and not cpu_has_fast_bf16(frozenset())


def test_auto_dtype_follows_the_cpu():
    torch = pytest.importorskip("torch")
    assert pick_dtype("auto", "cpu", NEW) is torch.bfloat16
    assert pick_dtype("auto", "cpu", OLD) is torch.float32
    assert pick_dtype("auto", "mps", NEW) is torch.float32
    assert pick_dtype("float16", "cpu", OLD) is torch.float16


def test_devices_and_dtypes_that_are_not_there():
    torch = pytest.importorskip("torch")
    assert pick_device("cpu") == "cpu"
    assert pick_device() == (
        "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    )
    with pytest.raises(ConfigError, match="unknown device"):
        pick_device("toaster")
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="not there"):
            pick_device("cuda:0")
    with pytest.raises(ConfigError, match="unknown dtype"):
        pick_dtype("int7")
