"""The backend of models behind a server: distributions from several sampled answers."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.models.backend import FrameReading, Locations, Readings
from spatialvlm_ros.models.given import fill_box, fill_given
from spatialvlm_ros.models.quantities import N_BINS
from spatialvlm_ros.models.query import ObjectRef, Query, is_camera
from spatialvlm_ros.models.remote.answers import SampledAnswers, read_answers
from spatialvlm_ros.models.remote.chat import Completion
from spatialvlm_ros.models.remote.config import RemoteConfig, fingerprint, parse_remote
from spatialvlm_ros.models.remote.grounding import parse_boxes
from spatialvlm_ros.models.remote.pictures import SentPicture, prepare
from spatialvlm_ros.models.remote.sampling import Prompt, Sampler
from spatialvlm_ros.models.remote.spread import presence_of
from spatialvlm_ros.models.remote.transport import Transport
from spatialvlm_ros.models.remote.wordings import location_question, wording
from spatialvlm_ros.models.wording import can_ask
from spatialvlm_ros.scenes.observation import Observation

Float = NDArray[np.float64]

BOX_STD = 0.05  # of the box's width and height, where only one answer gives it
LEAST_BOX_STD = 1.0  # pixels


class RemoteBackend:
    """A `Backend` whose answers come from an OpenAI-compatible server.

    It says nothing of the vertical, of sizes or of ranges; relations that have no wording (volumes) get rows of NaN,
    and so do queries to which no answer could be read. Closing it, or leaving its ``with``, drops the connections.

    Args:
        config: the model, or its spec ``openai:URL#model``.

    Raises:
        ConfigError: the spec is malformed, or the variable of its key is not set.
        MissingDependencyError: httpx is not installed.
    """

    def __init__(self, config: RemoteConfig | str) -> None:
        self.config = parse_remote(config) if isinstance(config, str) else config
        self._transport = Transport(self.config)
        self._sampler = Sampler(self.config, self._transport)

    @classmethod
    def from_spec(cls, spec: str, **options: object) -> RemoteBackend:
        """The backend of ``openai:URL#model``; ``options`` are fields of `RemoteConfig`.

        Raises:
            ConfigError: as of the class.
            MissingDependencyError: as of the class.
        """
        return cls(parse_remote(spec, **options))

    @property
    def name(self) -> str:
        """The spec it is loaded by."""
        return self.config.name

    @property
    def fingerprint(self) -> str:
        """What a calibration is bound to: the model and how it is asked, not where it is served."""
        return fingerprint(self.config)

    def encode(self, observation: Observation) -> SentPicture:
        """The picture as it will be sent; nothing is sent yet."""
        return prepare(observation, self.config.longest_side, self.config.jpeg_quality)

    def read(self, encoded: SentPicture, queries: Sequence[Query]) -> Readings:
        """All queries, each sampled ``config.samples`` times; rows of queries that the server refuses are NaN.

        Raises:
            RemoteError: the server failed for good, or refuses every query.
        """
        lengths, p_true = np.full((len(queries), N_BINS), np.nan), np.full(len(queries), np.nan)
        subjects, references = Locations.unknown(len(queries)), Locations.unknown(len(queries))
        for i, sampled in enumerate(self.sample(encoded, queries)):
            if sampled is None:
                continue
            lengths[i], p_true[i] = sampled.lengths, sampled.p_true
            subjects.presence[i], references.presence[i] = sampled.presences
        fill_given(subjects, [q.subject for q in queries], LEAST_BOX_STD)
        fill_given(references, [q.reference for q in queries], LEAST_BOX_STD)
        return Readings(lengths, p_true, subjects, references)

    def sample(self, encoded: SentPicture, queries: Sequence[Query]) -> list[SampledAnswers | None]:
        """What the server said to each query, word for word and counted; None for relations without a wording.

        Raises:
            RemoteError: the server failed for good, or refuses every query.
        """
        camera = encoded.camera if self.config.camera_in_words else None
        asked = [wording(q, camera) if can_ask(q) else None for q in queries]
        prompts = [
            Prompt(encoded.marked_url(w.marks), w.text, self.config.samples, self.config.max_answer_tokens)
            for w in asked
            if w is not None
        ]
        answers = iter(self._sampler.ask(prompts))
        return [None if w is None else read_answers(w, next(answers), self.config.default_unit) for w in asked]

    def locate(self, encoded: SentPicture, objects: Sequence[ObjectRef]) -> Locations:
        """Boxes of named objects, asked for as JSON; regions are where they were given.

        The number of boxes says whether an object is there once, not at all, or several times. With several boxes the
        first is given. Several samples give a spread.

        Raises:
            RemoteError: a request failed for good.
        """
        size = encoded.camera.width, encoded.camera.height
        original = encoded.original.width, encoded.original.height
        named = [i for i, thing in enumerate(objects) if isinstance(thing, str) and not is_camera(thing)]
        prompts = [
            Prompt(
                encoded.url,
                location_question(str(objects[i]), self.config.box_scale, *size),
                self.config.samples,
                self.config.max_answer_tokens,
            )
            for i in named
        ]
        located = Locations.unknown(len(objects))
        for i, answers in zip(named, self._sampler.ask(prompts), strict=True):
            readings = [parse_boxes(a.text, self.config.box_scale, size, original) for a in answers]
            _fill_located(located, i, [r for r in readings if r is not None])
        fill_given(located, objects, LEAST_BOX_STD)
        return located

    def frame(self, encoded: SentPicture) -> FrameReading | None:
        """None: text says nothing usable of the vertical."""
        return None

    def ask(self, encoded: SentPicture, question: str, max_new_tokens: int | None = None) -> str:
        """The likeliest answer in words, stripped and without what was thought aloud before it; of
        ``config.max_answer_tokens`` at most by default.

        Raises:
            RemoteError: the request failed for good.
        """
        longest = self.config.max_answer_tokens if max_new_tokens is None else max_new_tokens
        (answers,) = self._sampler.ask([Prompt(encoded.url, question, 1, longest)])
        return first_text(answers)

    def close(self) -> None:
        """Drop the connections."""
        self._sampler.close()
        self._transport.close()

    def __enter__(self) -> RemoteBackend:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def first_text(answers: Sequence[Completion]) -> str:
    """The first answer's text, stripped; "" where the thinking before it was cut off."""
    _, end, said = answers[0].text.rpartition("</think>")
    return "" if not end and said.lstrip().startswith("<think>") else said.strip()


def _fill_located(located: Locations, i: int, readings: Sequence[Float]) -> None:
    """One row from the boxes that each sample named."""
    numbers = [len(boxes) for boxes in readings]
    located.presence[i] = presence_of(sum(n == 1 for n in numbers), numbers.count(0), sum(n > 1 for n in numbers))
    firsts = np.array([boxes[0] for boxes in readings if len(boxes)])
    if not len(firsts):
        return
    box = np.median(firsts, axis=0)
    sides = np.tile(box[2:] - box[:2], 2)
    stds = np.maximum(BOX_STD * sides, LEAST_BOX_STD) / np.sqrt(len(firsts))
    fill_box(located, i, box, np.hypot(np.std(firsts, axis=0), np.maximum(stds, LEAST_BOX_STD)))
