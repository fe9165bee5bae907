"""Speed of hub models: one picture read once and all questions behind it, against `generate` for every question.

    python bench/hub_speed.py [--models qwen llava] [--questions 16] [--runs 5] [--json]
    python bench/hub_speed.py --models qwen-3b --questions 1 4 16 --device cuda --dtype bfloat16     # an accelerator

The models are random ones of the published architectures: "qwen" and "llava" are small enough for a processor,
"qwen-3b" has the size of Qwen2.5-VL-3B and is made on the accelerator. In the small ones reading the picture costs
about what its tokens cost in the text part (Qwen2.5-VL) or a quarter of it (LLaVA); a word is about a token. Random
models spread their probability over all digits; sharper ones, their logits multiplied, need few branches of the digit
tree, as trained models do. Medians and their ratios come from one process; both ways take turns. On a processor the
time is that of the process (what else runs there does not count), on an accelerator that of the wall.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "test" / "models" / "hub")]

import hub_tiny_models  # noqa: E402
import torch  # noqa: E402
from model_speed import observation, queries  # noqa: E402
from transformers.utils import logging  # noqa: E402

from spatialvlm_ros.models.hub.backend import HubBackend  # noqa: E402
from spatialvlm_ros.models.hub.grounding import names_in, presence_questions  # noqa: E402
from spatialvlm_ros.models.hub.numbers import NumberGrammar  # noqa: E402
from spatialvlm_ros.models.hub.quantity_tokens import quantity_tokens  # noqa: E402
from spatialvlm_ros.models.hub.wording import query_words  # noqa: E402
from spatialvlm_ros.models.query import Query  # noqa: E402
from spatialvlm_ros.models.wording import camera_words  # noqa: E402

TEXT = {
    "hidden_size": 256,
    "intermediate_size": 704,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
    "initializer_range": 0.06,
}
QWEN_VISION = {
    "depth": 4,
    "hidden_size": 128,
    "intermediate_size": 344,
    "num_heads": 4,
    "fullatt_block_indexes": [3],
    "window_size": 112,
}
# The sizes of Qwen2.5-VL-3B; its vocabulary is padded up to the published one, as the output layer costs time.
TEXT_3B = {
    "hidden_size": 2048,
    "intermediate_size": 11008,
    "num_hidden_layers": 36,
    "num_attention_heads": 16,
    "num_key_value_heads": 2,
    "max_position_embeddings": 32768,
    "initializer_range": 0.02,
    "tie_word_embeddings": True,
}
VISION_3B = {
    "depth": 32,
    "hidden_size": 1280,
    "intermediate_size": 3420,
    "num_heads": 16,
    "fullatt_block_indexes": [7, 15, 23, 31],
    "window_size": 112,
}
VOCABULARY_3B = 151_936
LLAVA_VISION = {"hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 4, "num_attention_heads": 4}
SHARPNESS = (1.0, 4.0, 16.0)


@dataclass
class Passes:
    """Forward passes of a model.

    Attributes:
        tokens: of each pass, padding included.
    """

    tokens: list[int] = field(default_factory=list)

    @contextmanager
    def of(self, model: Any) -> Iterator[None]:
        """Count those inside the block."""
        hook = model.register_forward_pre_hook(
            lambda _, __, given: self.tokens.append(given["input_ids"].numel()), with_kwargs=True
        )
        try:
            yield
        finally:
            hook.remove()


def sentences() -> tuple[str, ...]:
    """What the tokenizers learn from: the prompts themselves, so that a word is about a token, as with large ones."""
    frame = observation()
    asked = [query_words(q, frame.camera, NumberGrammar(2, signed=True)) for q in queries(40)]
    return (*hub_tiny_models.SENTENCES, camera_words(frame.camera), *asked)


def _small_qwen(folder: Path, device: str) -> Path:
    return hub_tiny_models.make_qwen(folder, replace(_small(), vision=QWEN_VISION, patches=400))


def _small_llava(folder: Path, device: str) -> Path:
    return hub_tiny_models.make_llava(folder, size=replace(_small(), vision=LLAVA_VISION, patches=24))


def _qwen_3b(folder: Path, device: str) -> Path:
    size = replace(_small(), text=TEXT_3B, vision=VISION_3B, patches=400)
    with torch.device(device), float_type(torch.bfloat16):  # drawn where that is quick, and half as large
        return hub_tiny_models.make_qwen(folder, size, VOCABULARY_3B)


def _small() -> hub_tiny_models.Size:
    return hub_tiny_models.Size(text=TEXT, vocabulary=1200, sentences=sentences())


MODELS: dict[str, Callable[[Path, str], Path]] = {"qwen": _small_qwen, "llava": _small_llava, "qwen-3b": _qwen_3b}


@contextmanager
def float_type(dtype: torch.dtype) -> Iterator[None]:
    """New tensors have this type inside the block."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def make(kind: str, folder: Path, device: str = "cpu") -> Path:
    """A model's folder."""
    torch.manual_seed(0)
    return MODELS[kind](folder, device)


