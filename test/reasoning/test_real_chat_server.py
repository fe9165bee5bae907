"""The whole loop against `transformers serve` in its own process."""

from __future__ import annotations

import pytest

from spatialvlm_ros.models.estimate import Reason
from spatialvlm_ros.models.remote.retries import RetryPolicy
from spatialvlm_ros.reasoning.loading import load_thinker
from spatialvlm_ros.reasoning.reasoner import Reasoner

for needed in ("torch", "transformers", "fastapi", "uvicorn", "openai", "httpx"):
    pytest.importorskip(needed)

from serving_process import start, wait_until_ready  # noqa: E402

READY_S = 240
QUESTION = "Which is taller, the mug or the lamp?"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    import chat_folder

    folder = tmp_path_factory.mktemp("served")
    chat_folder.save(folder)
    log = folder / "log"
    process, url = start(folder, log)
    try:
        wait_until_ready(process, url, log, READY_S)
        yield process, f"openai:{url}#{folder}"
    finally:
        process.terminate()
        process.wait(30)


def test_a_game_with_a_real_server(serving, friend):
    thinker = load_thinker(serving[1])
    solution = Reasoner(thinker, friend).solve(QUESTION)
    assert solution.valid, solution.detail
    assert solution.text == "The lamp is taller."
    assert [s.kind.value for s in solution.steps] == ["measure", "measure", "answer"]
    assert [round(e.value, 2) for s in solution.steps for e in s.estimates] == [0.12, 0.5]
    thinker.close()


def test_a_server_that_dies_is_an_answer_that_says_so(serving, friend):
    """Last: it ends the server."""
    process, spec = serving
    thinker = load_thinker(spec, retries=RetryPolicy(attempts=2, first_wait_s=0.01))
    assert Reasoner(thinker, friend).solve(QUESTION).valid
    process.terminate()
    process.wait(30)
    solution = Reasoner(thinker, friend).solve(QUESTION)
    assert not solution.valid and solution.reason is Reason.MODEL_ERROR
    assert "cannot be reached" in solution.detail or "broke the connection off" in solution.detail
    thinker.close()
