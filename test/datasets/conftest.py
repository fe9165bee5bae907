"""Makes the sources of this folder importable, in worker processes too (spawned ones inherit sys.path)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "helpers"))

from spatialvlm_ros.datasets.engine import generate  # noqa: E402
from spatialvlm_ros.datasets.manifest import Manifest  # noqa: E402
from spatialvlm_ros.datasets.pictures import PictureFormat  # noqa: E402
from spatialvlm_ros.datasets.questions import Questions  # noqa: E402
from spatialvlm_ros.datasets.synthetic import SyntheticViews  # noqa: E402


@pytest.fixture()
def make_dataset():
    """A function that generates a small data set; keyword arguments go to `generate`."""

    def make(out: Path, source: object | None = None, **options: object) -> Manifest:
        settings = {
            "scenes_per_shard": 2,
            "workers": 0,
            "per_view": 6,
            "pictures": PictureFormat("png"),
            "show_progress": False,
            **options,
        }
        return generate(source or small_source(), Questions(), out, **settings)

    return make


def small_source(**changes: object) -> SyntheticViews:
    return SyntheticViews(**{"scenes": 5, "views_per_scene": 2, "width": 64, "height": 48, **changes})


@pytest.fixture(scope="session")
def dataset_folder(tmp_path_factory) -> Path:
    """A data set of 5 scenes, 10 views and 60 questions in 3 shards, PNG; read only."""
    out = tmp_path_factory.mktemp("dataset")
    generate(
        small_source(),
        Questions(),
        out,
        scenes_per_shard=2,
        workers=0,
        per_view=6,
        pictures=PictureFormat("png"),
        show_progress=False,
    )
    return out
