"""Any image-text-to-text model of a hub as a `Backend`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.models.backend import FrameReading, Locations, Readings
from spatialvlm_ros.models.hub.boxes import BoxDialect, box_dialect, seen_size
from spatialvlm_ros.models.hub.continuation import Prompts
from spatialvlm_ros.models.hub.faults import loading, running
from spatialvlm_ros.models.hub.fingerprint import hub_fingerprint, way_of_asking
from spatialvlm_ros.models.hub.grounding import fill_answer, given_locations, names_in, presence_questions
from spatialvlm_ros.models.hub.loading import HubSource, LoadedModel, load
from spatialvlm_ros.models.hub.numbers import NumberGrammar
from spatialvlm_ros.models.hub.options import HubOptions
from spatialvlm_ros.models.hub.prompts import PromptTemplate
from spatialvlm_ros.models.hub.quantity_tokens import length_probabilities, quantity_ids
from spatialvlm_ros.models.hub.readout import AnswerTree, number_tree, read_answers, yes_no_tree
from spatialvlm_ros.models.hub.runner import Prefix, PrefixError, Runner
from spatialvlm_ros.models.hub.self_check import SelfCheck, self_check
from spatialvlm_ros.models.hub.wording import query_words
from spatialvlm_ros.models.quantities import N_BINS
from spatialvlm_ros.models.query import ObjectRef, Query
from spatialvlm_ros.models.wording import LENGTHS, camera_words, can_ask
from spatialvlm_ros.questions.parsing.answers import parse_length
from spatialvlm_ros.scenes.observation import Observation
from spatialvlm_ros.scenes.relations import RELATIONS

_log = logging.getLogger(__name__)

Float = NDArray[np.float64]
MOST_BOX_TOKENS, MOST_NUMBER_TOKENS = 48, 12


@dataclass(frozen=True)
class EncodedPicture:
    """A picture that was read once.

    Attributes:
        picture: as it was.
        camera: of the observation.
        lead: the camera in words, before every question.
        prefix: its cache; None for models that run uncached.
    """

    picture: Image.Image
    camera: Camera
    lead: str
    prefix: Prefix | None


class HubBackend:
    """A hub model: digit-tree or quantity-token read-out, presence by yes/no questions, boxes in words.

    Attributes:
        loaded: model, processor and tokenizer.
        options: how it is asked.
        check: what the self-check at load found.
    """

    def __init__(self, loaded: LoadedModel, options: HubOptions | None = None) -> None:
        self.loaded = loaded
        self.options = options or HubOptions()
        self.template = PromptTemplate(loaded)
        self.runner = Runner(self.template, self.options.batch_size)
        with running(loaded.name):
            self.check: SelfCheck = self_check(self.runner)
        self.runner = replace(self.runner, packed=self.check.packed)
        if not self.check.cached:
            _log.warning("%s runs uncached: %s", loaded.name, self.check.reason)

    @staticmethod
    def from_pretrained(
        name_or_folder: str,
        dtype: str = "auto",
        device: str = "auto",
        revision: str | None = None,
        trust_remote_code: bool = False,
        local_files_only: bool = False,
        base_model: str | None = None,
        options: HubOptions | None = None,
        **changes: Any,
    ) -> HubBackend:
        """Load a model (or an adapter with its base) and check that it can be read.

        Args:
            name_or_folder: hub id or folder.
            dtype: "auto", "float32", "float16" or "bfloat16"; auto as `models.devices.pick_dtype`.
            device: "auto", "cpu", "cuda", "cuda:1" or "mps".
            revision: commit or tag on the hub.
            trust_remote_code: run code that the model brings; never needed for models that `transformers` knows.
            local_files_only: never ask the hub.
            base_model: of an adapter, instead of the one it names.
            options: how it is asked.
            **changes: single fields of `HubOptions`.

        Raises:
            ModelError: not found, weights missing or not safetensors, a tokenizer of another model, out of memory.
            MissingDependencyError: torch, transformers, peft or a processor's package is not installed.
            ConfigError: an unknown device, dtype or option.
        """
        try:
            chosen = replace(options or HubOptions(), **changes)
        except TypeError as error:
            known = {option.name for option in fields(HubOptions)}
            unknown = sorted(set(changes) - known)
            raise ConfigError(
                "unknown option of a hub model", unknown, f"Known: {', '.join(sorted(known))}."
            ) from error
        source = HubSource(
            str(name_or_folder), device, dtype, revision, trust_remote_code, local_files_only, base_model
        )
        loaded = load(source)
        with loading(loaded.name, "processor"):
            PromptTemplate(loaded).text("?")  # a chat template that does not render is found now
        return HubBackend(loaded, chosen)

    @property
    def name(self) -> str:
        """What it was loaded from."""
        return self.loaded.name

    @cached_property
    def fingerprint(self) -> str:
        """What a calibration is bound to: the weights (an adapter's base included) and how they are asked."""
        return hub_fingerprint(self.loaded.places, self.options)

    @property
    def way_of_asking(self) -> str:
        """Digest of the options that shape answers, "" for the usual ones."""
        return way_of_asking(self.options)

    @property
    def cached(self) -> bool:
        """Whether the picture's prefix is computed once and used again for every question."""
        return self.check.cached

    # ---- the protocol ----

    def encode(self, observation: Observation) -> EncodedPicture:
        """The picture's prefix, with the camera in words behind it.

        Raises:
            ModelError: out of memory, or the model fails on this picture.
        """
        picture, lead = Image.fromarray(observation.rgb), camera_words(observation.camera)
        prefix = None
        if self.cached:
            with running(self.name):
                prefix = self.runner.prefix(picture, lead)
        return EncodedPicture(picture, observation.camera, lead, prefix)

    def read(self, encoded: EncodedPicture, queries: Sequence[Query]) -> Readings:
        """All queries, and the presence of all names in them, in one batch behind the encoded picture.

        Volumes are not asked for (the answers are metres): their rows are NaN.

        Raises:
            ModelError: out of memory, or the model fails.
        """
        n = len(queries)
        lengths, p_true = np.full((n, N_BINS), np.nan), np.full(n, np.nan)
        asked = [k for k, query in enumerate(queries) if can_ask(query)]
        names = names_in([q.subject for q in queries] + [q.reference for q in queries])
        names = names if self.options.ask_presence else []
        questions = [self._question(encoded, queries[k]) for k in asked] + presence_questions(names)
        presence = np.empty((0, 3))
        if questions:
            with running(self.name):
                prompts = self._prompts(encoded, questions)
                yes = self._read_answers(prompts, queries, asked, lengths)
            p_true[[k for k in asked if RELATIONS[queries[k].kind].predicate]] = yes[: len(yes) - 2 * len(names)]
            presence = _presence(yes[len(yes) - 2 * len(names) :])
        told = dict(zip(names, presence, strict=True))
        subjects = given_locations([q.subject for q in queries], told)
        return Readings(lengths, p_true, subjects, given_locations([q.reference for q in queries], told))

    def locate(self, encoded: EncodedPicture, objects: Sequence[ObjectRef]) -> Locations:
        """Boxes in words, presence by yes/no questions; rows without a readable box are NaN. Regions are where they
        were given.

        Raises:
            ModelError: out of memory, or the model fails.
        """
        names = names_in(objects)
        if not names:
            return given_locations(objects, {})
        questions = [self.dialect.ask(name) for name in names]
        with running(self.name):
            written = self._generate(encoded, questions, MOST_BOX_TOKENS, special=True, lead=False)
            prompts = self._prompts(encoded, presence_questions(names))
            yes = self._yes_no.read(prompts, np.arange(2 * len(names), dtype=np.int64), self.options.least_mass)
            seen = seen_size(self._picture_inputs(encoded), self.loaded.processor, encoded.picture.size)
        found = given_locations(objects, dict(zip(names, _presence(yes.probabilities[:, 0]), strict=True)))
        boxes = {n: self.dialect.read(t, encoded.picture.size, seen) for n, t in zip(names, written, strict=True)}
        for i, thing in enumerate(objects):
            if isinstance(thing, str) and thing in boxes:
                fill_answer(found, i, boxes[thing])
        return found

    def frame(self, encoded: EncodedPicture) -> FrameReading | None:
        """None: words say nothing usable of the vertical."""
        return None

    def ask(self, encoded: EncodedPicture, question: str, max_new_tokens: int = 48) -> str:
        """The likeliest answer in words, stripped.

        Raises:
            ModelError: out of memory, or the model fails.
        """
        with running(self.name):
            return self._generate(encoded, [question], max_new_tokens)[0]

    # ---- beyond the protocol ----

    def generate_numbers(self, encoded: EncodedPicture, queries: Sequence[Query]) -> Float:
        """(N,) metres as `generate` writes them, picture and question anew for each query: the plain way.

        NaN where the answer is no length, for predicates and for volumes.

        Raises:
            ModelError: out of memory, or the model fails.
        """
        values = np.full(len(queries), np.nan)
        for k, query in enumerate(queries):
            if query.kind not in LENGTHS:
                continue
            with running(self.name):
                question = self.template.clean(f"{encoded.lead} {self._question(encoded, query)}")
                inputs = self.runner.tensors(self.template.inputs(encoded.picture, question))
                made = self.loaded.model.generate(**inputs, max_new_tokens=MOST_NUMBER_TOKENS, do_sample=False)
                text = self._decoded(made[0, inputs["input_ids"].shape[1] :].tolist())
            length = parse_length(text, "m")
            values[k] = np.nan if length is None else length.value_m
        return values

    @property
    def dialect(self) -> BoxDialect:
        """How this model writes boxes."""
        return box_dialect(str(getattr(self.loaded.model.config, "model_type", "")))

    # ---- parts ----

    def _question(self, encoded: EncodedPicture, query: Query) -> str:
        grammar = self._grammar(RELATIONS[query.kind].signed)
        tokens = self._quantity_ids is not None
        return query_words(query, encoded.camera, grammar, tokens)

    def _grammar(self, signed: bool) -> NumberGrammar:
        return NumberGrammar(self.options.decimals, signed=signed)

    @cached_property
    def _quantity_ids(self) -> NDArray[np.int64] | None:
        return quantity_ids(self.loaded.tokenizer) if self.options.quantity_tokens else None

    @cached_property
    def _yes_no(self) -> AnswerTree:
        return yes_no_tree(self.template)

    @cached_property
    def _number_trees(self) -> dict[bool, AnswerTree]:
        return {}

    def _numbers(self, signed: bool) -> AnswerTree:
        if signed not in self._number_trees:
            self._number_trees[signed] = number_tree(self.template, self._grammar(signed))
        return self._number_trees[signed]

    def _prompts(self, encoded: EncodedPicture, questions: Sequence[str]) -> Prompts:
        questions = [self.template.clean(question) for question in questions]
        if encoded.prefix is not None:
            try:
                return self.runner.behind(encoded.prefix, questions)
            except PrefixError as error:
                _log.debug("these questions are read whole: %s", error)
        return self.runner.whole(encoded.picture, [f"{encoded.lead} {question}" for question in questions])

    def _read_answers(self, prompts: Prompts, queries: Sequence[Query], asked: Sequence[int], lengths: Float) -> Float:
        """Fill the rows of lengths; the probabilities of yes of all prompts that want yes or no, in their order.

        Prompt r belongs to query asked[r]; those behind them want yes or no.
        """
        specs = [RELATIONS[queries[k].kind] for k in asked]
        places = np.asarray(asked, np.int64)
        yes_no = [r for r in range(len(prompts)) if r >= len(specs) or specs[r].predicate]
        numbers = {
            signed: np.array([r for r, s in enumerate(specs) if not s.predicate and s.signed == signed], np.int64)
            for signed in (False, True)
        }
        if self._quantity_ids is not None:
            for signed, rows in numbers.items():
                logs = prompts.first(rows, self._quantity_ids)
                lengths[places[rows]] = length_probabilities(logs, np.full(len(rows), signed))
            numbers = {}
        wanted = {signed: rows for signed, rows in numbers.items() if len(rows)}
        trees = [(self._yes_no, np.asarray(yes_no, np.int64)), *((self._numbers(s), r) for s, r in wanted.items())]
        yes, *found = read_answers(prompts, trees, self.options.least_mass, self.options.most_branches)
        for (signed, rows), reading in zip(wanted.items(), found, strict=True):
            lengths[places[rows]] = self._grammar(signed).to_bins(reading.masses)
        return yes.probabilities[:, 0]

    def _generate(
        self, encoded: EncodedPicture, questions: Sequence[str], most: int, special: bool = False, lead: bool = True
    ) -> list[str]:
        prompts = self._prompts(encoded, questions) if lead else self._bare_prompts(encoded, questions)
        return [self._decoded(tokens, special) for tokens in prompts.generate(most, self._ends)]

    def _bare_prompts(self, encoded: EncodedPicture, questions: Sequence[str]) -> Prompts:
        """Without the camera's words where that costs nothing: uncached models have fixed phrases for boxes."""
        if encoded.prefix is not None:
            return self._prompts(encoded, questions)
        return self.runner.whole(encoded.picture, [self.template.clean(question) for question in questions])

    @cached_property
    def _ends(self) -> frozenset[int]:
        configured = getattr(self.loaded.model.generation_config, "eos_token_id", None)
        ends = configured if isinstance(configured, (list, tuple)) else [configured]
        return frozenset(int(t) for t in [*ends, self.loaded.tokenizer.eos_token_id] if t is not None)

    def _decoded(self, tokens: Sequence[int], special: bool = False) -> str:
        return str(self.loaded.tokenizer.decode(list(tokens), skip_special_tokens=not special)).strip()

    def _picture_inputs(self, encoded: EncodedPicture) -> dict[str, Any]:
        return self.template.inputs(encoded.picture, "?")


def _presence(yes: Float) -> Float:
    """(K, 3) from the yes of K questions "is there" and K questions "more than one"."""
    there, several = yes.reshape(2, -1)
    return np.stack([there * (1 - several), 1 - there, there * several], axis=1)
