"""`spatialvlm doctor`: what is installed, which device, what is missing and how to get it."""

from __future__ import annotations

import argparse
import ctypes.util
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from spatialvlm_ros.optional import how_to_get
from spatialvlm_ros.version import __version__


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        name: what was looked for.
        status: "ok", "missing" (something does not work without it) or "optional" (only an extra needs it).
        detail: version, device or path.
        remedy: command that brings it; empty where nothing is missing.
    """

    name: str
    status: str
    detail: str
    remedy: str = ""


@dataclass(frozen=True)
class Package:
    """A Python package: import name, distribution name, the extra that brings it ("" for the core)."""

    module: str
    distribution: str
    extra: str


PACKAGES = (
    Package("numpy", "numpy", ""),
    Package("scipy", "scipy", ""),
    Package("cv2", "opencv-python", ""),
    Package("PIL", "pillow", ""),
    Package("yaml", "pyyaml", ""),
    Package("mujoco", "mujoco", "sim"),
    Package("gymnasium", "gymnasium", "sim"),
    Package("pyarrow", "pyarrow", "data"),
    Package("datasets", "datasets", "data"),
    Package("sklearn", "scikit-learn", "perception"),
    Package("torch", "torch", "models"),
    Package("transformers", "transformers", "models"),
    Package("httpx", "httpx", "remote"),
    Package("peft", "peft", "train"),
    Package("accelerate", "accelerate", "train"),
    Package("matplotlib", "matplotlib", "report"),
    Package("stable_baselines3", "stable-baselines3", "rl"),
    Package("rosbags", "rosbags", "bags"),
    Package("h5py", "h5py", "recordings"),
    Package("av", "av", "recordings"),
    Package("transforms3d", "transforms3d", "ros"),
    Package("ray", "ray", "ray"),
)

_RENDERING_S = 120
SYSTEM_LIBRARIES = (("EGL", "libegl1"), ("GL", "libgl1"), ("OSMesa", "libosmesa6"))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--render", action="store_true", help="also render one picture with MuJoCo, in a process")


def run(args: argparse.Namespace) -> int:
    """Print the report; exit status 1 when something of the core is missing."""
    findings = list(examine(render=args.render))
    width = max(len(f.name) for f in findings)
    for finding in findings:
        remedy = f"   -> {finding.remedy}" if finding.remedy else ""
        sys.stdout.write(f"{finding.status:9} {finding.name:{width}}  {finding.detail}{remedy}\n")
    return 1 if any(f.status == "missing" for f in findings) else 0


def examine(render: bool = False) -> Iterator[Finding]:
    """All findings, cheapest first; nothing heavy is imported unless it is installed and named here."""
    yield Finding("spatialvlm_ros", "ok", __version__)
    yield Finding("python", "ok", f"{platform.python_version()} ({sys.executable})")
    yield Finding("machine", "ok", f"{_processor()}, {os.cpu_count()} cores, {_memory()}")
    yield from map(_package, PACKAGES)
    yield from _libraries()
    yield from _guarded("device", _device)
    yield from _guarded("assets", _assets)
    yield _ros()
    if render:
        yield _rendering()


def _package(package: Package) -> Finding:
    remedy = how_to_get(package.module, package.extra)
    if importlib.util.find_spec(package.module) is None:
        return Finding(package.distribution, "optional" if package.extra else "missing", "not installed", remedy)
    try:
        version = importlib.metadata.version(package.distribution)
    except importlib.metadata.PackageNotFoundError:  # e.g. opencv from apt or under another distribution name
        version = "installed (no metadata)"
    return Finding(package.distribution, "ok", version)


def _libraries() -> Iterator[Finding]:
    missing = [package for name, package in SYSTEM_LIBRARIES if ctypes.util.find_library(name) is None]
    if missing:
        yield Finding(
            "headless GL", "optional", f"missing {', '.join(missing)}", f"apt-get install {' '.join(missing)}"
        )
    else:
        yield Finding("headless GL", "ok", "EGL, GL, OSMesa")


def _guarded(name: str, examine_one: Callable[[], Finding]) -> Iterator[Finding]:
    """A doctor reports a broken part; it does not break on it."""
    try:
        yield examine_one()
    except Exception as error:  # noqa: BLE001 - whatever is broken becomes a line of the report
        yield Finding(name, "optional", f"{type(error).__name__}: {error}", "Reinstall the package named here.")


def _device() -> Finding:
    if importlib.util.find_spec("torch") is None:
        return Finding("device", "optional", "torch is not installed", 'pip install "spatialvlm_ros[models]"')
    import torch

    if torch.cuda.is_available():
        return Finding("device", "ok", f"cuda: {torch.cuda.get_device_name(0)}")
    flags = _cpu_flags()
    fast = [f for f in ("avx512_bf16", "amx_bf16") if f in flags]
    return Finding("device", "ok", f"cpu ({'bf16 by ' + ', '.join(fast) if fast else 'fp32: no bf16 instructions'})")


def _assets() -> Finding:
    from spatialvlm_ros.simulation.assets.pack import AssetPack, default_pack_path

    path = default_pack_path()
    if not path.exists():
        return Finding("assets", "optional", f"no pack at {path}", "spatialvlm assets")
    return Finding("assets", "ok", f"{len(AssetPack.load(path).items)} objects at {path}")


def _ros() -> Finding:
    if importlib.util.find_spec("rclpy") is None:
        return Finding("rclpy", "optional", "not installed (only the ROS node needs it)")
    return Finding("rclpy", "ok", f"ROS_DISTRO={os.environ.get('ROS_DISTRO', 'unset')}")


def _rendering() -> Finding:
    if importlib.util.find_spec("mujoco") is None:
        return Finding("rendering", "optional", "mujoco is not installed", 'pip install "spatialvlm_ros[sim]"')
    code = (
        "import mujoco; m = mujoco.MjModel.from_xml_string('<mujoco/>');"
        "r = mujoco.Renderer(m, 48, 64); r.update_scene(mujoco.MjData(m)); r.render();"
        "from OpenGL import GL; print(GL.glGetString(GL.GL_RENDERER).decode())"
    )
    # In a process of its own: a broken GL driver aborts instead of raising.
    environment = {"MUJOCO_GL": "egl", **os.environ}
    remedy = "apt-get install libegl1 libgl1-mesa-dri, or MUJOCO_GL=osmesa"
    command = [sys.executable, "-c", code]
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=_RENDERING_S, check=False
        )
    except subprocess.TimeoutExpired:
        return Finding("rendering", "missing", f"no picture within {_RENDERING_S} s", remedy)
    if done.returncode == 0:
        return Finding("rendering", "ok", f"MUJOCO_GL={environment['MUJOCO_GL']}: {done.stdout.strip()}")
    lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
    return Finding("rendering", "missing", lines[-1][:100], remedy)


def _processor() -> str:
    return next(_cpuinfo("model name"), platform.machine())


def _cpu_flags() -> set[str]:
    return set(next(_cpuinfo("flags"), "").split())


def _cpuinfo(key: str) -> Iterator[str]:
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            yield value.strip()


def _memory() -> str:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return "memory unknown"
    free_disk = shutil.disk_usage(Path.cwd()).free
    return f"{total / 2**30:.0f} GiB memory, {free_disk / 2**30:.0f} GiB free here"
