"""The embedded model as a `Backend`: one pass for the picture, one for all queries behind it."""

from __future__ import annotations

import copy
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spatialvlm_ros.errors import ModelError
from spatialvlm_ros.models.backend import FrameReading, Locations, Readings
from spatialvlm_ros.models.caches import select_rows
from spatialvlm_ros.models.collector import collector_paused
from spatialvlm_ros.models.devices import pick_device, pick_dtype
from spatialvlm_ros.models.embedded import vocabulary as v
from spatialvlm_ros.models.embedded.folder import ModelCardData, read_marker
from spatialvlm_ros.models.embedded.known_names import KnownNames
from spatialvlm_ros.models.embedded.passes import CompiledPasses, EagerPasses, Passes, Rows, compile_options
from spatialvlm_ros.models.embedded.picture import Canvas, pixel_values, place, relative_focal
from spatialvlm_ros.models.embedded.position_code import add_position_code
from spatialvlm_ros.models.embedded.prompts import PromptWriter, Row, read_directly
from spatialvlm_ros.models.embedded.slots import frame_reading, locations
from spatialvlm_ros.models.embedded.tokenizer import check_tokenizer
from spatialvlm_ros.models.gathering import concatenated
from spatialvlm_ros.models.lean_import import lean_transformers
from spatialvlm_ros.models.quantities import N_BINS, OVERFLOW_BIN, ZERO_BIN, bin_position
from spatialvlm_ros.models.query import ObjectRef, Query, is_camera
from spatialvlm_ros.scenes.observation import Observation
from spatialvlm_ros.scenes.relations import RELATIONS, Relation

Float = NDArray[np.float64]
Int = NDArray[np.int64]

_MOST_ROWS = 64  # of one forward pass
_MOST_ASKED = 512  # tokens of a question; memory grows with their square, and none in training had a hundred


@dataclass(frozen=True)
class EncodedPicture:
    """A picture's prefix.

    Attributes:
        cache: keys and values of the picture and its focal length.
        length: number of tokens in it.
        canvas: how the picture lies on the model's canvas.
        frame: read in the same pass.
    """

    cache: Any
    length: int
    canvas: Canvas
    frame: FrameReading


