"""The collector rests while models are loaded, and afterwards works as before."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import weakref
from collections.abc import Iterator

import pytest

from spatialvlm_ros.models.collector import collector_paused


class Node:
    """Refers to itself: only the collector can free it."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """Every test begins with a collector at work and nothing frozen."""
    enabled = gc.isenabled()
    gc.unfreeze()
    gc.enable()
    yield
    gc.unfreeze()
    (gc.enable if enabled else gc.disable)()


def test_nothing_is_collected_inside() -> None:
    with collector_paused():
        lost = weakref.ref(Node())
        kept = [[k] for k in range(50_000)]  # far more than what starts a collection
        assert lost() is not None
    assert len(kept) == 50_000
    assert gc.isenabled()


def test_what_was_lost_inside_is_freed_by_the_next_full_collection() -> None:
    with collector_paused():
        lost = weakref.ref(Node())
    assert gc.get_freeze_count() == 0
    gc.collect()
    assert lost() is None


def test_what_was_made_inside_is_old() -> None:
    with collector_paused():
        made = Node()
    assert not any(one is made for one in gc.get_objects(generation=0))
    assert any(one is made for one in gc.get_objects(generation=2))


def test_an_error_and_an_inner_pause_end_as_they_should() -> None:
    with pytest.raises(RuntimeError), collector_paused():
        with collector_paused():
            assert not gc.isenabled()
        assert not gc.isenabled()  # the inner one does not end the outer one
        raise RuntimeError
    assert gc.isenabled()


def test_a_collector_that_the_program_stopped_stays_stopped() -> None:
    gc.disable()
    with collector_paused():
        assert not gc.isenabled()
    assert not gc.isenabled()


def test_what_the_program_froze_stays_frozen() -> None:
    frozen = Node()
    gc.freeze()
    with collector_paused():
        made = Node()
    # Frozen objects are in no generation. Their number is no measure: threads of the program may lose some meanwhile.
    assert not any(one is frozen for one in gc.get_objects())
    assert any(one is made for one in gc.get_objects())
    assert gc.isenabled()


_LOAD = """
import gc, json
from spatialvlm_ros.models.spatial_vlm import SpatialVLM

runs = []
gc.callbacks.append(lambda phase, info: runs.append(info["generation"]) if phase == "start" else None)
SpatialVLM.from_pretrained("embedded")
print(json.dumps(dict(full=runs.count(2), runs=len(runs), enabled=gc.isenabled(), frozen=gc.get_freeze_count())))
"""


def test_hardly_anything_is_collected_while_the_shipped_model_is_loaded() -> None:
    pytest.importorskip("transformers")
    done = subprocess.run([sys.executable, "-c", _LOAD], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["enabled"]
    assert said["frozen"] == 0
    assert said["full"] == 0
    assert said["runs"] < 50  # without the pause 955, 6 of them full
