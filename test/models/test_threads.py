"""One model in several threads: every picture and every view answers as it does alone."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.models.spatial_vlm import SpatialVLM
from spatialvlm_ros.models.view import View
from spatialvlm_ros.scenes.observation import Observation

pytest.importorskip("torch")
pytest.importorskip("transformers")
sys.path[:0] = [str(Path(__file__).parent / part) for part in ("embedded", "hub")]

ROUNDS = 4
QUERIES = [Query("mug", "plate"), Query("mug", None, "width"), Query("mug", "plate", "left")]
SIZES = ((168, 120), (300, 100), (100, 300), (224, 224))  # of different numbers of tokens for models that count them


@pytest.fixture(autouse=True)
def threads_that_change_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.fixture(scope="module", params=["embedded", "llava", "qwen"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> SpatialVLM:
    import torch

    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "embedded":
        from tiny import save_tiny_model

        return SpatialVLM.from_pretrained(str(save_tiny_model(folder)), dtype="float32", device="cpu")
    import hub_tiny_models

    torch.manual_seed(7)
    hub_tiny_models.MAKERS[request.param](folder)
    return SpatialVLM.from_pretrained(str(folder), dtype="float32", device="cpu", decimals=1, ask_presence=False)


def pictures() -> list[Observation]:
    made = []
    for seed, (width, height) in enumerate(SIZES):
        rgb = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
        made.append(Observation(rgb, Camera(width, height, 150.0, 150.0, width / 2, height / 2)))
    return made


def readings(view: View) -> np.ndarray:
    """What the model read, before anybody refuses it."""
    read = view.readings(QUERIES)
    return np.concatenate([read.direct.ravel(), read.p_true, read.locations.log_ranges])


def all_at_once(work: Sequence[Callable[[], None]]) -> None:
    """Each in a thread of its own; the first error is raised here."""
    errors: list[BaseException] = []

    def guarded(one: Callable[[], None]) -> None:
        try:
            one()
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_pictures_that_are_looked_at_in_threads(model: SpatialVLM) -> None:
    seen = pictures()
    expected = [readings(model.look(picture)) for picture in seen]

    def look(k: int) -> None:
        for _ in range(ROUNDS):
            np.testing.assert_allclose(readings(model.look(seen[k])), expected[k], rtol=1e-4, atol=1e-6)

    all_at_once([lambda k=k: look(k) for k in range(len(seen))])  # type: ignore[misc]


def test_one_view_that_is_asked_in_threads(model: SpatialVLM) -> None:
    view = model.look(pictures()[0])
    expected, said = readings(view), view.ask("What is this?").text

    def ask() -> None:
        for _ in range(ROUNDS):
            np.testing.assert_allclose(readings(view), expected, rtol=1e-4, atol=1e-6)
        assert view.ask("What is this?").text == said
        view.locate_many(["mug", "plate"])

    all_at_once([ask] * 4)
