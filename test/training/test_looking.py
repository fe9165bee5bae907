"""Supervised attention: the right tokens look at the right patches, and the loss is the share that falls on them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from stored_scenes import stored_view

from spatialvlm_ros.models.embedded.tokenizer import train_tokenizer
from spatialvlm_ros.training.augmentation import Augmentation, Sample, augmented
from spatialvlm_ros.training.looking import AttentionTap, Looks, covered_patches, looks_of
from spatialvlm_ros.training.packing import pack
from spatialvlm_ros.training.questions import QuestionMaker, QuestionPlan


def sample(view: object | None = None) -> Sample:
    return augmented(stored_view(), 256, 192, 8, Augmentation.none(), np.random.default_rng(0))


def test_patches_of_an_object_are_those_under_its_box() -> None:
    s = sample()
    covered = covered_patches(s, 2).reshape(3, 12, 16)
    for k in range(3):
        rows, columns = np.nonzero(covered[k])
        x0, y0, x1, y1 = s.boxes[k] / 16
        assert (columns + 1 > x0).all() and (columns < x1).all() and (rows + 1 > y0).all() and (rows < y1).all()
        assert len(rows) >= 0.5 * (x1 - x0) * (y1 - y0)


def test_slots_of_names_and_of_questions_look_at_the_object_they_mean() -> None:
    tokenizer = train_tokenizer([" red mug", " How far is the mug from the plate?"], 400)
    plan = QuestionPlan(objects=2, pairs=1, relations=2, missing=1, texts=3, general=1)
    s = sample()
    maker = QuestionMaker(tokenizer, ("lamp",), plan)
    trees = maker.trees([s, s], np.random.default_rng(0))
    prefix = maker.prefix(0.9, 192)
    looks = looks_of(trees, [s, s], len(prefix), 2)
    packed = pack(trees, [prefix, prefix], pad=0)
    tokens = tokenizer.convert_ids_to_tokens(packed.ids[looks.views, looks.positions].tolist())
    assert all(t.endswith("?>") for t in tokens) and {"<presence?>", "<u?>", "<height?>"} <= set(tokens)
    covered = covered_patches(s, 2)
    for view, position, patches, token in zip(looks.views, looks.positions, looks.patches, tokens, strict=True):
        if token == "<u?>":  # its truth says which object is meant
            u = (packed.values[view, position] / 256 * 1.5 - 0.25) * 256
            centers = s.camera.project(s.scene.boxes().centers)
            meant = int(np.abs(centers[:, 0] - u).argmin())
            assert (patches == covered[meant]).all()
    slots = (packed.targets > 0) & np.isin(packed.ids, tokenizer.convert_tokens_to_ids(["<u?>"]))
    assert slots.sum() == tokens.count("<u?>")


def test_the_loss_is_the_share_of_attention_on_the_object() -> None:
    layers = [torch.nn.Module(), torch.nn.Module()]
    for layer in layers:
        layer.self_attn = torch.nn.Identity()
    tap = AttentionTap(SimpleNamespace(model=SimpleNamespace(language_model=SimpleNamespace(layers=layers))))
    weights = torch.zeros(2, 4, 6, 6)
    weights[1, :2, 5, :3] = torch.tensor([0.5, 0.25, 0.25])
    patches = np.array([[True, False, True, False]])
    tap._keep(None, None, (None, weights))
    loss = tap.loss(Looks(np.array([1]), np.array([5]), patches))
    assert float(loss) == pytest.approx(-np.log(0.75), abs=1e-3)
    assert tap.weights is None


def test_a_view_without_objects_costs_nothing() -> None:
    layers = [torch.nn.Module()]
    layers[0].self_attn = torch.nn.Identity()
    tap = AttentionTap(SimpleNamespace(model=SimpleNamespace(language_model=SimpleNamespace(layers=layers))))
    tap._keep(None, None, (None, torch.rand(1, 2, 3, 3)))
    empty = Looks(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 4), bool))
    assert float(tap.loss(empty)) == 0.0
