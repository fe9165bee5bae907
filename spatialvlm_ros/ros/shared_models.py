"""Cameras and nodes of one process that want the same model share one: weights are large, and one thread owns them."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spatialvlm_ros.ros.parameters import Settings
from spatialvlm_ros.ros.worker import ModelState, ModelWorker

if TYPE_CHECKING:
    from spatialvlm_ros.models.spatial_vlm import SpatialVLM

# transformers changes torch for the whole process while it loads: two at a time leave it changed, and no model loads
# any more. One that nobody waits for is still being loaded when the next one is wanted.
ONE_LOADS = threading.Lock()


@dataclass(frozen=True)
class ModelSpec:
    """What tells models apart; the fields are parameters of the node."""

    model: str
    device: str
    dtype: str
    calibration: str

    @staticmethod
    def of(settings: Settings) -> ModelSpec:
        """The model that a node wants."""
        return ModelSpec(settings.model, settings.device, settings.dtype, settings.calibration)


@dataclass
class _Shared:
    worker: ModelWorker
    users: int = 0


class SharedModels:
    """Counts who uses which model, and closes what nobody uses."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shared: dict[ModelSpec, _Shared] = {}

    def acquire(self, spec: ModelSpec) -> ModelWorker:
        """The worker of a model; begins to load it, unless it is there or being loaded already. Returns at once."""
        with self._lock:
            shared = self._shared.get(spec)
            if shared is None or shared.worker.state in (ModelState.FAILED, ModelState.CLOSED):
                shared = self._shared[spec] = _Shared(ModelWorker(lambda: load(spec)))
            shared.users += 1
            return shared.worker

    def release(self, spec: ModelSpec, worker: ModelWorker, tidy: bool = True) -> None:
        """One user less; the last one closes the worker (``tidy``: see `ModelWorker.close`)."""
        with self._lock:
            shared = self._shared.get(spec)
            if shared is None or shared.worker is not worker:
                worker.close(tidy=tidy)  # one that failed, and was replaced
                return
            shared.users -= 1
            if shared.users <= 0:
                del self._shared[spec]
                worker.close(tidy=tidy)


def load(spec: ModelSpec) -> SpatialVLM:
    """The model, with its first (slow) pass behind it."""
    model = weights_of(spec)
    if not spec.model.startswith("openai:"):
        _warm_up(model)
    return model


def weights_of(spec: ModelSpec) -> SpatialVLM:
    """The model, and nothing of it in the log."""
    options = {} if spec.model.startswith("openai:") else {"device": spec.device, "dtype": spec.dtype}
    with ONE_LOADS:
        from spatialvlm_ros.models.spatial_vlm import SpatialVLM

        _without_progress_bars()
        return SpatialVLM.from_pretrained(spec.model, calibration=spec.calibration or None, **options)


def _without_progress_bars() -> None:
    """They have no place in a log."""
    try:
        from transformers.utils import logging as transformers_logging
    except ImportError:
        return
    transformers_logging.disable_progress_bar()


def _warm_up(model: SpatialVLM) -> None:
    """The first pass allocates and compiles: the first picture of a camera is not to wait for that."""
    import numpy as np

    from spatialvlm_ros.geometry.cameras import Camera
    from spatialvlm_ros.scenes.observation import Observation

    blank = Observation(np.full((480, 640, 3), 127, np.uint8), Camera.from_hfov(640, 480, np.radians(60.0)))
    model.look(blank).measure("mug", "bowl")


SHARED_MODELS = SharedModels()
