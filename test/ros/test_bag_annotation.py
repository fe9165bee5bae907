"""Rewards for a recording in a process of its own: progress, the result, and why there is none."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

for package in ("torch", "transformers", "rosbags"):
    pytest.importorskip(package)

from spatialvlm_ros.bags.reader import open_bag  # noqa: E402
from spatialvlm_ros.ros.bag_annotation import AnnotationError, AnnotationOrder, annotate_in_a_process  # noqa: E402

HANG_S = 120.0


def order(bag: Path, **changes: object) -> AnnotationOrder:
    values = {"out": "", "task": "pick up the apple", "gamma": 0.9, "mode": "potential", "model": "embedded"}
    return AnnotationOrder(bag=str(bag), **{**values, **changes})  # type: ignore[arg-type]


def test_a_recording_gets_its_rewards_in_a_copy(small_bag: Any, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    out = tmp_path / "annotated"
    result = annotate_in_a_process(order(small_bag.path, out=str(out)), lambda *p: told.append(p), lambda: False)
    assert result is not None and result.frames == small_bag.pictures and 0 <= result.valid <= small_bag.pictures
    assert told and all(total == small_bag.pictures for _, total in told) and told == sorted(told)
    topics = open_bag(result.out).topics
    assert "spatialvlm_ros/msg/Reward" in topics.values() and "/camera/image_raw" in topics


def test_why_there_is_none_is_said(small_bag: Any, tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="nowhere"):
        annotate_in_a_process(order(tmp_path / "nowhere"), lambda *_: None, lambda: False)
    with pytest.raises(AnnotationError, match="sing"):
        annotate_in_a_process(order(small_bag.path, task="sing a song"), lambda *_: None, lambda: False)


def test_it_can_be_cancelled(small_bag: Any, tmp_path: Path) -> None:
    done = annotate_in_a_process(order(small_bag.path, out=str(tmp_path / "half")), lambda *_: None, lambda: True)
    assert done is None and not (tmp_path / "half").exists()


def test_it_can_be_cancelled_while_nothing_comes(small_bag: Any, tmp_path: Path, mute_server: Any) -> None:
    waiting = order(small_bag.path, out=str(tmp_path / "half"), model=mute_server.model)
    assert annotate_in_a_process(waiting, lambda *_: None, mute_server.asked.is_set) is None
    assert mute_server.left.wait(HANG_S), "the child is gone"


def test_it_ends_with_the_process_that_started_it(small_bag: Any, tmp_path: Path, mute_server: Any) -> None:
    waiting = asdict(order(small_bag.path, out=str(tmp_path / "half"), model=mute_server.model))
    node = "import json, sys; from spatialvlm_ros.ros import bag_annotation as b; b.annotate_in_a_process("
    node += "b.AnnotationOrder(**json.loads(sys.argv[1])), print, lambda: False)"
    with subprocess.Popen([sys.executable, "-c", node, json.dumps(waiting)]) as process:
        assert mute_server.asked.wait(HANG_S)
        process.kill()  # it can tell nobody
    assert mute_server.left.wait(HANG_S), "the child is gone"
