"""Importing transformers without the packages that only its rarely used parts need.

``transformers.modeling_utils`` imports scikit-learn (and with it pandas) for the schedule of assisted decoding and
SciPy's optimiser for the losses of object detectors. A model that answers needs neither, and both together take about a
fifth of the time to its first answer. Here the functions that transformers takes from them are imported at their first
call instead: everything works as before, only later.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from threading import RLock
from types import MappingProxyType, ModuleType
from typing import Any

from spatialvlm_ros.models.collector import collector_paused
from spatialvlm_ros.models.devices import EXTRA
from spatialvlm_ros.optional import require

POSTPONED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"sklearn.metrics": ("roc_curve",), "scipy.optimize": ("linear_sum_assignment",)}
)
_TAKE_THEM = ("transformers.modeling_utils", "transformers.generation.utils")

_lock = RLock()


def lean_transformers() -> ModuleType:
    """The transformers package with the parts that every model needs imported; the first to ask decides what comes in.

    Raises:
        MissingDependencyError: transformers or torch is missing.
    """
    with collector_paused(), postponed(POSTPONED):
        require("torch", EXTRA)
        for name in _TAKE_THEM:
            require(name, EXTRA)
    return sys.modules["transformers"]


@contextmanager
def postponed(functions: Mapping[str, tuple[str, ...]]) -> Iterator[None]:
    """While it is entered, ``from module import function`` gives a function that imports the module when it is called.

    Args:
        functions: module -> its functions that are postponed. Any other name of the module, classes above all, imports
            it at once. Modules that are imported already stay as they are.
    """
    with _lock:
        placed = {name: _StandIn(name, taken) for name, taken in functions.items() if name not in sys.modules}
        sys.modules.update(placed)
        try:
            yield
        finally:
            for name in placed:
                _remove(name)


class _StandIn(ModuleType):
    """Lies in ``sys.modules`` in place of a module that is not imported yet."""

    def __init__(self, name: str, functions: tuple[str, ...]) -> None:
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, None)
        self._functions = functions

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # the import machinery asks for these
            raise AttributeError(name)
        if name in self._functions:
            return _at_first_call(self.__name__, name)
        return getattr(_real(self.__name__), name)


def _at_first_call(module: str, name: str) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        return getattr(_real(module), name)(*args, **kwargs)

    call.__name__ = call.__qualname__ = name
    call.__module__ = module
    return call


def _real(module: str) -> ModuleType:
    _remove(module)
    return importlib.import_module(module)


def _remove(name: str) -> None:
    if isinstance(sys.modules.get(name), _StandIn):
        del sys.modules[name]
