"""Real runs at toy size: they resume exactly, two processes train one model, and the finished model loads."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
import tracemalloc
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from small_runs import NOUNS, SHAPE, settings, state_of, weights, write_store
from stored_scenes import scene_view

from spatialvlm_ros.cli.main import main
from spatialvlm_ros.errors import ConfigError, DatasetError, TrainingError
from spatialvlm_ros.models.embedded.backend import EmbeddedBackend
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.shared_files import shared_file
from spatialvlm_ros.training import rendering
from spatialvlm_ros.training.augmentation import Augmentation
from spatialvlm_ros.training.checkpoints import RunState
from spatialvlm_ros.training.config import StageConfig, TrainConfig
from spatialvlm_ros.training.deadline import Deadline
from spatialvlm_ros.training.feed import Feed
from spatialvlm_ros.training.rendering import render_store
from spatialvlm_ros.training.run import export_checkpoint, train, train_until
from spatialvlm_ros.training.trainer import Trainer
from spatialvlm_ros.training.view_store import read_scene, scene_path


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_store(tmp_path_factory.mktemp("store"))


def test_a_store_gives_back_what_was_rendered(store: Path) -> None:
    view = scene_view(NOUNS[0])
    again = read_scene(scene_path(store, 0))[0]
    assert again.camera == view.observation.camera
    assert [o.label for o in again.scene.objects] == [o.label for o in view.scene.objects]
    np.testing.assert_allclose(again.scene.boxes().centers, view.scene.boxes().centers)
    np.testing.assert_allclose(again.scene.gaps, view.scene.gaps, rtol=1e-6)
    np.testing.assert_allclose(again.depth, view.observation.depth[2::4, 2::4], rtol=1e-3)
    assert np.abs(again.picture().astype(int) - view.observation.rgb).mean() < 2  # JPEG


@pytest.mark.parametrize("damage", ["cut", "empty", "text"])
def test_a_damaged_scene_is_named(store: Path, tmp_path: Path, damage: str) -> None:
    content = scene_path(store, 0).read_bytes()
    path = tmp_path / "000000.npz"
    path.write_bytes({"cut": content[: len(content) // 2], "empty": b"", "text": b"no archive"}[damage])
    with pytest.raises(DatasetError, match="000000"):
        read_scene(path)


def test_the_feed_is_a_function_of_seed_step_and_rank(store: Path) -> None:
    one = Feed(store, SHAPE, 8, Augmentation(), seed=3)
    other = Feed(store, SHAPE, 8, Augmentation(), seed=3)
    other.batch(0, 2)
    for a, b in zip(one.batch(5, 3), other.batch(5, 3), strict=True):
        assert (a.pixels == b.pixels).all()
    first, second = (Feed(store, SHAPE, 8, Augmentation(), 3, rank, 2) for rank in (0, 1))
    assert first.scenes() + second.scenes() == len(NOUNS)
    labels = [{o.noun for s in f.batch(0, 8) for o in s.scene.objects} for f in (first, second)]
    assert labels[0] != labels[1]
    with pytest.raises(TrainingError, match="too few"):
        Feed(store, SHAPE, 8, Augmentation(), 3, 0, 9)


@pytest.mark.parametrize("views", [0, 2.5])
def test_views_are_kept_while_there_is_room_and_read_again_where_there_is_none(store: Path, views: float) -> None:
    """A store may be larger than the memory, and each process that makes batches reads all of it."""
    size = read_scene(scene_path(store, 0))[0].nbytes()
    small = Feed(store, SHAPE, 8, Augmentation(), seed=3, keep_mib=views * size / 2**20)
    large = Feed(store, SHAPE, 8, Augmentation(), seed=3)
    for step in range(6):
        for a, b in zip(small.batch(step, 4), large.batch(step, 4), strict=True):
            assert (a.pixels == b.pixels).all()
    assert len(small._kept) == int(views) and len(large._kept) > 2


def test_what_a_stored_view_takes_is_known(store: Path) -> None:
    tracemalloc.start()
    try:
        kept = [view for k in range(len(NOUNS)) for view in read_scene(scene_path(store, k))]
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert taken == pytest.approx(sum(view.nbytes() for view in kept), rel=0.3)


@pytest.fixture(scope="module")
def whole(store: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """Weights of a run of 2 dense and 4 joint steps that was never stopped."""
    out = tmp_path_factory.mktemp("whole")
    train(settings(store, out))
    return weights(out)


def train_until_saved(config: TrainConfig, saves: int) -> None:
    """Kills a run right after it has written its state for the ``saves``th time."""
    calls = iter(range(saves - 1))
    save = Trainer._save

    def stop(self: Trainer, state: RunState) -> None:
        save(self, state)
        if next(calls, None) is None:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_save", stop)
        with pytest.raises(KeyboardInterrupt):
            train(config)


# A state is written after each step and at the end of the first stage: steps 1, 2, the end, steps 3, 4, 5, 6.
@pytest.mark.parametrize("saves", [1, 2, 3, 5, 7])
def test_a_run_that_is_killed_ends_like_one_that_is_not(
    store: Path, tmp_path: Path, whole: dict[str, torch.Tensor], saves: int
) -> None:
    config = settings(store, tmp_path)
    train_until_saved(config, saves)
    train(config)
    resumed = weights(tmp_path)
    assert set(whole) == set(resumed) and state_of(tmp_path)["total"] == 6
    for name in whole:
        torch.testing.assert_close(whole[name], resumed[name], rtol=0, atol=1e-6)


def test_a_run_that_is_killed_in_a_step_loses_that_step_alone(
    store: Path, tmp_path: Path, whole: dict[str, torch.Tensor]
) -> None:
    config, step, calls = settings(store, tmp_path), Trainer._step, iter(range(4))

    def stop(self: Trainer, *args: object) -> None:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        step(self, *args)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_step", stop)
        with pytest.raises(KeyboardInterrupt):
            train(config)
    train(config)
    for name, tensor in weights(tmp_path).items():
        torch.testing.assert_close(whole[name], tensor, rtol=0, atol=1e-6)


def test_a_run_in_jobs_with_a_time_limit_ends_like_one_without(
    store: Path, tmp_path: Path, whole: dict[str, torch.Tensor]
) -> None:
    """Every job makes a step, however short its limit; the last one leaves the model."""
    config = settings(store, tmp_path)
    for job in range(1, 6):
        assert train_until(config, Deadline.after(1e-9)) is None
        assert state_of(tmp_path)["total"] == job and not (tmp_path / "model").exists()
    assert train_until(config, Deadline.after(1e-9)) == tmp_path / "model"
    for name, tensor in weights(tmp_path).items():
        torch.testing.assert_close(whole[name], tensor, rtol=0, atol=1e-6)


def test_rendering_stops_at_the_deadline_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mujoco")
    # Whoever waits for the processes may be slow to hear of a scene: on a busy machine they all were made meanwhile.
    monkeypatch.setattr(rendering.logger, "info", lambda *_: time.sleep(3))
    plain = {"scenes": 4, "width": 64, "height": 48, "views_per_layout": 1, "layouts_per_compile": 1}
    given = (tmp_path, {**plain, "room_share": 0.0, "antialiasing": 0}, "train", 3, None)
    assert not render_store(*given, processes=1, deadline=Deadline.after(1e-9))
    first = sorted(tmp_path.rglob("*.npz"))
    assert len(first) == 1  # a process does not begin what it has been given meanwhile
    assert render_store(*given, processes=1, deadline=Deadline.after(9))
    assert len(sorted(tmp_path.rglob("*.npz"))) == 4 and set(first) < set(tmp_path.rglob("*.npz"))


def test_the_command_says_that_it_stopped(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changes = [f"--set={name}={value}" for name, value in (("out", tmp_path / "run"), ("checkpoint_minutes", 9))]
    path = tmp_path / "config.yaml"
    text = {
        "shape": asdict(SHAPE), "train": {"folder": str(store)}, "validate": {"folder": str(store)},
        "stages": [{"name": "dense", "language": False, "steps": 3, "batch": 2}], "dtype": "float32",
    }  # fmt: skip
    path.write_text(yaml.safe_dump(text))
    command = ["train", "--config", str(path), *changes]
    assert main([*command, "--stop-after", "0.000001"]) == 0
    assert "the same command goes on" in capsys.readouterr().out
    assert state_of(tmp_path / "run")["total"] == 1  # saved, although no checkpoint was due
    assert main([*command, "--stop-after", "9"]) == 0
    assert "The model is in" in capsys.readouterr().out and (tmp_path / "run" / "model").is_dir()
    assert main([*command, "--stop-after", "0"]) == 1
    assert "positive" in capsys.readouterr().err


def test_a_finished_run_whose_steps_are_raised_goes_on(store: Path, tmp_path: Path) -> None:
    train(settings(store, tmp_path))
    train(settings(store, tmp_path))  # again: nothing is left to do
    assert state_of(tmp_path)["total"] == 6
    before = weights(tmp_path)
    train(settings(store, tmp_path, steps=7, checkpoint_minutes=9.0, validate_every=2, loader_processes=1))
    assert state_of(tmp_path)["total"] == 9
    assert any((before[n] != w).any() for n, w in weights(tmp_path).items())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seed": 1}, "seed was 0 and is 1"),
        ({"weight_decay": 0.5}, "weight_decay"),
        ({"dtype": "bfloat16"}, "dtype"),
        ({"augmentation": Augmentation.none()}, "augmentation"),
        ({"stages": (StageConfig("joint", 6, batch=3, warmup=1, learning_rate=2e-3),)}, "batch"),
    ],
)
def test_a_run_does_not_go_on_with_other_settings(
    store: Path, tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    train(settings(store, tmp_path, stages=(StageConfig("joint", 2, batch=2, warmup=1, learning_rate=2e-3),)))
    before = weights(tmp_path)
    usual = {"stages": (StageConfig("joint", 6, batch=2, warmup=1, learning_rate=2e-3),)}
    with pytest.raises(TrainingError, match=said):
        train(settings(store, tmp_path, **{**usual, **changes}))
    assert state_of(tmp_path)["total"] == 2
    for name, tensor in weights(tmp_path).items():
        assert (before[name] == tensor).all()


def test_stages_ahead_may_change_and_those_behind_may_not(store: Path, tmp_path: Path) -> None:
    config = settings(store, tmp_path)
    dense, joint = config.stages
    train_until_saved(config, 3)
    longer = replace(config, stages=(replace(dense, steps=5), joint))
    with pytest.raises(TrainingError, match=r"stages\.0\.steps was 2 and is 5"):
        train(longer)
    train(replace(config, stages=(dense, replace(joint, steps=1, batch=3))))
    assert state_of(tmp_path)["pictures"] == 2 * 2 + 3


def test_a_run_from_before_settings_were_kept_goes_on(
    store: Path, tmp_path: Path, whole: dict[str, torch.Tensor]
) -> None:
    config = settings(store, tmp_path)
    train_until_saved(config, 4)
    path = tmp_path / "checkpoint" / "state.json"
    path.write_text(json.dumps({k: v for k, v in state_of(tmp_path).items() if k != "settings"}))
    train(config)
    for name, tensor in weights(tmp_path).items():
        torch.testing.assert_close(whole[name], tensor, rtol=0, atol=1e-6)


def test_a_run_whose_folder_was_moved_goes_on(store: Path, tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    views = shutil.copytree(store, tmp_path / "first" / "store")
    config = settings(views, tmp_path / "first")
    train(config)
    (tmp_path / "first").rename(tmp_path / "second")
    train(settings(tmp_path / "second" / "store", tmp_path / "second", steps=5))
    assert state_of(tmp_path / "second")["total"] == 7


def test_a_damaged_state_is_named(store: Path, tmp_path: Path) -> None:
    config = settings(store, tmp_path)
    train(config)
    (tmp_path / "checkpoint" / "state.json").write_text('{"stage": 1, "st')
    for attempt in (lambda: train(config), lambda: export_checkpoint(config, tmp_path / "model")):
        with pytest.raises(TrainingError, match=r"state\.json"):
            attempt()


def test_bfloat16_trains_float32_weights(store: Path, tmp_path: Path, whole: dict[str, torch.Tensor]) -> None:
    """Four steps of the decoder after two of the encoder: near those in float32, and no copy of them."""
    config = settings(store, tmp_path, dtype="bfloat16")
    train_until_saved(config, 5)
    train(config)  # it resumes as well
    ours = weights(tmp_path)
    floating = [n for n, w in whole.items() if w.is_floating_point() and w.ndim > 1]
    assert {ours[n].dtype for n in floating} == {torch.float32}
    assert all(torch.isfinite(ours[n]).all() for n in floating)
    off = [float((ours[n] - whole[n]).norm() / whole[n].norm()) for n in floating]
    assert 0 < np.median(off) < 0.05


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"ACCELERATE_USE_FSDP": "true"}, "FSDP_VERSION=1.*--fsdp_version 2"),
        ({"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "1"}, "FSDP_VERSION=1.*--fsdp_version 2"),
        ({"ACCELERATE_USE_DEEPSPEED": "true"}, "DEEPSPEED.*FSDP_VERSION=2"),
        ({"ACCELERATE_USE_MEGATRON_LM": "true"}, "MEGATRON.*FSDP_VERSION=2"),
        ({"ACCELERATE_USE_PARALLELISM_CONFIG": "true"}, "PARALLELISM.*FSDP_VERSION=2"),
        ({"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", "FSDP_OFFLOAD_PARAMS": "true"}, "FSDP_OFFLOAD_PARAMS"),
    ],
)
def test_a_model_is_split_by_fsdp_2_or_not_at_all(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], said: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(TrainingError, match=said):
        train(settings(store, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_run_does_not_depend_on_who_makes_its_batches(store: Path, tmp_path: Path) -> None:
    train(settings(store, tmp_path / "thread"))
    train(settings(store, tmp_path / "processes", loader_processes=2))
    ours, theirs = weights(tmp_path / "thread"), weights(tmp_path / "processes")
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], rtol=0, atol=1e-6)


def test_the_loss_falls_and_the_model_answers(store: Path, tmp_path: Path) -> None:
    config = settings(store, tmp_path, steps=101, augmentation=Augmentation.none(), checkpoint_minutes=1.0)
    folder = train(config)
    curves = [json.loads(line) for line in (tmp_path / "curves.jsonl").read_text().splitlines()]
    losses = [c["place"] + c["length"] for c in curves if "place" in c]
    assert losses[-1] < losses[0]
    assert any("validation/relations" in c for c in curves)
    check_the_board(tmp_path / "tensorboard", curves)
    backend = EmbeddedBackend.from_pretrained(folder, dtype="float32")
    encoded = backend.encode(scene_view(NOUNS[0]).observation)
    assert backend.read(encoded, [Query("red mug", "blue plate")]).lengths.sum() == pytest.approx(1)
    for shard in folder.glob("*.safetensors"):
        assert shard.stat().st_size <= 16 * 2**20


def check_the_board(folder: Path, curves: list[dict[str, float]]) -> None:
    """TensorBoard shows what the file of curves holds, where it is installed."""
    if importlib.util.find_spec("tensorboard") is None:
        return
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(folder))
    board.Reload()
    assert set(board.Tags()["scalars"]) == {name for c in curves for name in c} - {"step"}
    for name in ("place", "validation/relations"):
        shown = {event.step: event.value for event in board.Scalars(name)}
        assert shown == pytest.approx({c["step"]: c[name] for c in curves if name in c}, rel=1e-6)


def test_two_processes_train_one_model(store: Path, tmp_path: Path) -> None:
    """Started by torchrun without an accelerator; each alone would end with other weights."""
    script = tmp_path / "run.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from pathlib import Path\n"
        "from small_runs import settings\n"
        "from spatialvlm_ros.training.deadline import Deadline\n"
        "from spatialvlm_ros.training.run import train, train_until\n"
        "import os, spatialvlm_ros.training.trainer as trainer, torch\n"
        "save = trainer.Trainer._save\n"
        "def both(self, state):\n"
        "    total = sum(p.detach().double().sum() for p in self.bare.parameters())\n"
        "    here = self.accelerator\n"  # a file each: what two processes print may run together
        "    words = f'{here.process_index} {here.num_processes} {float(total)!r}'\n"
        f"    Path({str(tmp_path)!r}, f'rank{{here.process_index}}.txt').write_text(words)\n"
        "    save(self, state)\n"
        "trainer.Trainer._save = both\n"
        f"run = settings(Path({str(store)!r}), Path({str(tmp_path / 'out')!r}), steps=2, checkpoint_minutes=9.0)\n"
        "limit = 1e-9 if os.environ['RANK'] == '0' else 9\n"  # they stop together, by the first one's clock
        "assert train_until(run, Deadline.after(limit)) is None\n"
        "train(run)\n"
    )
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc_per_node",
        "2",
        str(script),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=200)
    assert done.returncode == 0, done.stderr[-3000:]
    said = [path.read_text().split() for path in sorted(tmp_path.glob("rank*.txt"))]
    last = {rank: float(total) for rank, world, total in said if world == "2"}
    assert set(last) == {"0", "1"} and last["0"] == last["1"]
    assert (tmp_path / "out" / "model" / "spatialvlm.json").exists()


def test_a_checkpoint_can_be_exported_while_the_run_goes_on(store: Path, tmp_path: Path) -> None:
    config = settings(store, tmp_path / "run")
    train(config)
    export_checkpoint(config, tmp_path / "model")
    EmbeddedBackend.from_pretrained(tmp_path / "model")
    with pytest.raises(TrainingError, match="no checkpoint"):
        (tmp_path / "run" / "checkpoint" / "weights.safetensors").unlink()
        export_checkpoint(config, tmp_path / "other")


def test_a_warm_start_begins_with_the_weights_it_names(store: Path, tmp_path: Path) -> None:
    folder = train(settings(store, tmp_path / "first"))
    still = (StageConfig("joint", steps=1, batch=2, learning_rate=0.0, warmup=1),)
    again = train(settings(store, tmp_path / "second", stages=still, start_from=str(folder)))
    first, second = (EmbeddedBackend.from_pretrained(f, dtype="float32") for f in (folder, again))
    encoded = [b.encode(scene_view(NOUNS[1]).observation) for b in (first, second)]
    queries = [Query("bowl", "vase")]
    np.testing.assert_allclose(
        first.read(encoded[0], queries).lengths, second.read(encoded[1], queries).lengths, atol=1e-3
    )
    other = replace(SHAPE, layers=2)
    with pytest.raises(TrainingError, match="shape"):
        train(settings(store, tmp_path / "third", shape=other, start_from=str(folder)))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("blind: 3\n", "blind"),
        ("sead: 1\n", "sead"),
        ("plan: [1]\n", "plan"),
        ("shape: {width: 100}\n", "16 pixels"),
        ("stages: 5\n", "stages"),
        ("stages: []\n", "stage"),
        ("stages: [3]\n", "stage"),
        ("stages: [{batch: 0}]\n", "batch"),
        ("stages: [{steps: 0}]\n", "steps"),
        ("stages: [{name: dense, learning_rate: -1.0}]\n", "learning_rate of the stage dense"),
        ("validate_every: 0\n", "validate_every"),
    ],
)
def test_a_bad_configuration_names_the_setting(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=fault):
        TrainConfig.load(path)


@pytest.mark.parametrize("wrong", ["stages=5", "stages=[{batch: 0}]", "stages=[{steps: 0}]", "seed=-1"])
def test_a_bad_setting_on_the_command_line_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: str
) -> None:
    config = str(shared_file("config/train/embedded.yaml"))
    assert main(["train", "--config", config, "--set", f"out={tmp_path}", "--set", wrong]) == 1
    error = capsys.readouterr().err
    assert wrong.rpartition("{")[2].split("=")[0].split(":")[0] in error and error.count("\n") == 1


def test_exporting_what_was_never_trained_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = str(shared_file("config/train/embedded.yaml"))
    arguments = ["train", "--config", config, "--set", f"out={tmp_path / 'none'}", "--export", str(tmp_path / "model")]
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert "no checkpoint" in error and error.count("\n") == 1 and not (tmp_path / "model").exists()


@pytest.mark.parametrize("name", ["embedded", "embedded_gpu"])
def test_the_shipped_configurations_load(name: str) -> None:
    from spatialvlm_ros.simulation.config import SimulationConfig

    config = TrainConfig.load(shared_file(f"config/train/{name}.yaml"))
    SimulationConfig.of(config.train.simulation)
    assert config.stages[0].language is False and config.stages[-1].language
