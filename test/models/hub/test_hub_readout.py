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


@pytest.fixture(autouse=True)
def without_gradients():
    with torch.no_grad():
        yield


def whole_log_probs(backend, picture, question, answers):
    """(N, length + 1, V) log probabilities after the prompt and each token of N answers of one length.

    One pass over everything, without any cache and without padding.
    """
    inputs = backend.runner.tensors(backend.template.inputs(picture, question))
    length, n = inputs["input_ids"].shape[1], len(answers)
    inputs = {name: value.repeat(n, *[1] * (value.ndim - 1)) for name, value in inputs.items()}
    answers = torch.tensor([list(answer) for answer in answers], dtype=torch.long)
    for name, value in [("input_ids", None), *TYPES.items()]:
        if name in inputs:
            more = answers if value is None else torch.full_like(answers, value)
            inputs[name] = torch.cat([inputs[name], more], dim=1)
    logits = backend.loaded.model(**inputs, use_cache=False).logits[:, length - 1 :]
    return logits.double().log_softmax(dim=-1).numpy()


def answer_probabilities(backend, picture, question, answers):
    """Token sequence -> its probability, each from a pass of its own length."""
    different, found = {tuple(answer) for answer in answers}, {}
    for length in {len(answer) for answer in different}:
        some = sorted(answer for answer in different if len(answer) == length)
        logs = whole_log_probs(backend, picture, question, some)
        for answer, row in zip(some, logs, strict=True):
            found[answer] = float(np.exp(row[np.arange(length), answer].sum()))
    return found


def prompts(backend, picture, questions):
    if backend.cached:
        return backend.runner.behind(backend.runner.prefix(picture), questions)
    return backend.runner.whole(picture, questions)


@pytest.mark.parametrize("kind", ALL)
def test_the_digit_tree_equals_the_enumeration_of_all_numbers(hub_backend, kind):
    backend, picture = hub_backend(kind), noise_picture()
    grammar = NumberGrammar(1, 1, signed=kind == "qwen")
    tree = number_tree(backend.template, grammar)
    read = tree.read(prompts(backend, picture, [QUESTIONS[1], QUESTION]), np.array([1]))
    spelled = [backend.template.answers([lead + text for text in grammar.texts]) for lead in ("", " ")]
    probability = answer_probabilities(backend, picture, QUESTION, spelled[0] + spelled[1])
    expected = np.array([sum(probability[key] for key in {tuple(a), tuple(b)}) for a, b in zip(*spelled, strict=True)])
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
            expected = sum(answer_probabilities(backend, picture, question, tokens).values())
            assert mass == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("kind", CACHED)
def test_a_batch_behind_the_cache_equals_whole_prompts(hub_backend, kind):
    backend, picture = hub_backend(kind), noise_picture()
    assert backend.cached and backend.check.deviation < 1e-4
    batch = prompts(backend, picture, QUESTIONS).batches[0]
    assert batch.mask.min() == 0  # there is padding
    for k, question in enumerate(QUESTIONS):
        expected = whole_log_probs(backend, picture, question, [[]])[0, 0]
        np.testing.assert_allclose(batch.log_probs[k].numpy(), expected, atol=2e-4)


def test_a_model_whose_question_changes_the_picture_runs_uncached(hub_backend, hub_folder, caplog):
    from spatialvlm_ros.models.hub.backend import HubBackend

    backend = hub_backend("paligemma")
    assert not backend.cached and backend.check.deviation > 0.01
    with caplog.at_level("WARNING"):
        HubBackend.from_pretrained(str(hub_folder("paligemma")), device="cpu", dtype="float32")
    assert "runs uncached: answers differ behind a cached picture" in caplog.text


