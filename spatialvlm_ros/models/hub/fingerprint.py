"""What a calibration of a hub model is bound to: its weights, and the options that shape its answers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spatialvlm_ros.models.hub.options import HubOptions
from spatialvlm_ros.models.loading import weights_fingerprint

# `batch_size` changes rounding alone, and `ask_presence` leaves answers out. So does the dtype: its rounding is far
# below the errors that are calibrated, and it depends on the machine.
_SHAPING = ("decimals", "least_mass", "most_branches", "quantity_tokens")
_DIGITS = 8


def weights_place(name: str, commit: Any, revision: str | None) -> str:
    """The folder of weights, or ``id@commit`` on a hub (its revision where the commit is not known)."""
    return name if Path(name).is_dir() else f"{name}@{commit or revision or 'main'}"


def way_of_asking(options: HubOptions) -> str:
    """8 hex digits of the options that shape answers, "" for the usual ones."""
    usual = HubOptions()
    changed = [(name, getattr(options, name)) for name in _SHAPING if getattr(options, name) != getattr(usual, name)]
    return hashlib.sha256(repr(changed).encode()).hexdigest()[:_DIGITS] if changed else ""


def hub_fingerprint(places: Sequence[str], options: HubOptions) -> str:
    """Of the weights in all ``places`` (see `weights_place`; an adapter's base is one of them) and of the options."""
    parts = [weights_fingerprint(Path(place)) if Path(place).is_dir() else place for place in places]
    parts += [way] if (way := way_of_asking(options)) else []
    return parts[0] if len(parts) == 1 else hashlib.sha256("\n".join(parts).encode()).hexdigest()
