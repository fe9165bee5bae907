"""How a short run is judged: measurements on the bench, and general questions on held-out views."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spatialvlm_ros.evaluation.answers import collect_readout
from spatialvlm_ros.evaluation.asking import JudgedModel, ask_bench
from spatialvlm_ros.evaluation.bench import Bench
from spatialvlm_ros.evaluation.controls import median_answers
from spatialvlm_ros.evaluation.evaluate import UNGATED, asked_items, chosen_views
from spatialvlm_ros.evaluation.rows import Column, columns
from spatialvlm_ros.evaluation.settings import EvaluationSettings
from spatialvlm_ros.models.embedded.backend import EmbeddedBackend
from spatialvlm_ros.models.embedded.folder import read_marker
from spatialvlm_ros.models.embedded.picture import GREY, pixel_values, relative_focal
from spatialvlm_ros.models.spatial_vlm import SpatialVLM
from spatialvlm_ros.scenes.observation import Observation
from spatialvlm_ros.training.ablations.plan import AblationRun
from spatialvlm_ros.training.augmentation import Augmentation
from spatialvlm_ros.training.feed import Feed
from spatialvlm_ros.training.general import GeneralQuestion, general_questions
from spatialvlm_ros.training.loader import CELL
from spatialvlm_ros.training.losses import Batch
from spatialvlm_ros.training.packing import Target, Tree, pack
from spatialvlm_ros.training.questions import QuestionMaker, QuestionPlan

BENCH_ROWS = ("within_2x", "within_25", "within_10", "qualitative")
GENERAL = "general"
_BATCH = 16


@dataclass(frozen=True)
class Count:
    """How many of ``n`` answers are right."""

    hits: int
    n: int

    def __add__(self, other: Count) -> Count:
        return Count(self.hits + other.hits, self.n + other.n)


Counts = dict[str, Count]


def judge(run: AblationRun, model: Path, bench: Bench) -> tuple[Counts, Counts]:
    """Counts per row of the finished model of a run, and of what needs no picture (medians, most frequent answers).

    What was asked on the bench is kept in the run's folder; an interrupted judgement goes on there.
    """
    rows, control = _bench_counts(run, model, bench)
    general, frequent = _general_counts(run, model)
    return {**rows, GENERAL: general}, {**control, GENERAL: frequent}


# ---- the bench ----


class Blindfolded:
    """A model that was trained without pictures is judged without them.

    Args:
        model: any judged model.
    """

    def __init__(self, model: JudgedModel) -> None:
        self._model, self.name = model, model.name

    def look(self, observation: Observation) -> Any:
        """Of a picture in the colour that training without pictures shows."""
        return self._model.look(replace(observation, rgb=np.full_like(observation.rgb, GREY)))


def _bench_counts(run: AblationRun, folder: Path, bench: Bench) -> tuple[Counts, Counts]:
    """A short run knows little of when to refuse: every answer is judged as if it had not refused."""
    model: JudgedModel = SpatialVLM(EmbeddedBackend.from_pretrained(folder, name=run.name))
    if run.config.blind:
        model = Blindfolded(model)
    if run.splits:
        bench = replace(bench, views=tuple(v for v in bench.views if v.split in run.splits))
    settings = EvaluationSettings.load(
        controls=(),
        limit=run.judging.views,
        queries_per_view=run.judging.queries_per_view,
        text_per_view=0,
        model_width=run.config.shape.width,
    )
    views = chosen_views(bench, settings.limit)
    records = ask_bench(model, bench, views, run.folder / "answers.jsonl", settings)
    table = asked_items(views, settings)
    answers = collect_readout(records, UNGATED, table.view, table.position)
    medians, histogram = median_answers(table, by_name=False)
    made = (columns(table, a, settings.model_width, histogram) for a in (answers, medians))
    mine, control = ({name: _count(c[name]) for name in BENCH_ROWS if name in c} for c in made)
    return mine, control


def _count(column: Column) -> Count:
    return Count(int((column.numerator > 0.5).sum()), len(column.numerator))


# ---- general questions ----


def _general_counts(run: AblationRun, folder: Path) -> tuple[Count, Count]:
    """Answers that are right word for word, and what the most frequent answer of each kind of question would reach."""
    right: list[bool] = []
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for asked, hits in _answered(run, folder):
        right += hits
        for question in asked:
            answers[question.kind][question.answer] += 1
    frequent = sum(max(given.values()) for given in answers.values())
    return Count(sum(right), len(right)), Count(frequent, len(right))


@torch.inference_mode()
def _answered(run: AblationRun, folder: Path) -> Iterator[tuple[list[GeneralQuestion], list[bool]]]:
    """Batches of questions on held-out views, and whether each is answered right.

    An answer is right when every one of its words is the likeliest after those before it: it is then what decoding one
    word after another says.
    """
    from transformers import AutoModelForImageTextToText, AutoTokenizer

    config, marker = run.config, read_marker(folder)
    vlm = AutoModelForImageTextToText.from_pretrained(
        str(folder), dtype=torch.float32, local_files_only=True, attn_implementation="eager"
    ).eval()
    tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    maker = QuestionMaker(tokenizer, marker.nouns, QuestionPlan())
    still, mode = Augmentation.none(), config.camera_mode
    feed = Feed(config.validate.folder, config.shape, CELL, still, seed=0, camera_mode=mode)
    embedding = vlm.get_input_embeddings().weight
    for step in range(-(-run.judging.general_views // _BATCH)):
        size = min(_BATCH, run.judging.general_views - step * _BATCH)
        samples, rng = feed.batch(step, size), np.random.default_rng([step, size])
        asked = [general_questions(s, (), run.judging.general_questions, marker.nouns, rng) for s in samples]
        trees = [Tree() for _ in samples]
        for tree, sample, questions in zip(trees, samples, asked, strict=True):
            for question in questions:
                maker.general(tree, sample, question)
        pixels = np.stack([pixel_values(s.pixels, s.camera, mode) for s in samples])
        if config.blind:
            pixels[:, :3] = 0.0
        prefixes = [maker.prefix(relative_focal(s.camera), config.shape.picture_tokens) for s in samples]
        batch = Batch.of(pack(trees, prefixes, pad=0), pixels, torch.device("cpu"), torch.float32)
        hidden = vlm.model(
            input_ids=batch.ids,
            pixel_values=batch.pixels,
            attention_mask=batch.mask,
            position_ids=batch.positions,
            use_cache=False,
        ).last_hidden_state
        said = torch.zeros_like(batch.ids)
        words = batch.targets == Target.TEXT
        said[words] = (hidden[words] @ embedding.T).argmax(dim=-1)
        right = (said == batch.values.nan_to_num().long()) | ~words
        yield sum(asked, []), list(_pieces_right(trees, right.numpy(), len(prefixes[0])))


def _pieces_right(trees: list[Tree], right: np.ndarray, prefix: int) -> Iterator[bool]:
    """Per question: whether all words of its answer are right; what the question's last word predicts is no answer."""
    for tree, row in zip(trees, right, strict=True):
        bounds = [*tree.starts, len(tree)]
        for start, end in zip(bounds[:-1], bounds[1:], strict=True):
            words = [k for k in range(start, end) if tree.targets[k] == Target.TEXT][1:]
            yield bool(row[[prefix + k for k in words]].all())


def to_json(counts: Mapping[str, Count]) -> dict[str, list[int]]:
    """Plain values."""
    return {name: [count.hits, count.n] for name, count in counts.items()}


def from_json(values: Mapping[str, list[int]]) -> Counts:
    """The inverse of `to_json`."""
    return {name: Count(*pair) for name, pair in values.items()}
