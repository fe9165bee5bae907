"""A model split over two processes (FSDP 2) trains as two whole ones do, resumes, and goes on whole."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from small_runs import state_of, weights, write_store
from split_runs import run_of

from spatialvlm_ros.models.embedded.backend import EmbeddedBackend
from spatialvlm_ros.training.run import train

pytestmark = pytest.mark.slow

# What `accelerate launch --use_fsdp --fsdp_version 2` sets; the last one makes transformers load in one process only.
FSDP_2 = {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", "FSDP_CPU_RAM_EFFICIENT_LOADING": "true"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def runs(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the runs of `split_runs`: whole/ by two processes with DDP, split/ by two with FSDP."""
    out = tmp_path_factory.mktemp("runs")
    for way, variables in (("whole", {}), ("split", FSDP_2)):
        launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
        script = Path(__file__).with_name("split_runs.py")
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", **variables}
        command = [*launcher, str(script), str(store), str(out), way]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=400)
        assert done.returncode == 0, done.stderr[-3000:]
    return out


def tensors(run: Path) -> dict[str, torch.Tensor]:
    """Weights and moments of a checkpoint."""
    return {**weights(run), **load_file(str(run / "checkpoint" / "moments.safetensors"))}


def assert_equal(run: Path, other: Path) -> None:
    ours, theirs = tensors(run), tensors(other)
    assert list(ours) == list(theirs)
    for name, tensor in ours.items():
        torch.testing.assert_close(tensor, theirs[name], rtol=0, atol=1e-6, msg=lambda text, n=name: f"{n}: {text}")


def test_each_process_holds_half_of_the_parameters_and_of_the_moments(runs: Path) -> None:
    for rank in (0, 1):
        told = json.loads((runs / "split" / f"rank{rank}.json").read_text())
        for kind in ("parameters", "moments"):
            here, all_of_them = told[kind]
            assert all_of_them > 200_000 and 0.48 < here / all_of_them < 0.52
    told = json.loads((runs / "whole" / "rank0.json").read_text())
    assert told["parameters"][0] == told["parameters"][1]


def test_two_processes_that_split_the_model_end_like_two_that_do_not(runs: Path) -> None:
    """Exactly: a gradient is a sum of two numbers either way, and matrices are orthogonalised whole."""
    assert_equal(runs / "split" / "run", runs / "whole" / "run")
    curves = [(runs / way / "run" / "curves.jsonl").read_text() for way in ("split", "whole")]
    assert curves[0] == curves[1] and "validation/relations" in curves[0]


def test_clipping_sees_the_norm_of_all_parts(runs: Path) -> None:
    """The norm is summed in another order; Muon in bfloat16 turns its last bit into up to 0.4% of a matrix."""
    norms = [json.loads((runs / f"{name}.json").read_text())["gradient"] for name in ("split/rank1", "whole/rank0")]
    assert norms[0] == pytest.approx(norms[1], rel=1e-5) and norms[0] > 1
    ours, theirs = weights(runs / "split" / "clipped"), weights(runs / "whole" / "clipped")
    for name in (n for n, w in ours.items() if w.ndim > 1):
        assert float((ours[name] - theirs[name]).norm() / theirs[name].norm()) < 0.01, name


def test_a_split_run_that_is_stopped_ends_like_one_that_is_not(runs: Path) -> None:
    assert state_of(runs / "split" / "half")["total"] == 3
    assert_equal(runs / "split" / "resumed", runs / "split" / "run")


def test_a_run_goes_on_split_that_was_begun_whole(runs: Path) -> None:
    assert_equal(runs / "split" / "from_whole", runs / "whole" / "run")


def test_a_run_goes_on_in_one_process_that_was_begun_split(
    runs: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert_equal(runs / "split" / "half", runs / "whole" / "half")
    for way in ("split", "whole"):
        shutil.copytree(runs / way / "half", tmp_path / way)
        train(run_of(store, tmp_path / way))
        for name, value in FSDP_2.items():  # the second time: one process has nobody to split with
            monkeypatch.setenv(name, value)
    assert state_of(tmp_path / "split")["total"] == 6
    assert_equal(tmp_path / "split", tmp_path / "whole")
    assert any((w != weights(runs / "split" / "half")[n]).any() for n, w in weights(tmp_path / "split").items())


def test_a_split_run_starts_from_the_weights_it_names(runs: Path) -> None:
    named = load_file(str(runs / "whole" / "run" / "model" / "model.safetensors"))
    ours = weights(runs / "split" / "warm")
    for name, tensor in named.items():
        torch.testing.assert_close(ours[f"vlm.{name}"], tensor.float(), rtol=0, atol=0)


def test_the_model_of_a_split_run_is_whole(runs: Path) -> None:
    EmbeddedBackend.from_pretrained(runs / "split" / "run" / "model")
    ours, theirs = (load_file(str(runs / way / "run" / "model" / "model.safetensors")) for way in ("split", "whole"))
    assert list(ours) == list(theirs) and all((ours[n] == theirs[n]).all() for n in ours)
