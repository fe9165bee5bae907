"""Whether a model answers the same behind a copy of the picture's cache as it does from the whole prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from spatialvlm_ros.errors import SpatialVLMError
from spatialvlm_ros.models.hub.continuation import Prompts
from spatialvlm_ros.models.hub.faults import first_line, is_out_of_memory
from spatialvlm_ros.models.hub.packing import can_pack
from spatialvlm_ros.models.hub.runner import Runner
from spatialvlm_ros.models.hub.tree import Continuations

Float = NDArray[np.float64]
Int = NDArray[np.int64]

_LEAD = "The picture is 640 x 480 pixels."
_QUESTIONS = ("How tall is the chair?", "Is the small red mug farther left than the plate, as the camera sees it?")
NOISE_SIZE = (224, 160)
_ONE_BATCH = 1 << 30
# Largest difference of log probabilities, in standard deviations of the model's own over its vocabulary.
TOLERANCES = {"float32": 3e-3, "float16": 0.05, "bfloat16": 0.25}


@dataclass(frozen=True)
class SelfCheck:
    """What the check found.

    Attributes:
        cached: whether the prefix cache may be used.
        deviation: largest difference of log probabilities between the two ways, in standard deviations of the
            log probabilities over the vocabulary; NaN where one way failed.
        reason: one sentence for the log.
        packed: whether all branches of a prompt may be read in one row.
    """

    cached: bool
    deviation: float
    reason: str
    packed: bool = False


def noise_picture() -> Image.Image:
    """A picture of noise, the same each time."""
    pixels = np.random.default_rng(0).integers(0, 256, (NOISE_SIZE[1], NOISE_SIZE[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def self_check(runner: Runner) -> SelfCheck:
    """Compare the two ways on a picture of noise with two questions of different length, and one token further.

    Raises:
        Exception: whatever the model raises where the plain way fails; out of memory in either way.
    """
    picture = noise_picture()
    plain = runner.whole(picture, [f"{_LEAD} {question}" for question in _QUESTIONS])
    expected = [batch.log_probs[0] for batch in plain.batches]
    further = [batch.step(runner.model, *_first_token(batch)).log_probs[0] for batch in plain.batches]
    try:
        padded = replace(runner, pass_tokens=_ONE_BATCH)  # padding is part of what is checked
        behind = padded.behind(padded.prefix(picture, _LEAD), _QUESTIONS)
        batch = behind.batches[0]
        token = _stacked([_first_token(one)[1] for one in plain.batches])
        after = batch.step(runner.model, _stacked_rows(token), token).log_probs
    except SpatialVLMError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        return SelfCheck(False, float("nan"), f"the prompt cannot be read in two parts ({first_line(error)})")
    pairs = [*zip(expected, batch.log_probs, strict=True), *zip(further, after, strict=True)]
    deviation = max(_deviation(one, other) for one, other in pairs)
    dtype = str(runner.model.dtype).removeprefix("torch.")
    tolerance = TOLERANCES.get(dtype, TOLERANCES["bfloat16"])
    if deviation <= tolerance:
        packed = can_pack(runner.model.config) and _packing_deviation(behind) <= tolerance
        return SelfCheck(True, deviation, "the prefix cache changes nothing", packed)
    return SelfCheck(
        False, deviation, "answers differ behind a cached picture: its reading depends on the question or on padding"
    )


def _packing_deviation(prompts: Prompts) -> float:
    """Largest difference after several paths, read in one row or each in its own, in standard deviations."""
    batch = prompts.batches[0]
    some = batch.log_probs.topk(3, dim=-1).indices.cpu().numpy()
    rows, wanted = np.repeat(np.arange(len(some)), 3), [np.unique(some)] * 3 * len(some)
    short = [some[r, k : k + 1] for r in range(len(some)) for k in range(3)]
    long = [np.append(path, np.roll(some[r], k)) for k, (r, path) in enumerate(zip(rows, short, strict=True))]
    try:
        both = [
            _two_levels(replace(prompts, packed=packed).walk(), rows, (short, long), wanted) for packed in (False, True)
        ]
    except Exception as error:
        if is_out_of_memory(error):
            raise
        return float("inf")
    spread = float(batch.log_probs.double().std(dim=-1).min())
    return float(np.abs(both[0] - both[1]).max()) / spread


def _two_levels(walk: Continuations, rows: Int, levels: Sequence[list[Int]], wanted: list[Int]) -> Float:
    """Everything that a walk says about paths of one token, and then about longer ones that begin with them."""
    found = []
    for paths in levels:
        reached, following = walk.after(rows, paths, np.minimum([len(path) for path in paths], 2), wanted)
        found += [reached, *following]
    return np.concatenate(found)


def _deviation(one: Any, other: Any) -> float:
    """Largest difference, in standard deviations of the first; infinite where one is not a number."""
    difference = float((one.double() - other.double()).abs().max())
    spread = float(one.double().std())
    return difference / spread if np.isfinite(difference) and spread > 0 else float("inf")


def _first_token(batch: Any) -> tuple[Any, Any]:
    """Row 0 of a batch and its likeliest token."""
    token = batch.log_probs[:1].argmax(dim=-1)
    return token * 0, token


def _stacked(tokens: list[Any]) -> Any:
    return tokens[0].new_tensor([int(token) for token in tokens])


def _stacked_rows(tokens: Any) -> Any:
    return tokens.new_tensor(range(len(tokens)))