def with_quantity_tokens(backend: HubBackend) -> None:
    """Add them to the vocabulary, as fine-tuning does; their embeddings are random like all others."""
    backend.loaded.tokenizer.add_tokens(list(quantity_tokens()))
    backend.loaded.model.resize_token_embeddings(len(backend.loaded.tokenizer), mean_resizing=False)


def clock(device: str) -> float:
    """Seconds: of the process on a processor, of the wall elsewhere."""
    if device == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def alternating(calls: Sequence[Callable[[], object]], runs: int, device: str) -> list[float]:
    """Median milliseconds of each call after a warm-up; the calls take turns."""
    times: list[list[float]] = [[] for _ in calls]
    for run in range(runs + 1):
        for call, found in zip(calls, times, strict=True):
            start = clock(device)
            call()
            if run:
                found.append(clock(device) - start)
    return [1e3 * statistics.median(found) for found in times]


def generated(backend: HubBackend, question: str, picture: Any) -> None:
    """12 tokens for one question, picture and prompt anew: the plain way."""
    inputs = backend.runner.tensors(backend.template.inputs(picture, question))
    backend.loaded.model.generate(**inputs, min_new_tokens=12, max_new_tokens=12, do_sample=False)


def measure(backend: HubBackend, asked: list[Query], runs: int) -> dict[str, float]:
    """Milliseconds and gains of one way of reading."""
    frame, device = observation(), str(backend.loaded.device)
    encoded = backend.encode(frame)
    questions = [backend._question(encoded, query) for query in asked]
    names = names_in([thing for query in asked for thing in (query.subject, query.reference)])
    beside = presence_questions(names) if backend.options.ask_presence else []
    passes, prompts = Passes(), Passes()
    backend.read(encoded, asked)  # prepares the trees
    with passes.of(backend.loaded.model):
        backend.read(encoded, asked)
    with torch.no_grad(), prompts.of(backend.loaded.model):
        backend._prompts(encoded, [*questions, *beside])
    turn = iter(range(1 << 30))
    encode, read, plain = alternating(
        (
            lambda: backend.encode(frame),
            lambda: backend.read(encoded, asked),
            lambda: generated(backend, f"{encoded.lead} {questions[next(turn) % len(questions)]}", encoded.picture),
        ),
        runs,
        device,
    )
    each = len(asked) * plain
    return {
        "encode_ms": encode,
        "read_ms": read,
        "generate_one_ms": plain,
        "gain": each / (encode + read),
        "passes": len(passes.tokens),
        "prompt_tokens": sum(prompts.tokens),
        "branch_tokens": sum(passes.tokens) - sum(prompts.tokens),
    }


def compare(kind: str, counts: Sequence[int], runs: int, dtype: str, device: str) -> dict[str, dict[str, float]]:
    """All ways of reading one model; where there are several numbers of questions, the way's name has them."""
    found: dict[str, dict[str, float]] = {}

    def note(way: str, backend: HubBackend) -> None:
        for count in counts:
            name = way if len(counts) == 1 else f"{way}, {count} question{'s' * (count > 1)}"
            found[name] = measure(backend, queries(count), runs)

    with tempfile.TemporaryDirectory() as folder:
        make(kind, Path(folder), device)
        backend = HubBackend.from_pretrained(folder, dtype=dtype, device=device)
        sharper = [1.0, *(b / a for a, b in zip(SHARPNESS, SHARPNESS[1:], strict=False))]
        for sharpness, factor in zip(SHARPNESS, sharper, strict=True):
            with torch.no_grad():
                backend.loaded.model.lm_head.weight *= factor
            note(f"digit tree, sharpness {sharpness:g}", backend)
        backend.options = replace(backend.options, ask_presence=False)
        note(f"digit tree, sharpness {sharpness:g}, presence not asked", backend)
        backend = HubBackend.from_pretrained(folder, dtype=dtype, device=device)
        with_quantity_tokens(backend)
        note("quantity tokens", backend)
        backend.options = replace(backend.options, ask_presence=False)
        note("quantity tokens, presence not asked", backend)
    return found


def table(kind: str, rows: dict[str, dict[str, float]]) -> str:
    """Markdown."""
    lines = [
        f"### {kind}",
        "",
        "| | encode | read | generate, each question | gain | passes | prompt tokens | branch tokens |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {r['encode_ms']:.0f} ms | {r['read_ms']:.0f} ms | {r['generate_one_ms']:.0f} ms | "
        f"{r['gain']:.1f} x | {r['passes']:.0f} | {r['prompt_tokens']:.0f} | {r['branch_tokens']:.0f} |"
        for name, r in rows.items()
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Prints a table for each model, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=["qwen", "llava"])
    parser.add_argument("--questions", type=int, nargs="+", default=[16])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", action="store_true", help="print nothing but the JSON")
    args = parser.parse_args()
    logging.disable_progress_bar()
    found = {kind: compare(kind, args.questions, args.runs, args.dtype, args.device) for kind in args.models}
    print(json.dumps(found) if args.json else "\n".join(table(kind, rows) for kind, rows in found.items()))


if __name__ == "__main__":
    main()
