"""Packs what a machine without a network needs to train: code, configuration, asset pack, wheels of the renderer.

    python tools/gpu_bundle.py --out build/gpu_bundle.tar --assets assets

There: tar xf gpu_bundle.tar && ./train.sh config/train/embedded_gpu.yaml && ./speed.sh
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
WHEELS = ("mujoco", "mujoco-core", "glfw", "pyopengl")
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux2014_x86_64")
_LEFT_OUT = ("__pycache__", "sheet_*.png")  # the sheets show the assets to people

PACKED = ("spatialvlm_ros", "config", "bench", "test/models/hub/hub_tiny_models.py")

_BEGIN = """#!/bin/sh
# {what}
set -e
cd "$(dirname "$0")"
if [ ! -d packages ]; then  # the carried wheels lie beside the code
    python3 -m pip install -q --no-index --no-deps --target packages.new wheels/*.whl && mv packages.new packages
fi
export PYTHONPATH="$PWD:$PWD/packages" MUJOCO_GL="${{MUJOCO_GL:-egl}}" SPATIALVLM_ASSETS="$PWD/assets"
"""
LAUNCHERS = {
    "doctor.sh": _BEGIN.format(what="What is installed here, which device, and who renders.")
    + """exec python3 -m spatialvlm_ros.cli.main doctor --render
""",
    "train.sh": _BEGIN.format(what="Trains; run it again to go on. --stop-after MINUTES for jobs with a time limit.")
    + """exec python3 -m spatialvlm_ros.cli.main train --config "$@"
""",
    "speed.sh": _BEGIN.format(what="Speeds on this machine, one JSON each: speed.sh [MODEL [FOLDER [DEVICE]]].")
    + """model="${1:-output/train/embedded_gpu/model}" out="${2:-speed}" device="${3:-cuda}"
large=qwen-3b
[ "$device" = cuda ] || large=qwen
mkdir -p "$out"
measure() {  # one that fails does not keep the others from running
    echo "$1"
    if ! python3 bench/"$2" --json $3 > "$out/$1.json" 2> "$out/$1.log"; then
        tail -3 "$out/$1.log"
        rm "$out/$1.json"
    fi
}
measure model model_speed.py "--model $model"
measure training training_speed.py "--config config/train/embedded_gpu.yaml --store build/gpu_store --device $device"
measure hub hub_speed.py "--models $large --questions 1 4 16 --runs 3 --device $device --dtype bfloat16"
measure lora lora_speed.py "--model $large --batch 8 --device $device"
""",
}


def main() -> int:
    """Writes the archive; exit status 1 where it is too large."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("build/gpu_bundle.tar"))
    parser.add_argument("--assets", type=Path, default=ROOT / "assets")
    parser.add_argument("--python", default="3.12", help="Python version of the other machine")
    parser.add_argument(
        "--beside-checkout", action="store_true", help="without the code, to unpack in a checkout there"
    )
    parser.add_argument("--start-from", type=Path, help="a model folder to warm-start from, packed as start/")
    args = parser.parse_args()
    if not (args.assets / "manifest.json").is_file():
        print(f"there is no asset pack in {args.assets}; run: make assets", file=sys.stderr)
        return 1
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, tarfile.open(args.out, "w") as archive:
        for wheel in _wheels(Path(folder), args.python):
            archive.add(wheel, f"wheels/{wheel.name}")
        for name in () if args.beside_checkout else PACKED:
            archive.add(ROOT / name, name, filter=_kept)
        archive.add(args.assets, "assets", filter=_kept)
        if args.start_from:
            archive.add(args.start_from, "start")
        for name, text in LAUNCHERS.items():
            _add_text(archive, name, text)
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
