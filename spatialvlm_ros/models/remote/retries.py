"""When a request is worth another try, and how long to wait before it."""

from __future__ import annotations

import email.utils
import math
import random
import time
from dataclasses import dataclass

RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class RetryPolicy:
    """Exponential back-off with jitter.

    Attributes:
        attempts: tries in all, the first one included.
        first_wait_s: longest wait before the second try; it doubles from try to try.
        longest_wait_s: longest wait of the back-off.
        longest_retry_after_s: a server that asks for a longer pause than this is not waited for.
    """

    attempts: int = 4
    first_wait_s: float = 0.5
    longest_wait_s: float = 20.0
    longest_retry_after_s: float = 120.0

    def wait_s(self, attempt: int, retry_after_s: float | None, rng: random.Random) -> float | None:
        """Seconds to wait behind the failed try number ``attempt`` (from 1), or None to give up.

        The server's own wish is the shortest wait; jitter (the upper half of the back-off) keeps many clients from
        coming back at the same moment.
        """
        if attempt >= self.attempts:
            return None
        if retry_after_s is not None and retry_after_s > self.longest_retry_after_s:
            return None
        ceiling = min(self.first_wait_s * 2.0 ** (attempt - 1), self.longest_wait_s)
        backoff = ceiling * rng.uniform(0.5, 1.0)
        return backoff if retry_after_s is None else retry_after_s + backoff * 0.1


def retry_after_s(header: str | None, now: float | None = None) -> float | None:
    """Seconds of a Retry-After header: a number or an HTTP date; None where there is none that can be read."""
    if header is None:
        return None
    try:
        seconds = float(header.strip())
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(header).timestamp() - (time.time() if now is None else now)
        except (TypeError, ValueError, OverflowError):
            return None
    return max(seconds, 0.0) if math.isfinite(seconds) else None
