"""A pause of Python's garbage collector while much is made that stays: imports of large packages, and models.

Imports of torch and transformers make 370,000 objects that live as long as the process. The collector walks over all of
them again and again while they are made: a fifth of the time to the first answer.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """While it is entered, nothing is collected; afterwards the collector is as it was. May be nested.

    What was made meanwhile counts as old afterwards: only full collections visit it, as if it had survived the others.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        _call_all_old()
        gc.enable()


def _call_all_old() -> None:
    """Move all objects into the oldest generation without visiting them: else the next allocation visits them all."""
    if gc.get_freeze_count():  # the program has frozen objects itself; they stay so
        return
    gc.freeze()
    gc.unfreeze()