@pytest.mark.parametrize("kind", ["qwen3", "internvl", "gemma3", "gemma3_short"])
def test_other_kinds_of_models_pass_the_self_check(hub_backend, kind):
    backend, picture = hub_backend(kind), noise_picture()
    assert backend.cached == (kind != "gemma3_short")  # padding would push tokens out of a short window
    asked = prompts(backend, picture, QUESTIONS)
    expected = whole_log_probs(backend, picture, QUESTIONS[1], [[]])[0, 0]
    found = torch.cat([batch.log_probs for batch in asked.batches])[1].numpy()
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_mrope_positions_are_not_token_counts(hub_backend):
    backend, picture = hub_backend("qwen"), noise_picture()
    from dataclasses import replace

    prefix = backend.runner.prefix(picture)
    assert prefix.position < prefix.length
    naive = backend.runner.behind(replace(prefix, position=prefix.length), [QUESTION]).batches[0]
    expected = whole_log_probs(backend, picture, QUESTION, [[]])[0, 0]
    assert np.abs(naive.log_probs[0].numpy() - expected).max() > 0.01  # counting tokens would be wrong


@pytest.mark.parametrize("kind", ALL)
def test_generation_equals_that_of_the_library(hub_backend, kind):
    backend, picture = hub_backend(kind), noise_picture()
    model = backend.loaded.model
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
    from dataclasses import replace

    from spatialvlm_ros.models.hub import continuation, packing

    backend = hub_backend("llava_digits")
    asked, tree = prompts(backend, noise_picture(), QUESTIONS), number_tree(backend.template, NumberGrammar(1, 1))
    alone = replace(asked, packed=False)  # each branch in a row of its own
    many, apart = (tree.read(some, np.arange(3), 0.01).masses for some in (asked, alone))
    np.testing.assert_allclose(apart, many, rtol=1e-3, atol=1e-9)
    monkeypatch.setattr(continuation, "CACHE_BYTES", 1)
    np.testing.assert_allclose(tree.read(alone, np.arange(1), 0.01).masses, many[:1], rtol=1e-3, atol=1e-9)
    monkeypatch.setattr(packing, "LOGIT_BYTES", 1)
    np.testing.assert_allclose(tree.read(asked, np.arange(3), 0.01).masses, many, rtol=1e-3, atol=1e-9)


def test_a_walk_reads_each_token_once(hub_backend):
    backend = hub_backend("llava_digits")
    asked, tree = prompts(backend, noise_picture(), [QUESTION]), number_tree(backend.template, NumberGrammar(2, 1))
    read: list[int] = []
    count = backend.loaded.model.register_forward_pre_hook(
        lambda _, __, given: read.append(given["input_ids"].numel()), with_kwargs=True
    )
    try:
        tree.read(asked, np.array([0]))
    finally:
        count.remove()
    inner = sum(len(children) > 0 for children in tree.tree.children[1:])
    assert asked.packed and sum(read) == inner


def test_groups_of_prompts_read_the_same_as_one(hub_backend):
    from dataclasses import replace

    backend, picture = hub_backend("qwen"), noise_picture()
    prefix = backend.runner.prefix(picture)
    order = [1, 2, 0, 1]
    apart = replace(backend.runner, pass_tokens=0).behind(prefix, [QUESTIONS[k] for k in order])
    assert [len(batch) for batch in apart.batches] == [1, 1, 2] and apart.batches[0].mask.min() == 1
    tokens = np.arange(40)
    expected = prompts(backend, picture, QUESTIONS).first(np.array(order), tokens)
    np.testing.assert_allclose(apart.first(np.arange(4), tokens), expected, atol=2e-4)
    tree = number_tree(backend.template, NumberGrammar(1, 1))
    whole = tree.read(prompts(backend, picture, QUESTIONS), np.array([2, 0]), 0.01).masses
    np.testing.assert_allclose(tree.read(apart, np.array([1, 2]), 0.01).masses, whole, rtol=1e-3, atol=1e-9)
    written = prompts(backend, picture, QUESTIONS).generate(4, frozenset())
    assert apart.generate(4, frozenset()) == [written[k] for k in order]


def test_the_picture_matters(hub_backend):
    backend = hub_backend("llava")
    grey = Image.new("RGB", (224, 160), (128, 128, 128))
    noise, plain = (prompts(backend, p, [QUESTION]).batches[0].log_probs for p in (noise_picture(), grey))
    assert (noise - plain).abs().max() > 0.01
