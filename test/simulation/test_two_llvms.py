"""A library that brings functions of the same names as another one that is open for everybody calls its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="of the loader of Linux"),
    pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler"),
]

MESAS = "int version(void) { return 15; }"
# The import fails behind the loading, as this is no module; it is loaded all the same.
TRITONS = (
    "int version(void) { return 22; } int called(void) { return version(); } void *PyInit_libtriton(void) { return 0; }"
)
CODE = """
import ctypes, sys
sys.path.insert(0, {folder!r})
from spatialvlm_ros.simulation.two_llvms import let_triton_have_its_own
if {helped}:
    let_triton_have_its_own()
    let_triton_have_its_own()
ctypes.CDLL({mesas!r}, mode=ctypes.RTLD_GLOBAL)
try:
    import triton._C.libtriton
except (ImportError, SystemError):
    pass
print(ctypes.CDLL({tritons!r}).called(), len([f for f in sys.meta_path if type(f).__name__ == "_OwnFirst"]))
"""


def built(path: Path, code: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(path)], input=code, text=True, check=True)
    return str(path)


def said(tmp_path: Path, helped: bool, mesas_name: str = "libLLVM-15.so") -> str:
    tritons = built(tmp_path / "triton" / "_C" / "libtriton.so", TRITONS)
    for folder in ("triton", "triton/_C"):
        (tmp_path / folder / "__init__.py").touch()
    mesas = built(tmp_path / mesas_name, MESAS)
    code = CODE.format(folder=str(tmp_path), mesas=mesas, tritons=tritons, helped=helped)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_triton_calls_its_own_functions_behind_those_of_mesa(tmp_path: Path) -> None:
    assert said(tmp_path, helped=False) == "15 0", "the fault that is mended: it calls the other one's"
    assert said(tmp_path, helped=True) == "22 1"


def test_nothing_is_changed_where_no_other_llvm_is_open(tmp_path: Path) -> None:
    assert said(tmp_path, helped=True, mesas_name="libother.so") == "15 1"
