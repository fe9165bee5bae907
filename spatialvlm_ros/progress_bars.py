"""Progress bars on stderr: alive in a terminal, a line now and then in the log of a long run."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from spatialvlm_ros.optional import require

_TERMINAL_S, _LOG_S = 0.1, 30.0  # between two pictures of the bar: a night's log has megabytes of them otherwise


def progress_bar(items: Iterable[Any] | None = None, *, show: bool = True, **options: Any) -> Any:
    """A bar of tqdm around ``items``, or to be moved with ``update``.

    Args:
        items: what is gone through.
        show: whether there is anything to see.
        options: of tqdm: total, unit, desc, ...

    Raises:
        MissingDependencyError: tqdm is not installed.
    """
    seconds = _TERMINAL_S if sys.stderr is not None and sys.stderr.isatty() else _LOG_S
    bar = require("tqdm", "data").tqdm
    return bar(items, disable=not show, mininterval=seconds, maxinterval=max(10.0, seconds), **options)
