"""Where the calibration of a model lies: found by what the model is, not by how it was asked for."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from spatialvlm_ros.models.backend import Backend
from spatialvlm_ros.models.calibration import FILE_NAME
from spatialvlm_ros.models.loading import find_loader, fingerprint_of


def calibration_path(spec: str, backend: Backend) -> Path:
    """The file of a model's calibration: beside its weights, else in the user's cache.

    A folder has one for each way of asking that shapes answers differently. In the cache the name ends in a digest of
    the backend's fingerprint: a server may move, and options may stand in the specification or beside it. The cache is
    ``$SPATIALVLM_CACHE``, else ``$XDG_CACHE_HOME/spatialvlm_ros``, else ``~/.cache/spatialvlm_ros``.

    Args:
        spec: what the model was loaded from.
        backend: what was loaded.
    """
    folder = find_loader(spec).folder(spec)
    if folder is not None:
        way = str(getattr(backend, "way_of_asking", ""))
        return folder / (f"{Path(FILE_NAME).stem}-{way}{Path(FILE_NAME).suffix}" if way else FILE_NAME)
    cache = os.environ.get("SPATIALVLM_CACHE")
    root = Path(cache) if cache else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "spatialvlm_ros"
    name = backend.name.rpartition("#")[2]  # of a model behind a server: without the server
    readable = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:60]
    digest = hashlib.sha256(fingerprint_of(backend).encode()).hexdigest()[:16]
    return root / "calibrations" / f"{readable}-{digest}.json"
