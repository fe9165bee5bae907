"""JSON to a server and back: time-outs, retries, size limits, and errors that say what to do without showing a key."""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from spatialvlm_ros.errors import RemoteError
from spatialvlm_ros.models.remote.config import DEFAULT_KEY_VARIABLE, RemoteConfig
from spatialvlm_ros.models.remote.retries import RETRIED, retry_after_s
from spatialvlm_ros.optional import require

_log = logging.getLogger(__name__)
EXTRA = "remote"
MOST_BYTES = 16 * 1024 * 1024
_SHOWN = 300  # characters of what a server said that an error shows
_OUT_OF_CREDIT = "insufficient_quota"  # a 429 that waiting does not cure


class _TryAgain(Exception):
    """One try failed in a way that may pass."""

    def __init__(self, error: RemoteError, wish_s: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.wish_s = wish_s


class Transport:
    """Connections to one server; may be used by many threads at once.

    Args:
        config: the server.
        sleep: waits between tries; replaced in tests that look at the waits.
    """

    def __init__(self, config: RemoteConfig, sleep: Callable[[float], None] | None = None) -> None:
        self._config = config
        self._httpx: Any = require("httpx", EXTRA)
        self._closed = threading.Event()
        self._sleep = sleep or self._wait
        self._rng = random.Random()
        self._key = config.key()
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        # Redirects are not followed: neither the picture nor the key goes to another place than the one named.
        self._client = self._httpx.Client(
            headers=headers,
            timeout=self._httpx.Timeout(config.read_timeout_s, connect=config.connect_timeout_s),
            limits=self._httpx.Limits(max_connections=config.concurrency + 1),
            follow_redirects=False,
        )

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST ``body`` as JSON to ``path`` below the base URL and give back the JSON object of the answer.

        Raises:
            RemoteError: unreachable, refused, too slow, or the answer is not a JSON object.
        """
        payload = json.dumps(body).encode()
        attempt = 0
        while True:
            attempt += 1
            self.check_open()
            try:
                return self._once("POST", path, payload)
            except _TryAgain as again:
                wait = self._config.retries.wait_s(attempt, again.wish_s, self._rng)
                if wait is None:
                    raise again.error from again.__cause__
                _log.info("%s: %s Trying again in %.1f s.", self._config.url, again.error.fault, wait)
                self._sleep(wait)

    def models(self) -> list[str]:
        """Names of the models that the server offers; empty where it does not say."""
        try:
            listed = self._once("GET", "models", None).get("data")
        except (RemoteError, _TryAgain):
            return []
        rows = listed if isinstance(listed, list) else []
        return [str(row["id"]) for row in rows if isinstance(row, dict) and "id" in row]

    def check_open(self) -> None:
        """Raises:
        RemoteError: it has been closed.
        """
        if self._closed.is_set():
            raise RemoteError("the connections to the server are closed", self._config.url, "Load the model again.")

    def close(self) -> None:
        """Drop the connections; waiting tries give up."""
        self._closed.set()
        self._client.close()

    # ---- one try ----

    def _once(self, method: str, path: str, payload: bytes | None) -> dict[str, Any]:
        httpx, url = self._httpx, self._config.address(path)
        headers = {"Content-Type": "application/json"} if payload is not None else {}
        try:
            with self._client.stream(method, url, content=payload, headers=headers) as response:
                data = self._without_key(self._limited(response))
                status, wish = response.status_code, retry_after_s(response.headers.get("Retry-After"))
        except httpx.ConnectTimeout as error:
            raise _TryAgain(self._unreachable("did not accept a connection in time", error)) from error
        except httpx.ConnectError as error:
            raise _TryAgain(self._unreachable("cannot be reached", error)) from error
        except httpx.TimeoutException as error:
            raise self._too_slow() from error
        except RuntimeError as error:  # a connection that is closed while it is used
            self.check_open()
            raise RemoteError("the request failed", self._clean(str(error)), "Ask again.") from error
        except httpx.TransportError as error:  # broken off in the middle
            raise _TryAgain(self._unreachable("broke the connection off", error)) from error
        except (httpx.InvalidURL, httpx.DecodingError) as error:
            raise RemoteError(
                "the server's answer cannot be read", self._clean(str(error)), "Check its URL."
            ) from error
        if status != 200:
            self._refuse(status, data, wish, path)
        return self._object(data)

    def _limited(self, response: Any) -> bytes:
        """The body, unless it is too long or too slow (a time-out of httpx starts anew with each piece)."""
        deadline = time.monotonic() + self._config.read_timeout_s
        pieces, length = [], 0
        for piece in response.iter_bytes():
            pieces.append(piece)
            length += len(piece)
            if length > MOST_BYTES:
                raise RemoteError("the server's answer is too long", length, f"At most {MOST_BYTES} bytes are read.")
            if time.monotonic() > deadline:
                raise self._too_slow() from TimeoutError("the answer trickles in")
        return b"".join(pieces)

    def _object(self, data: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise RemoteError(
                "the server's answer is no JSON",
                self._said(data),
                f"Is {self._config.url} the base of an OpenAI-compatible API? It mostly ends in /v1.",
            ) from error
        if not isinstance(answer, dict):
            raise RemoteError("the server's answer is no JSON object", self._said(data), "Check its URL.")
        return answer

    def _refuse(self, status: int, data: bytes, wish_s: float | None, path: str) -> None:
        """Raise what a status other than 200 means."""
        fault, remedy = self._meaning(status, path)
        error = RemoteError(fault, f"{status}: {self._said(data)}", remedy)
        if status in RETRIED and _OUT_OF_CREDIT.encode() not in data:
            raise _TryAgain(error, wish_s)
        raise error

    def _meaning(self, status: int, path: str) -> tuple[str, str]:
        config = self._config
        if status in (401, 403):
            variable = config.key_variable or DEFAULT_KEY_VARIABLE
            held = "Check the key in" if self._key else "Put a key into"
            plain = "" if self._key else " (over plain http to another machine it must be named by key_variable)"
            return "the server refuses the key", f"{held} the environment variable {variable}{plain}."
        if status == 404:
            known = self.models() if path != "models" else []
            listed = ", ".join(name[:80] for name in known[:8])
            there = f" Models there: {listed}." if listed else ""
            return f"the server has no model {config.model!r} or no {path}", f"Check the spec {config.name}.{there}"
        if status == 429:
            return "the server refuses more requests for now", "Lower concurrency or samples, or wait."
        if 300 <= status < 400:
            return "the server sends requests elsewhere", "Name the final URL; redirects are not followed."
        if status >= 500:
            return "the server failed", "See its log."
        return "the server refuses the request", "Check the model's name and the options; see the server's own words."

    def _unreachable(self, what: str, error: Exception) -> RemoteError:
        return RemoteError(
            f"the server {what}",
            f"{self._config.url}: {self._clean(str(error))}",
            "Is it running, and is the port right? connect_timeout_s sets how long to wait.",
        )

    def _too_slow(self) -> RemoteError:
        return RemoteError(
            "the server did not answer in time",
            f"{self._config.read_timeout_s:g} s",
            "Raise read_timeout_s, lower concurrency, or use a smaller model.",
        )

    # ---- what may be shown ----

    @staticmethod
    def _said(data: bytes) -> str:
        return data[: 4 * _SHOWN].decode("utf-8", "replace")[:_SHOWN]

    def _without_key(self, data: bytes) -> bytes:
        """What a server sent, without the key, in case it is echoed."""
        return data.replace(self._key.encode(), b"***") if self._key else data

    def _clean(self, text: str) -> str:
        """Text of a library without the key."""
        return text.replace(self._key, "***") if self._key else text

    def _wait(self, seconds: float) -> None:
        self._closed.wait(seconds)
