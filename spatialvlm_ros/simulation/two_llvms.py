"""Mesa and Triton in one process, each with its own LLVM.

Mesa draws in software by an LLVM that it opens for everybody. The Triton in torch's usual build brings another one.
Loaded later, it calls functions of Mesa's, and the process dies: whoever renders and then takes a step of an optimizer
or loads a model of transformers imports Triton without knowing. Loaded with its own functions first (``RTLD_DEEPBIND``,
see dlopen(3)), it does what it should.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

_TRITON = "triton._C.libtriton"
_MAPPED = Path("/proc/self/maps")


def let_triton_have_its_own() -> None:
    """From now on Triton is loaded with its own LLVM first, where another one is there by then; on Linux alone."""
    if hasattr(os, "RTLD_DEEPBIND") and not any(isinstance(finder, _OwnFirst) for finder in sys.meta_path):
        sys.meta_path.insert(0, _OwnFirst())


class _OwnFirst(MetaPathFinder):
    """Opens Triton's library when it is about to be imported; Python then finds it open, and imports that."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """None: the library is found by those who always find it."""
        if fullname == _TRITON and _another_llvm():
            found = PathFinder.find_spec(fullname, path)
            if found is not None and found.origin:
                ctypes.CDLL(found.origin, mode=os.RTLD_NOW | os.RTLD_DEEPBIND)
        return None


def _another_llvm() -> bool:
    try:
        return "libLLVM" in _MAPPED.read_text(errors="replace")
    except OSError:
        return True