class EmbeddedBackend:
    """The shipped model, or a folder made by ``spatialvlm train``.

    Args:
        vlm: a transformers image-text-to-text model.
        tokenizer: its tokenizer.
        data: what its folder says.
        name: what it was loaded from.
        passes: what runs it; each call as it comes by default.
    """

    def __init__(self, vlm: Any, tokenizer: Any, data: ModelCardData, name: str, passes: Passes | None = None) -> None:
        check_tokenizer(tokenizer, vlm.get_input_embeddings().weight.shape[0], data.tokenizer)
        self._vlm, self._tokenizer, self.data, self._name = vlm.eval(), tokenizer, data, name
        self._passes = passes or EagerPasses(vlm)
        self._names = KnownNames(data.nouns)
        self._writer = PromptWriter(tokenizer, self._names.in_trained_words)
        self.vocabulary = self._writer.vocabulary
        first = next(vlm.parameters())
        self.device, self.dtype = first.device, first.dtype

    @staticmethod
    @collector_paused()
    def from_pretrained(
        folder: str | Path,
        dtype: str = "auto",
        device: str = "auto",
        name: str | None = None,
        compile: bool = False,
    ) -> EmbeddedBackend:
        """Loads a folder.

        Args:
            folder: with ``spatialvlm.json``.
            dtype: "auto" (bfloat16 where the processor multiplies it, else float32) or a torch name.
            device: "auto", "cpu", "cuda", ...
            name: what to call it; the folder by default.
            compile: run passes of a few fixed shapes by `torch.compile`, on an accelerator as CUDA graphs. Each shape
                is compiled when it first comes, which takes ten seconds and more. Answers in words stay as they are.

        Raises:
            ModelError: weights or tokenizer are missing, damaged or of another model.
            ConfigError: an unknown device or dtype.
            MissingDependencyError: transformers is missing.
        """
        transformers = lean_transformers()
        data = read_marker(folder)
        where = pick_device(device)
        kind = pick_dtype(dtype, where)
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
            vlm, report = transformers.AutoModelForImageTextToText.from_pretrained(
                str(folder),
                output_loading_info=True,
                dtype=kind,
                use_safetensors=True,
                local_files_only=True,
                attn_implementation="eager",  # measured quicker than the fused call at this size
            )
            vlm = vlm.to(where)
            add_position_code(vlm, data.shape)
        except Exception as error:  # noqa: BLE001  transformers raises many kinds; the fault is in the message
            raise ModelError(
                "the embedded model cannot be loaded", str(folder), f"{type(error).__name__}: {error}"
            ) from error
        # transformers fills what the files lack with random numbers, and drops what its model has no place for.
        astray = sorted({*report["missing_keys"], *report["unexpected_keys"]})
        if astray:
            raise ModelError("the weights lack tensors, or belong to another shape", astray, "Copy the folder again.")
        passes = CompiledPasses(vlm, **compile_options(where)) if compile else None
        return EmbeddedBackend(vlm, tokenizer, data, name or str(folder), passes)

    @property
    def name(self) -> str:
        """What it was loaded from."""
        return self._name

    @property
    def ranges_m(self) -> tuple[float, float]:
        """Least and largest range of the objects it was trained on, metres."""
        return self.data.ranges_m

    @property
    def opposites(self) -> Mapping[Relation, Relation]:
        """Relations that are read off the token of another one, with the other sign."""
        return v.OPPOSITES

    def knows(self, name: str) -> bool:
        """Whether a name means a kind of object the model was trained on, with whatever attributes and clauses ("the
        red mug on the left"): it then says whether the object is there, and otherwise that it cannot."""
        return self._names.known(name)

    # ---- the picture ----

    def encode(self, observation: Observation) -> EncodedPicture:
        """One pass over the picture; `ModelError` where memory or numbers give out."""
        return self.encode_many([observation])[0]

    @torch.inference_mode()
    def encode_many(self, observations: Sequence[Observation]) -> list[EncodedPicture]:
        """One pass over all pictures, which may be of different cameras; `ModelError` as `encode`."""
        shape, mode = self.data.shape, self.data.camera_mode
        canvases = [Canvas.of(o.camera, shape.width, shape.height, mode) for o in observations]
        placed = zip(observations, canvases, strict=True)
        pixels = np.stack([pixel_values(place(o.rgb, canvas), canvas.camera, mode) for o, canvas in placed])
        picture, slots = [self.vocabulary[v.IMAGE]] * shape.picture_tokens, self.vocabulary.slots(v.FRAME_SLOTS)
        focal = [self.vocabulary.lengths[int(bin_position(relative_focal(c.camera)))] for c in canvases]
        length = len(picture) + 1
        ids = torch.tensor([[*picture, token, *slots] for token in focal], device=self.device)
        images = torch.from_numpy(pixels).to(self.device, self.dtype)
        try:  # no question sees the frame slots
            found, cache = self._passes.pictures(ids, images, length)
        except RuntimeError as error:  # torch's kind for lack of memory on the CPU
            raise ModelError("the picture cannot be encoded", str(error), "Free memory.") from error
        states = found[:, length:]
        places = self._probabilities(states[:, :2], self.vocabulary.places)
        heights = self._probabilities(states[:, 2:], self.vocabulary.lengths)[:, 0]
        rows = torch.arange(len(canvases), device=self.device)
        return [
            EncodedPicture(
                select_rows(cache, rows[k : k + 1]),
                length,
                canvas,
                frame_reading(places[k], heights[k], canvas),
            )
            for k, canvas in enumerate(canvases)
        ]

    def frame(self, encoded: EncodedPicture) -> FrameReading:
        """The vertical and the camera's height; read together with the picture."""
        return encoded.frame

    # ---- queries ----

    def read(self, encoded: EncodedPicture, queries: Sequence[Query]) -> Readings:
        """All queries in one batch behind the encoded picture.

        Every object is located where a row begins with it, in a row of its own if none does: what a model says of the
        second object of a row depends on the first, and an object must not move with what else is asked.
        """
        rows = [self._writer.measure(q, encoded.canvas) for q in queries]
        objects, subjects, references = _named_objects(queries)
        leaders = [q.reference if row.swapped else q.subject for q, row in zip(queries, rows, strict=True)]
        begins = {thing: n for n, thing in reversed(list(enumerate(leaders)))}
        others = [thing for thing in objects if thing not in begins]
        begins |= {thing: len(rows) + n for n, thing in enumerate(others)}
        rows += [self._writer.locate(thing, encoded.canvas) for thing in others]
        states = self._states(encoded, rows)
        found = self._locations(encoded, [(begins[o], rows[begins[o]].slots[0]) for o in objects], states)
        camera = Locations.unknown(1)
        camera.presence[:] = (1.0, 0.0, 0.0)
        known = concatenated([found, camera, Locations.unknown(1)])
        lengths, p_true = self._quantities(queries, rows, states)
        return Readings(lengths, p_true, known[subjects], known[references])

    def locate(self, encoded: EncodedPicture, objects: Sequence[ObjectRef]) -> Locations:
        """Where the objects are; the camera has presence only."""
        named = [k for k, thing in enumerate(objects) if not is_camera(thing)]
        found = Locations.unknown(len(objects))
        found.presence[:] = (1.0, 0.0, 0.0)
        if named:
            rows = [self._writer.locate(objects[k], encoded.canvas) for k in named]
            at = [(n, row.slots[0]) for n, row in enumerate(rows)]
            located = self._locations(encoded, at, self._states(encoded, rows))
            for field in found.__dataclass_fields__:
                getattr(found, field)[named] = getattr(located, field)
        return found

    def ask(self, encoded: EncodedPicture, question: str, max_new_tokens: int = 48) -> str:
        """The answer in words, greedily."""
        steps = self.ask_steps(encoded, question, max_new_tokens)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return str(end.value)

    def ask_steps(self, encoded: EncodedPicture, question: str, max_new_tokens: int = 48) -> Generator[None, None, str]:
        """`ask`, giving way after every token; returns the answer."""
        said: list[int] = []
        cache, following = self._asked(encoded, question)
        for _ in range(max_new_tokens):
            yield
            token = self._next_token(cache, following)
            if token == self.vocabulary[v.END]:
                break
            said.append(token)
            following = [token]
        return str(self._tokenizer.decode(said, skip_special_tokens=True)).strip()

    @torch.inference_mode()
    def _asked(self, encoded: EncodedPicture, question: str) -> tuple[Any, list[int]]:
        """The cache behind a question and the groundings that the model chooses to make, and the tokens that follow."""
        ids = self.vocabulary
        asked = self._writer.ask(question)
        if len(asked) > _MOST_ASKED:
            raise ModelError("a question of too many tokens", len(asked), f"Ask a shorter one, of {_MOST_ASKED}.")
        cache = copy.deepcopy(encoded.cache)
        state = self._extend(cache, list(asked), encoded.length)
        if self._best(state, (ids[v.FIND], ids[v.ANSWER])) != ids[v.FIND]:
            return cache, [ids[v.ANSWER]]
        state = self._extend(cache, [ids[v.FIND]], cache.get_seq_length())
        second = self._best(state, (ids[v.TO], ids[v.CAMERA], ids[v.ANSWER]))
        return cache, list(self._writer.following(second)[1:])

    @torch.inference_mode()
    def _next_token(self, cache: Any, following: list[int]) -> int:
        state = self._extend(cache, following, cache.get_seq_length())
        return int((state @ self._embedding().T).float().argmax())

    # ---- passes ----

    def _embedding(self) -> Tensor:
        return self._vlm.get_input_embeddings().weight

    def _best(self, state: Tensor, allowed: Sequence[int]) -> int:
        logits = state @ self._embedding()[list(allowed)].T
        return allowed[int(logits.float().argmax())]

    def _extend(self, cache: Any, ids: list[int], position: int) -> Tensor:
        """Appends tokens to ``cache``; the last state (D,)."""
        out = self._vlm.model(
            input_ids=torch.tensor([ids], device=self.device),
            position_ids=torch.arange(position, position + len(ids), device=self.device)[None],
            past_key_values=cache,
            use_cache=True,
        )
        return out.last_hidden_state[0, -1]

    @torch.inference_mode()
    def _states(self, encoded: EncodedPicture, rows: Sequence[Row]) -> Tensor:
        """(N, L, D) last states of the rows, padded on the right."""
        parts = [self._pass(encoded, rows[k : k + _MOST_ROWS]) for k in range(0, len(rows), _MOST_ROWS)]
        longest = max(p.shape[1] for p in parts)
        return torch.cat([torch.nn.functional.pad(p, (0, 0, 0, longest - p.shape[1])) for p in parts])

    def _pass(self, encoded: EncodedPicture, rows: Sequence[Row]) -> Tensor:
        longest = max(len(row.ids) for row in rows)
        ids = np.zeros((len(rows), longest), np.int64)
        mask = np.zeros((len(rows), encoded.length + longest), np.int64)
        mask[:, : encoded.length] = 1
        for n, row in enumerate(rows):
            ids[n, : len(row.ids)] = row.ids
            mask[n, encoded.length : encoded.length + len(row.ids)] = 1
        positions = torch.arange(encoded.length, encoded.length + longest, device=self.device)
        tokens = Rows(torch.from_numpy(ids).to(self.device), torch.from_numpy(mask).to(self.device), positions)
        try:
            return self._passes.rows(encoded.cache, tokens)
        except RuntimeError as error:
            raise ModelError("the queries cannot be read", str(error), "Ask fewer at a time.") from error

    def _probabilities(self, states: Tensor, ids: range) -> Float:
        logits = (states @ self._embedding()[ids.start : ids.stop].T).float()
        return torch.softmax(logits, dim=-1).double().cpu().numpy()

    @torch.inference_mode()
    def _locations(self, encoded: EncodedPicture, places_of: Sequence[tuple[int, int]], states: Tensor) -> Locations:
        """Of slot groups, each given by its row and its first slot there."""
        at = np.array(places_of, np.int64).reshape(-1, 2)
        n_slots = len(v.OBJECT_SLOTS)
        index = torch.from_numpy(at[:, 1, None] + np.arange(n_slots)).to(self.device)
        slots = states[torch.from_numpy(at[:, :1]).to(self.device), index]
        places = 1 + len(v.PLACE_SLOTS)
        return locations(
            self._probabilities(slots[:, 0], self.vocabulary.presence),
            self._probabilities(slots[:, 1:places], self.vocabulary.places),
            self._probabilities(slots[:, places:], self.vocabulary.lengths),
            encoded.canvas,
        )

    @torch.inference_mode()
    def _quantities(self, queries: Sequence[Query], rows: Sequence[Row], states: Tensor) -> tuple[Float, Float]:
        lengths, p_true = np.full((len(queries), N_BINS), np.nan), np.full(len(queries), np.nan)
        asked = [n for n, row in enumerate(rows) if row.relation_at >= 0]
        if not asked:
            return lengths, p_true
        read = states[asked, [rows[n].relation_at for n in asked]]
        on_grid = self._probabilities(read, self.vocabulary.lengths)
        yes = self._probabilities(read, self.vocabulary.yes_no)[:, 0]
        for k, n in enumerate(asked):
            direct = read_directly(queries[n].kind)
            assert direct is not None  # the row has its token
            if RELATIONS[queries[n].kind].predicate:
                p_true[n] = 1 - yes[k] if direct.opposite else yes[k]
            else:
                signed = RELATIONS[queries[n].kind].signed
                lengths[n] = _mirrored(on_grid[k]) if direct.opposite else _admissible(on_grid[k], signed)
        return lengths, p_true


def _admissible(probabilities: Float, signed: bool) -> Float:
    if signed:
        return probabilities
    kept = probabilities.copy()
    kept[:ZERO_BIN] = 0.0
    return kept / max(kept.sum(), 1e-12)


def _mirrored(probabilities: Float) -> Float:
    """The distribution of the negative value."""
    mirrored = probabilities.copy()
    mirrored[:OVERFLOW_BIN] = probabilities[:OVERFLOW_BIN][::-1]
    return mirrored


def _named_objects(queries: Sequence[Query]) -> tuple[list[ObjectRef], Int, Int]:
    """The K objects that have to be located, once each, and (N,) indices of subjects and references: K stands for the
    camera, K + 1 for none."""
    mentioned = [thing for q in queries for thing in (q.subject, q.reference) if thing is not None]
    index = {thing: k for k, thing in enumerate(dict.fromkeys(t for t in mentioned if not is_camera(t)))}

    def place_of(thing: ObjectRef | None) -> int:
        return len(index) + 1 if thing is None else index.get(thing, len(index))

    subjects, references = ([place_of(q.subject) for q in queries], [place_of(q.reference) for q in queries])
    return list(index), np.array(subjects, np.int64), np.array(references, np.int64)
