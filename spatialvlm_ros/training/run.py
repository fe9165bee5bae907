"""A whole training run: from its configuration to a finished model folder."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spatialvlm_ros.errors import TrainingError
from spatialvlm_ros.models.embedded.architecture import build_config, build_model
from spatialvlm_ros.models.embedded.folder import ModelCardData, read_marker, save_model
from spatialvlm_ros.models.embedded.tokenizer import train_tokenizer
from spatialvlm_ros.models.embedded.vocabulary import END, IMAGE, PAD, Vocabulary
from spatialvlm_ros.scenes.scene import SceneObject
from spatialvlm_ros.training.augmentation import Augmentation
from spatialvlm_ros.training.config import StoreConfig, TrainConfig
from spatialvlm_ros.training.corpus import corpus
from spatialvlm_ros.training.deadline import NEVER, Deadline
from spatialvlm_ros.training.dense import DenseHeads, Lexicon
from spatialvlm_ros.training.feed import Feed
from spatialvlm_ros.training.label_noise import LabelNoise
from spatialvlm_ros.training.lexicon import load_lexicon, save_lexicon, simulated_labels, simulated_lexicon
from spatialvlm_ros.training.loader import CELL, Loader
from spatialvlm_ros.training.model import TrainedModel
from spatialvlm_ros.training.pretrained import load_pretrained
from spatialvlm_ros.training.questions import QuestionMaker
from spatialvlm_ros.training.rendering import render_store
from spatialvlm_ros.training.splitting import split_wanted
from spatialvlm_ros.training.trainer import Trainer, agreed
from spatialvlm_ros.training.view_store import read_scene

logger = logging.getLogger(__name__)

_TOKENIZER_SCENES = 200
_KEPT_MIB = 4096  # of views that were read, in all processes that make the batches of a trainer
_TRAINED_RANGES_M = (0.3, 5.0)
_SHOWN = (0.01, 0.99)  # quantiles of the ranges of a warm start's views; single ones beyond were hardly learnt
_OF_DECODER = ("hidden", "layers", "heads", "kv_heads", "feedforward")


def train(config: TrainConfig) -> Path:
    """Renders what is missing, trains, and writes the model.

    Returns:
        The folder of the finished model, ``config.out``/model.

    Raises:
        TrainingError, ConfigError: the run cannot start or go on.
    """
    folder = train_until(config, NEVER)
    assert folder is not None  # nothing but a deadline stops a run before its end
    return folder


def train_until(config: TrainConfig, deadline: Deadline) -> Path | None:
    """As `train`, but stops at a deadline with a checkpoint; called again it goes on there.

    Returns:
        The folder of the finished model; None where the deadline came first.

    Raises:
        TrainingError, ConfigError: the run cannot start or go on.
    """
    from accelerate import Accelerator
    from accelerate.utils import DistributedDataParallelKwargs

    split_wanted()  # refuses what is not supported before accelerate loads it
    # Without cpu=True processes started by torchrun on a machine without an accelerator do not find each other.
    accelerator = Accelerator(
        cpu=not torch.cuda.is_available(),
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
    )
    torch.manual_seed(config.seed)
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    rendered = True
    if accelerator.is_main_process:
        rendered = render_stores(config, deadline)
        if rendered:
            _prepare_words(config, out)
    accelerator.wait_for_everyone()
    if not agreed(accelerator, float(rendered)):
        return None
    lexicon, tokenizer = load_lexicon(out / "lexicon.json"), _load_tokenizer(out / "tokenizer")
    model = _model(config, lexicon, tokenizer)
    exact = replace(config, augmentation=Augmentation.none(), noise=LabelNoise())
    loaders = (
        _loader(config, config.train, lexicon, tokenizer, accelerator),
        _loader(exact, config.validate, lexicon, tokenizer, None),
    )
    trainer = Trainer(config, model, *loaders, accelerator)
    state = trainer.run(deadline)
    if not trainer.finished(state):
        return None
    folder = out / "model"
    if accelerator.is_main_process:
        export_checkpoint(config, folder)  # of the last step; its weights are whole where the model is split
        logger.info("the model is in %s", folder)
    accelerator.wait_for_everyone()
    return folder


def export_checkpoint(config: TrainConfig, folder: str | Path) -> None:
    """Writes the model of a run's newest checkpoint, while the run goes on or after it was stopped.

    Raises:
        TrainingError: the run has no checkpoint, or one of another model.
    """
    from safetensors.torch import load_file

    from spatialvlm_ros.training.checkpoints import load_weights, read_state

    out = Path(config.out)
    found = read_state(out / "checkpoint")
    if found is None:
        raise TrainingError("this run has no checkpoint", str(out), "Train first, or name the run's folder in `out`.")
    try:
        lexicon, tokenizer = load_lexicon(out / "lexicon.json"), _load_tokenizer(out / "tokenizer")
        model = _model(replace(config, start_from=""), lexicon, tokenizer)
        load_weights(model, load_file(str(out / "checkpoint" / "weights.safetensors")))
    except (OSError, ValueError) as error:
        raise TrainingError("this run has no checkpoint that fits", str(out), str(error)) from error
    data = _card(config, lexicon, found[0].pictures)
    save_model(folder, model.vlm, tokenizer, data)


def _card(config: TrainConfig, lexicon: Lexicon, pictures: int) -> ModelCardData:
    return ModelCardData(config.shape, lexicon.nouns, _trained_ranges(config), pictures, config.camera_mode)


def _trained_ranges(config: TrainConfig) -> tuple[float, float]:
    """Metres within which the model answers: a warm start adds what its views show to what the model knew."""
    if not config.start_from:
        return _TRAINED_RANGES_M
    low, high = read_marker(config.start_from).ranges_m
    ranges = [np.linalg.norm(o.box3d.centers[0]) for o in _some_objects(config) if o.box3d is not None]
    near, far = np.quantile(ranges, _SHOWN) if ranges else (low, high)
    return min(low, round(float(near), 2)), max(high, round(float(far), 2))


def render_stores(config: TrainConfig, deadline: Deadline = NEVER) -> bool:
    """Renders the views that the stores of a configuration lack, and says whether all are there before the deadline."""
    stores = [store for store in (config.train, config.validate) if store.simulation]
    return all(
        render_store(store.folder, store.simulation, store.split, store.seed, store.pack, deadline=deadline)
        for store in stores
    )


def _prepare_words(config: TrainConfig, out: Path) -> None:
    """Lexicon and tokenizer: from the model to start from, else learnt once and kept."""
    if not (out / "lexicon.json").exists():
        save_lexicon(_lexicon(config), out / "lexicon.json")
    if (out / "tokenizer").exists():
        return
    if config.start_from:
        _load_tokenizer(Path(config.start_from)).save_pretrained(out / "tokenizer")
        return
    paths = sorted(Path(config.train.folder).rglob("*.npz"))[:_TOKENIZER_SCENES]
    scenes = [view.scene for path in paths for view in read_scene(path)[:2]]
    if not scenes:
        raise TrainingError("the view store is empty", config.train.folder, "Name its simulation settings.")
    train_tokenizer(corpus(scenes, simulated_labels())).save_pretrained(out / "tokenizer")


def _lexicon(config: TrainConfig) -> Lexicon:
    """Of the simulation; a warm start adds what its views show to what the model knew."""
    lexicon = simulated_lexicon()
    if not config.start_from:
        return lexicon
    here = {o.noun for o in _some_objects(config)}
    return Lexicon(sorted({*read_marker(config.start_from).nouns, *here}), lexicon.attributes)


def _some_objects(config: TrainConfig) -> list[SceneObject]:
    """The objects in the views of the first scenes."""
    paths = sorted(Path(config.train.folder).rglob("*.npz"))[:_TOKENIZER_SCENES]
    return [o for path in paths for view in read_scene(path) for o in view.scene.objects]


def _load_tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(folder))


def _model(config: TrainConfig, lexicon: Lexicon, tokenizer: Any) -> TrainedModel:
    shape, ids = config.shape, Vocabulary()
    vlm = build_model(build_config(shape, len(tokenizer), ids[IMAGE], ids[PAD], ids[END]))
    heads = DenseHeads(shape.hidden, len(lexicon.nouns) + 1, len(lexicon.attributes) + 1)
    if config.encoder_from:
        load_pretrained(vlm.model.vision_tower, config.encoder_from)
    if config.start_from:
        warm_start(vlm, config)
    return TrainedModel(vlm, heads, shape, config.weights)


def warm_start(vlm: Any, config: TrainConfig) -> None:
    """Fills a model with the weights of ``config.start_from``; the decoder's alone where the encoder is another one.

    Raises:
        TrainingError: the shapes differ.
    """
    from transformers import AutoModelForImageTextToText

    there = AutoModelForImageTextToText.from_pretrained(config.start_from, dtype=torch.float32).state_dict()
    shape = read_marker(config.start_from).shape
    if shape.encoder != config.shape.encoder:
        # The projector's first layer reads the other encoder's channels.
        there = {k: value for k, value in there.items() if not _of_encoder(k)}
        shape = replace(config.shape, **{name: getattr(shape, name) for name in _OF_DECODER})
    if shape != config.shape:
        raise TrainingError("the model to start from has another shape", shape, "Use its shape.")
    vlm.load_state_dict(there, strict=len(there) == len(vlm.state_dict()))


def _of_encoder(name: str) -> bool:
    return "vision_tower." in name or "multi_modal_projector.linear_1." in name


def _loader(
    config: TrainConfig,
    store: StoreConfig,
    lexicon: Lexicon,
    tokenizer: Any,
    accelerator: Any,
) -> Loader:
    rank, world = (0, 1) if accelerator is None else (accelerator.process_index, accelerator.num_processes)
    processes = 0 if accelerator is None else config.loader_processes
    feed = Feed(
        store.folder,
        config.shape,
        CELL,
        config.augmentation,
        config.seed,
        rank,
        world,
        config.camera_mode,
        keep_mib=_KEPT_MIB / max(processes, 1),  # each of them reads views of all scenes
    )
    maker = QuestionMaker(tokenizer, lexicon.nouns, config.plan, config.noise)
    return Loader(feed, maker, lexicon, config.seed, config.blind, config.shape.picture_tokens, processes)
