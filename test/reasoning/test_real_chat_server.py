"""The whole loop against `transformers serve` in its own process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time

import pytest

from spatialvlm_ros.models.estimate import Reason
from spatialvlm_ros.models.remote.retries import RetryPolicy
from spatialvlm_ros.reasoning.loading import load_thinker
from spatialvlm_ros.reasoning.reasoner import Reasoner

for needed in ("torch", "transformers", "fastapi", "uvicorn", "openai", "httpx"):
    pytest.importorskip(needed)
httpx = pytest.importorskip("httpx")

READY_S = 240
QUESTION = "Which is taller, the mug or the lamp?"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    import chat_folder

    folder = tmp_path_factory.mktemp("served")
    chat_folder.save(folder)
    log = folder / "log"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = "import sys; from transformers.cli.transformers import main; sys.argv[0] = 'transformers'; main()"
    arguments = ["serve", str(folder), "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with log.open("wb") as out:
        process = subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=out, stderr=out, env=environment)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if httpx.get(f"{url}/health", timeout=2).status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.2)
        else:
            pytest.fail(f"the server did not start:\n{log.read_text()[-3000:]}")
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
