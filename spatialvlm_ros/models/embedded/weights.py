"""Where the shipped model lies: beside this module, in a checkout and in an installed package alike."""

from __future__ import annotations

from pathlib import Path

from spatialvlm_ros.errors import ModelError
from spatialvlm_ros.models.embedded.folder import MARKER

_SHIPPED = Path(__file__).with_name("shipped")


def shipped_folder() -> Path:
    """The folder of the model that comes with the package.

    Raises:
        ModelError: it is not there (a package built without its data files).
    """
    if not (_SHIPPED / MARKER).is_file():
        raise ModelError(
            "the shipped model is not installed", str(_SHIPPED), "Install the package again, or train one."
        )
    return _SHIPPED
