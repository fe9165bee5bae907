"""Several answers to one question: asked for at once where the server can, one by one where it cannot."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from spatialvlm_ros.errors import RemoteError
from spatialvlm_ros.models.remote.chat import PATH, Completion, completions, request_body
from spatialvlm_ros.models.remote.config import RemoteConfig
from spatialvlm_ros.models.remote.transport import Transport

_log = logging.getLogger(__name__)
_Outcome = list[Completion] | RemoteError
_REFUSALS = ("400", "413", "422", "501")  # status codes that are about one request, not about the server


@dataclass(frozen=True)
class Prompt:
    """One question about one picture.

    Attributes:
        picture_url: data URL.
        text: the question.
        samples: answers wanted.
        max_tokens: length of each.
    """

    picture_url: str
    text: str
    samples: int = 1
    max_tokens: int = 96


class Sampler:
    """Asks prompts, at most ``config.concurrency`` requests at once. May be used by many threads."""

    def __init__(self, config: RemoteConfig, transport: Transport) -> None:
        self._config = config
        self._transport = transport
        self._pool = ThreadPoolExecutor(config.concurrency, thread_name_prefix="spatialvlm-remote")
        # Whether one request brings several answers: None until the server has shown it.
        self._many_at_once: bool | None = {"n": True, "repeat": False, "auto": None}[config.sampling]
        self._lock = threading.Lock()

    def ask(self, prompts: list[Prompt]) -> list[list[Completion]]:
        """The answers to each prompt, ``samples`` each; fewer, or none, where the server refuses just that request.

        Raises:
            RemoteError: every request was refused, or one failed in a way that concerns them all (unreachable, too
                slow, no such model ...); the others are not waited for.
        """
        self._transport.check_open()
        if not prompts:
            return []
        at = next((i for i, p in enumerate(prompts) if p.samples > 1), None)
        first: list[Completion] = []
        if at is not None:
            with self._lock:
                if self._many_at_once is None:
                    first = self._try_many(prompts[at])
        jobs: list[tuple[int, Future[_Outcome]]] = []
        for index, prompt in enumerate(prompts):
            missing = prompt.samples - (len(first) if index == at else 0)
            for seed, size in enumerate(self._split(missing), 1 if first else 0):
                jobs.append((index, self._pool.submit(self._outcome, prompt, size, seed)))
        answers = _gathered(jobs, len(prompts), bool(first))
        if at is not None:
            answers[at] = [*first, *answers[at]]
        return answers

    def close(self) -> None:
        """Stop waiting for answers."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _try_many(self, prompt: Prompt) -> list[Completion]:
        """One request finds out whether the server gives several answers at once."""
        first = self._outcome(prompt, prompt.samples, 0)
        found = [] if isinstance(first, RemoteError) else first
        self._many_at_once = len(found) > 1
        return found

    def _outcome(self, prompt: Prompt, n: int, seed: int) -> _Outcome:
        """The answers to one request, or why the server refuses just this one."""
        try:
            return self._request(prompt, n, seed)
        except RemoteError as error:
            if not str(error.value).startswith(_REFUSALS):
                raise
            return error

    def _split(self, count: int) -> list[int]:
        """Answers to ask for in each request."""
        return [count] if self._many_at_once and count else [1] * count

    def _request(self, prompt: Prompt, n: int, seed: int) -> list[Completion]:
        config = self._config
        alone = prompt.samples == 1
        body: Mapping[str, Any] = request_body(
            config,
            prompt.picture_url,
            prompt.text,
            n=n,
            temperature=0.0 if alone else config.temperature,
            max_tokens=prompt.max_tokens,
            seed=None if alone else seed,
        )
        return completions(self._transport.post(PATH, body))[:n]


def _gathered(jobs: list[tuple[int, Future[_Outcome]]], prompts: int, any_before: bool) -> list[list[Completion]]:
    done, pending = wait([job for _, job in jobs], return_when=FIRST_EXCEPTION)
    for job in pending:
        job.cancel()
    for job in done:
        error = None if job.cancelled() else job.exception()
        if error is not None:
            raise error
    answers: list[list[Completion]] = [[] for _ in range(prompts)]
    refusals: list[RemoteError] = []
    for index, job in jobs:
        outcome = job.result()
        if isinstance(outcome, RemoteError):
            refusals.append(outcome)
        else:
            answers[index].extend(outcome)
    if refusals and not any_before and not any(answers):
        raise refusals[0]
    if refusals:
        _log.warning("%d of %d requests were refused, the first with: %s", len(refusals), len(jobs), refusals[0])
    return answers
