"""Picture tokens know where they stand: a linear map reads it, and the code reaches what the decoder sees."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from tiny import SHAPE, save_tiny_model

from spatialvlm_ros.models.embedded.architecture import build_config, build_model
from spatialvlm_ros.models.embedded.backend import EmbeddedBackend
from spatialvlm_ros.models.embedded.folder import MARKER
from spatialvlm_ros.models.embedded.position_code import add_position_code, position_code


def test_a_linear_map_reads_column_and_row() -> None:
    rows, columns = 12, 16
    code = position_code(rows, columns, 64).numpy().astype(float)
    v, u = np.mgrid[:rows, :columns].reshape(2, -1)
    design = np.column_stack([code, np.ones(len(code))])
    for truth in (u, v):
        weights, *_ = np.linalg.lstsq(design, truth.astype(float), rcond=None)
        assert np.abs(design @ weights - truth).max() < 0.1
    # The first half says nothing of the row, the second nothing of the column.
    grid = code.reshape(rows, columns, 64)
    assert np.ptp(grid[..., :32], axis=0).max() == 0 and np.ptp(grid[..., 32:], axis=1).max() == 0
    assert np.ptp(grid[..., :32], axis=1).max() > 1 and np.ptp(grid[..., 32:], axis=0).max() > 1


def test_the_code_is_added_behind_the_projector() -> None:
    shape = replace(SHAPE, position_code=3.0)
    torch.manual_seed(0)
    plain = build_model(build_config(shape, 300, 1, 0, 2))
    pixels = torch.randn(2, 5, 48, 64)
    before = plain.model.get_image_features(pixels).pooler_output
    add_position_code(plain, shape)
    after = plain.model.get_image_features(pixels).pooler_output
    code = 3.0 * position_code(3, 4, shape.hidden)
    for b in range(2):
        torch.testing.assert_close(after[b] - before[b], code, atol=1e-5, rtol=1e-5)


def test_a_folder_says_whether_its_model_has_it(tmp_path: Path) -> None:
    """Models from before it was there have none."""
    folder = save_tiny_model(tmp_path)
    assert len(_hooks(EmbeddedBackend.from_pretrained(folder, dtype="float32"))) == 0
    marker = (folder / MARKER).read_text(encoding="utf-8")
    (folder / MARKER).write_text(marker.replace('"position_code": 0.0', '"position_code": 2.0'), encoding="utf-8")
    assert len(_hooks(EmbeddedBackend.from_pretrained(folder, dtype="float32"))) == 1


def _hooks(backend: EmbeddedBackend) -> dict[int, object]:
    hooks: dict[int, object] = backend._vlm.model.multi_modal_projector._forward_hooks
    return hooks
