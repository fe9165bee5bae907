"""Several answers to one question: asked for at once where the server can, one by one where it cannot."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from spatialvlm_ros.errors import RemoteError
from spatialvlm_ros.models.remote.chat import PATH, Completion, completions, request_body
from spatialvlm_ros.models.remote.config import RemoteConfig
from spatialvlm_ros.models.remote.transport import Transport


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
        """The answers to each prompt, ``samples`` each.

        Raises:
            RemoteError: of the first request that fails for good; the others are not waited for.
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
        counts = [p.samples - (len(first) if i == at else 0) for i, p in enumerate(prompts)]
        answers = self._ask(prompts, counts, first_seed=1 if first else 0)
        return [[*first, *a] if i == at else a for i, a in enumerate(answers)]

    def close(self) -> None:
        """Stop waiting for answers."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _try_many(self, prompt: Prompt) -> list[Completion]:
        """One request finds out whether the server gives several answers at once."""
        try:
            first = self._request(prompt, prompt.samples, 0)
        except RemoteError as error:
            if not _is_refused_request(error):
                raise
            first = []
        self._many_at_once = len(first) > 1
        return first

    def _ask(self, prompts: list[Prompt], counts: list[int], first_seed: int) -> list[list[Completion]]:
        jobs: list[tuple[int, Future[list[Completion]]]] = []
        for index, (prompt, count) in enumerate(zip(prompts, counts, strict=True)):
            for seed, size in enumerate(self._split(count), first_seed):
                jobs.append((index, self._pool.submit(self._request, prompt, size, seed)))
        done, pending = wait([job for _, job in jobs], return_when=FIRST_EXCEPTION)
        for job in pending:
            job.cancel()
        for job in done:
            if not job.cancelled() and job.exception() is not None:
                raise job.exception()  # type: ignore[misc]
        answers: list[list[Completion]] = [[] for _ in prompts]
        for index, job in jobs:
            answers[index].extend(job.result())
        return answers

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


def _is_refused_request(error: RemoteError) -> bool:
    return str(error.value).startswith(("400", "422", "501"))
