"""What the first answer imports, and that what is left out is there when it is asked for."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from spatialvlm_ros.models.lean_import import POSTPONED, postponed

_FIRST_ANSWER = """
import json, sys
import numpy as np
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.models.spatial_vlm import SpatialVLM
from spatialvlm_ros.scenes.observation import Observation

rgb = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
view = SpatialVLM.from_pretrained("embedded").look(Observation(rgb, Camera.from_hfov(640, 480, 1.05)))
reason = str(view.measure("red mug", "plate", "distance").reason)
after = sorted({name.partition(".")[0] for name in sys.modules})

from transformers.generation import candidate_generator
from transformers.loss import loss_for_object_detection as detection
from transformers.utils import is_scipy_available, is_sklearn_available

available = is_sklearn_available() and is_scipy_available()
truth, scores = [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]
taken = [x.tolist() for x in candidate_generator.roc_curve(truth, scores)]
matched = [x.tolist() for x in detection.linear_sum_assignment(np.array([[4.0, 1.0], [2.0, 3.0]]))]
import scipy.optimize, sklearn.metrics

direct = [x.tolist() for x in sklearn.metrics.roc_curve(truth, scores)]
classes = [sklearn.metrics.ConfusionMatrixDisplay.__name__, scipy.optimize.OptimizeResult.__name__]
print(json.dumps(
    dict(reason=reason, after=after, available=available, taken=taken, direct=direct, matched=matched, classes=classes)
))
"""


def test_the_first_answer_needs_no_scikit_learn_and_a_later_import_works() -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("transformers")
    done = subprocess.run([sys.executable, "-c", _FIRST_ANSWER], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["reason"]
    assert "transformers" in said["after"]
    assert not {"sklearn", "scipy", "pandas", "pyarrow", "matplotlib", "cv2", "mujoco"} & set(said["after"])
    assert said["available"]
    assert said["taken"] == said["direct"]
    assert said["matched"] == [[0, 1], [1, 0]]
    assert said["classes"] == ["ConfusionMatrixDisplay", "OptimizeResult"]


def test_the_postponed_functions_exist() -> None:
    for module, functions in POSTPONED.items():
        real = pytest.importorskip(module)
        for name in functions:
            assert callable(getattr(real, name))


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module that is not imported yet."""
    (tmp_path / "corner_shop.py").write_text(
        "def price(item, times=1):\n    return times * len(item)\n\n\nclass Till:\n    pass\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "corner_shop"
    sys.modules.pop("corner_shop", None)


def test_a_postponed_function_imports_its_module_when_it_is_called(shop: str) -> None:
    with postponed({shop: ("price",)}):
        from corner_shop import price  # type: ignore[import-not-found]
    assert shop not in sys.modules
    assert price.__name__ == "price"
    assert price("apple", times=2) == 10
    assert shop in sys.modules


def test_a_call_inside_is_the_real_one_too(shop: str) -> None:
    with postponed({shop: ("price",)}):
        from corner_shop import price

        assert price("fig") == 3
        assert sys.modules[shop].__file__ is not None


def test_other_names_import_the_module_at_once(shop: str) -> None:
    with postponed({shop: ("price",)}):
        from corner_shop import Till
    assert isinstance(Till, type)
    assert sys.modules[shop].Till is Till


def test_an_imported_module_stays_and_an_unknown_name_is_an_import_error(shop: str) -> None:
    with postponed({shop: ("price",)}), pytest.raises(ImportError, match="nothing_like_it"):
        from corner_shop import nothing_like_it  # noqa: F401
    real = sys.modules[shop]
    with postponed({shop: ("price",)}):
        assert sys.modules[shop] is real
    assert sys.modules[shop] is real


def test_an_error_inside_leaves_no_stand_in(shop: str) -> None:
    with pytest.raises(RuntimeError), postponed({shop: ("price",)}):
        raise RuntimeError
    assert shop not in sys.modules
