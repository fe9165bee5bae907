"""`make gpu-bundle`: what it packs, how large it is, and that what is unpacked starts without the checkout."""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

pytest.importorskip("mujoco")
pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("accelerate")
pytest.importorskip("pip")

ROOT = Path(__file__).resolve().parent.parent
ASSETS = Path(os.environ.get("SPATIALVLM_ASSETS", ROOT / "assets"))
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (ASSETS / "manifest.json").is_file(), reason="there is no asset pack"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the wheels are for Linux"),
]


def run(command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=900, **options)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    out = tmp_path_factory.mktemp("bundle") / "bundle.tar"
    tool = [sys.executable, str(ROOT / "tools" / "gpu_bundle.py")]
    done = run([*tool, "--out", str(out), "--assets", str(ASSETS), "--python", PYTHON])
    if "NewConnectionError" in done.stderr or "NameResolutionError" in done.stderr:
        pytest.skip("the index of wheels cannot be reached")
    assert done.returncode == 0, done.stderr[-2000:]
    return out


@pytest.fixture(scope="module")
def unpacked(archive, tmp_path_factory):
    folder = tmp_path_factory.mktemp("machine")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    return folder


def test_it_is_small_enough_and_holds_what_training_needs(archive):
    assert archive.stat().st_size <= 60 * 2**20
    with tarfile.open(archive) as tar:
        entries = {entry.name: entry for entry in tar.getmembers()}
    assert {"spatialvlm_ros/training/run.py", "config/train/embedded_gpu.yaml", "assets/manifest.json"} <= set(entries)
    assert {"spatialvlm_ros/models/embedded/shipped/spatialvlm.json", "bench/hub_speed.py"} <= set(entries)
    assert all(entries[name].mode & 0o100 for name in ("train.sh", "speed.sh", "doctor.sh"))
    wheels = " ".join(name for name in entries if name.startswith("wheels/"))
    for package in ("mujoco-", "mujoco_core-", "glfw-", "pyopengl-"):
        assert package in wheels
    assert not [name for name in entries if "__pycache__" in name or name.startswith("/")]
    assert not [name for name in entries if name.startswith("assets/sheet")]  # pictures for people
    packed = sum(name.startswith("assets/items/") for name in entries)
    assert packed == len(list((ASSETS / "items").iterdir())) > 100


def test_beside_a_checkout_it_brings_what_the_checkout_lacks(tmp_path):
    out = tmp_path / "beside.tar"
    tool = [sys.executable, str(ROOT / "tools" / "gpu_bundle.py"), "--beside-checkout", "--python", PYTHON]
    done = run([*tool, "--out", str(out), "--assets", str(ASSETS)])
    assert done.returncode == 0, done.stderr[-2000:]
    with tarfile.open(out) as tar:
        tops = {name.split("/")[0] for name in tar.getnames()}
    assert tops == {"assets", "wheels", "train.sh", "speed.sh", "doctor.sh"}


def test_a_whole_run_in_jobs_with_a_time_limit(unpacked, tmp_path):
    """Rendering, both stages, the model's folder and the speeds, from what is unpacked alone, at a toy's size."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "SPATIALVLM_ASSETS")}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    config = yaml.safe_load((unpacked / "config/train/embedded_gpu.yaml").read_text())
    for views in (config["train"], config["validate"]):
        views["folder"] = str(tmp_path / Path(views["folder"]).name)
        views["simulation"] |= {"scenes": 2, "views_per_layout": 2, "layouts_per_compile": 1, "shadow_size": 256}
    for stage in config["stages"]:
        stage |= {"steps": 2, "batch": 2, "minutes": 0}
    config |= {"out": str(tmp_path / "run"), "validate_every": 2, "validate_batches": 1, "loader_processes": 1}
    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(config))
    model = tmp_path / "run" / "model"
    for _ in range(12):
        done = run(["./train.sh", str(tmp_path / "toy.yaml"), "--stop-after", "0.02"], cwd=unpacked, env=environment)
        assert done.returncode == 0, done.stderr[-2000:]
        if model.is_dir():
            break
        assert "the same command goes on" in done.stdout
    shards = list(model.glob("*.safetensors"))
    assert len(shards) >= 3 and all(shard.stat().st_size <= 16 * 2**20 for shard in shards)
    assert sum(shard.stat().st_size for shard in shards) <= 48 * 2**20
    code = (
        "from spatialvlm_ros.models.spatial_vlm import SpatialVLM; from spatialvlm_ros.geometry.cameras import Camera\n"
        "from spatialvlm_ros.scenes.observation import Observation; import numpy as np\n"
        f"view = SpatialVLM.from_pretrained({str(model)!r}).look(\n"
        "    Observation(np.zeros((240, 320, 3), np.uint8), Camera.from_hfov(320, 240, 1.0)))\n"
        "print(view.measure('mug', 'camera', 'distance').unit)\n"
    )
    done = run([sys.executable, "-c", code], cwd=unpacked, env=environment | {"PYTHONPATH": str(unpacked)})
    assert done.returncode == 0 and done.stdout.split() == ["m"], done.stderr[-2000:]


def test_it_starts_from_what_is_unpacked(unpacked, tmp_path):
    """The launcher installs the wheels and comes as far as an exporter can that finds no run."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "SPATIALVLM_ASSETS")}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    arguments = ["config/train/embedded_gpu.yaml", "--set", f"out={tmp_path / 'none'}", "--export", str(tmp_path / "m")]
    done = run(["./train.sh", *arguments], cwd=unpacked, env=environment)
    assert done.returncode == 1 and "no checkpoint" in done.stderr, done.stderr[-2000:]

    code = (
        "import mujoco, spatialvlm_ros.training.run as run, glfw\n"
        "from spatialvlm_ros.simulation.assets.pack import default_pack_path\n"
        "print(mujoco.__file__, run.__file__, glfw.__file__, default_pack_path(), sep='\\n')\n"
    )
    environment |= {"PYTHONPATH": f"{unpacked}:{unpacked / 'packages'}", "SPATIALVLM_ASSETS": str(unpacked / "assets")}
    done = run([sys.executable, "-c", code], cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    for place in done.stdout.split():
        assert Path(place).is_relative_to(unpacked), place
