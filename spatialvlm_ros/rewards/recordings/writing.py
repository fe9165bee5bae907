"""What the system refuses to write is an error with a name: a folder that is read-only, a disk that is full."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spatialvlm_ros.errors import OutputError

_REMEDY = "Free some room or choose another --out. What was measured is kept: do the same again to go on there."


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Around everything that writes ``path``.

    Raises:
        OutputError: the system refuses.
    """
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path} cannot be written", str(error), _REMEDY) from error
