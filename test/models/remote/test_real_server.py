"""Against `transformers serve` in its own process, with a model whose answers have known probabilities."""

from __future__ import annotations

import numpy as np
import pytest
from serving_process import start, wait_until_ready

from spatialvlm_ros.errors import RemoteError
from spatialvlm_ros.models.quantities import OVERFLOW_BIN, bin_index
from spatialvlm_ros.models.query import Query, Region
from spatialvlm_ros.models.remote.backend import RemoteBackend
from spatialvlm_ros.models.remote.config import parse_remote
from spatialvlm_ros.models.remote.retries import RetryPolicy

for needed in ("torch", "transformers", "fastapi", "uvicorn", "openai"):
    pytest.importorskip(needed)

READY_S = 120


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    import markov_model

    folder = tmp_path_factory.mktemp("markov")
    markov_model.save(folder)
    log = folder / "log"
    process, url = start(folder, log)
    try:
        wait_until_ready(process, url, log, READY_S)
        yield process, f"openai:{url}#{folder}", log
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def remote(serving):
    with RemoteBackend(parse_remote(serving[1], samples=48, temperature=1.0, concurrency=4)) as backend:
        yield backend


def test_the_spread_is_that_of_the_models_own_distribution(remote, observation):
    encoded = remote.encode(observation)
    (sampled,) = remote.sample(encoded, [Query("mug", "box", "distance")])
    assert sampled.counts["answered"] == 48 and set(sampled.values) <= {0.4, 0.5, 0.6}
    assert abs((sampled.values == 0.5).mean() - 0.5) < 0.36  # five standard deviations
    assert abs((sampled.values == 0.4).mean() - 0.25) < 0.32
    near = sampled.lengths[bin_index(0.3) : bin_index(0.8)].sum()
    assert sampled.lengths.sum() == pytest.approx(1) and near > 0.9
    middle = np.searchsorted(np.cumsum(sampled.lengths[:OVERFLOW_BIN]), 0.5)
    assert bin_index(0.4) <= middle <= bin_index(0.6)


def test_predicates_and_locations(remote, observation):
    encoded = remote.encode(observation)
    readings = remote.read(encoded, [Query("mug", "box", "left"), Query("mug", Region((1, 2, 50, 60)), "gap")])
    assert readings.p_true[0] == pytest.approx(0.75 * 48 / 50 + 1 / 50, abs=0.31)
    assert readings.lengths[1].sum() == pytest.approx(1)
    located = remote.locate(encoded, ["mug"])
    np.testing.assert_allclose(located.boxes[0], [120, 80, 240, 160])
    assert located.presence[0, 0] > 0.95


def test_a_question_in_words(remote, observation):
    assert remote.ask(remote.encode(observation), "What is on the table?") == "a mug"


def test_through_the_one_api(serving, observation):
    from spatialvlm_ros.models.spatial_vlm import SpatialVLM

    model = SpatialVLM.from_pretrained(serving[1], samples=12, temperature=1.0, concurrency=4)
    view = model.look(observation)
    estimate = view.measure("mug", "box", "distance")
    assert estimate.valid and 0.38 < estimate.value < 0.62 and estimate.interval[0] < 0.5 < estimate.interval[1]
    assert view.ask("What is on the table?").text == "a mug"
    model.backend.close()
    assert str(view.measure("mug", "box", "gap").reason) == "model_error"


def test_a_wrong_path_is_named(serving, observation):
    with RemoteBackend(serving[1].replace("#", "/v2#")) as wrong:
        with pytest.raises(RemoteError, match="404.*Not Found"):
            wrong.ask(wrong.encode(observation), "q")


def test_what_the_server_refuses_is_shown_in_its_own_words(serving, observation):
    with RemoteBackend(parse_remote(serving[1], extra={"colour": "red"})) as odd:
        with pytest.raises(RemoteError, match="refuses the request.*colour"):
            odd.ask(odd.encode(observation), "q")


def test_a_server_that_dies_is_an_error(serving, observation):
    """Last: it ends the server."""
    process, spec, log = serving
    with RemoteBackend(parse_remote(spec, retries=RetryPolicy(attempts=2, first_wait_s=0.01))) as backend:
        encoded = backend.encode(observation)
        assert backend.ask(encoded, "q") == "a mug"
        process.terminate()
        process.wait(30)
        with pytest.raises(RemoteError, match="cannot be reached|broke the connection off"):
            backend.ask(encoded, "q")
