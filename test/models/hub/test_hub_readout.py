"""Digit tree, yes and no, prefix cache and generation of tiny random models, against whole forward passes."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from spatialvlm_ros.models.hub.numbers import NumberGrammar  # noqa: E402
from spatialvlm_ros.models.hub.readout import NO, YES, number_tree, yes_no_tree  # noqa: E402
from spatialvlm_ros.models.hub.self_check import noise_picture  # noqa: E402

QUESTION = "How tall is the red mug?"
QUESTIONS = [QUESTION, "Is the chair farther left than the small white plate, as the camera sees it?", "Is it?"]
CACHED = ["llava", "llava_digits", "qwen", "idefics3"]
ALL = [*CACHED, "paligemma"]
TYPES = {"token_type_ids": 1, "mm_token_type_ids": 0, "attention_mask": 1}


@torch.inference_mode()
def whole_log_probs(backend, picture, question, answer):
    """(len(answer) + 1, V) log probabilities after the prompt and each token, in one pass without any cache."""
    inputs = backend.runner.tensors(backend.template.inputs(picture, question))
    length = inputs["input_ids"].shape[1]
    for name, value in [("input_ids", None), *TYPES.items()]:
        if name in inputs:
            more = answer if value is None else [value] * len(answer)
            inputs[name] = torch.cat([inputs[name], torch.tensor([list(more)], dtype=torch.long)], dim=1)
    logits = backend.loaded.model(**inputs, use_cache=False).logits[0, length - 1 :]
    return logits.double().log_softmax(dim=-1).numpy()


def answer_log_prob(backend, picture, question, answer):
    logs = whole_log_probs(backend, picture, question, answer)
    return sum(logs[k, token] for k, token in enumerate(answer))


def prompts(backend, picture, questions):
    with torch.inference_mode():
        if backend.cached:
            return backend.runner.behind(backend.runner.prefix(picture), questions)
        return backend.runner.whole(picture, questions)


@pytest.mark.parametrize("kind", ALL)
def test_the_digit_tree_equals_the_enumeration_of_all_numbers(hub_backend, kind):
    backend, picture = hub_backend(kind), noise_picture()
    grammar = NumberGrammar(1, 1, signed=kind == "qwen")
    tree = number_tree(backend.template, grammar)
    with torch.inference_mode():
        read = tree.read(prompts(backend, picture, [QUESTIONS[1], QUESTION]), np.array([1]))
    expected = np.zeros(len(grammar.texts))
    seen = set()
    for lead in ("", " "):
        for k, tokens in enumerate(backend.template.answers([lead + text for text in grammar.texts])):
            if tuple(tokens) not in seen:
                seen.add(tuple(tokens))
                expected[k] += np.exp(answer_log_prob(backend, picture, QUESTION, tokens))
    np.testing.assert_allclose(read.masses[0], expected, rtol=2e-3, atol=1e-12)
    assert read.pruned[0] == 0 and read.total[0] == pytest.approx(expected.sum(), rel=1e-3)
    assert expected.max() > 3 * np.median(expected)  # the model does prefer some numbers


def test_tokenizers_differ_in_how_they_split_digits(hub_backend):
    several = hub_backend("llava").template.answers(["10.75", "99.99"])
    single = hub_backend("llava_digits").template.answers(["10.75", "99.99"])
    assert [len(tokens) for tokens in single] == [5, 5]
    assert min(len(tokens) for tokens in several) < 5
    for kind, tokens in [("llava", several), ("llava_digits", single)]:
        assert hub_backend(kind).loaded.tokenizer.batch_decode(tokens) == ["10.75", "99.99"]


@pytest.mark.parametrize("kind", ALL)
def test_yes_against_no_sums_the_spellings(hub_backend, kind):
    backend, picture = hub_backend(kind), noise_picture()
    read = yes_no_tree(backend.template).read(prompts(backend, picture, QUESTIONS), np.array([1, 2]))
    for row, question in zip(read.masses, QUESTIONS[1:], strict=True):
        for mass, spellings in zip(row, (YES, NO), strict=True):
            tokens, _ = backend.template.spellings(spellings)
            different = {tuple(t) for t in tokens}
            expected = sum(np.exp(answer_log_prob(backend, picture, question, t)) for t in different)
            assert mass == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("kind", CACHED)
def test_a_batch_behind_the_cache_equals_whole_prompts(hub_backend, kind):
    backend, picture = hub_backend(kind), noise_picture()
    assert backend.cached and backend.check.deviation < 1e-4
    batch = prompts(backend, picture, QUESTIONS).batches[0]
    assert batch.mask.min() == 0  # there is padding
    for k, question in enumerate(QUESTIONS):
        expected = whole_log_probs(backend, picture, question, [])[0]
        np.testing.assert_allclose(batch.log_probs[k].numpy(), expected, atol=2e-4)


def test_a_model_whose_question_changes_the_picture_runs_uncached(hub_backend, hub_folder, caplog):
    from spatialvlm_ros.models.hub.backend import HubBackend

    backend = hub_backend("paligemma")
    assert not backend.cached and backend.check.deviation > 0.01
    with caplog.at_level("WARNING"):
        HubBackend.from_pretrained(str(hub_folder("paligemma")), device="cpu", dtype="float32")
    assert "runs uncached: answers differ behind a cached picture" in caplog.text


def test_mrope_positions_are_not_token_counts(hub_backend):
    backend, picture = hub_backend("qwen"), noise_picture()
    from dataclasses import replace

    with torch.inference_mode():
        prefix = backend.runner.prefix(picture)
        assert prefix.position < prefix.length
        naive = backend.runner.behind(replace(prefix, position=prefix.length), [QUESTION]).batches[0]
    expected = whole_log_probs(backend, picture, QUESTION, [])[0]
    assert np.abs(naive.log_probs[0].numpy() - expected).max() > 0.01  # counting tokens would be wrong


@pytest.mark.parametrize("kind", ALL)
def test_generation_equals_that_of_the_library(hub_backend, kind):
    backend, picture = hub_backend(kind), noise_picture()
    model = backend.loaded.model
    with torch.inference_mode():
        written = prompts(backend, picture, QUESTIONS).generate(8, backend._ends)
        for question, tokens in zip(QUESTIONS, written, strict=True):
            inputs = backend.runner.tensors(backend.template.inputs(picture, question))
            made = model.generate(**inputs, max_new_tokens=8, do_sample=False, eos_token_id=sorted(backend._ends))
            expected = made[0, inputs["input_ids"].shape[1] :].tolist()
            assert tokens == [t for t in expected if t not in backend._ends]


@pytest.mark.parametrize("kind", ALL)
def test_reading_leaves_the_prefix_as_it_was(hub_backend, kind):
    backend, picture = hub_backend(kind), noise_picture()
    asked = prompts(backend, picture, QUESTIONS)
    tree, rows = yes_no_tree(backend.template), np.arange(3)
    before = tree.read(asked, rows).masses
    asked.generate(4, frozenset())
    np.testing.assert_array_equal(tree.read(asked, rows).masses, before)


def test_few_rows_at_once_give_the_same(hub_backend, monkeypatch):
    from spatialvlm_ros.models.hub import continuation

    backend = hub_backend("llava_digits")
    asked, tree = prompts(backend, noise_picture(), QUESTIONS), number_tree(backend.template, NumberGrammar(1, 1))
    many = tree.read(asked, np.arange(3)).masses
    monkeypatch.setattr(continuation, "CACHE_BYTES", 1)
    few = tree.read(asked, np.arange(1)).masses
    np.testing.assert_allclose(few, many[:1], rtol=1e-3)


def test_the_picture_matters(hub_backend):
    backend = hub_backend("llava")
    grey = Image.new("RGB", (224, 160), (128, 128, 128))
    noise, plain = (prompts(backend, p, [QUESTION]).batches[0].log_probs for p in (noise_picture(), grey))
    assert (noise - plain).abs().max() > 0.01
