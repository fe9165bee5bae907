"""Rows of a key-value cache: shared where nothing writes into them, copied elsewhere, the original untouched."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
cache_utils = pytest.importorskip("transformers.cache_utils")

from spatialvlm_ros.models.caches import row_bytes, select_rows  # noqa: E402


def filled(rows: int, layer: object | None = None, tokens: int = 5):
    """A cache of one layer with ``tokens`` random keys and values in each row."""
    torch.manual_seed(rows)
    cache = cache_utils.DynamicCache()
    cache.layers = [layer or cache_utils.DynamicLayer()]
    cache.update(torch.randn(rows, 2, tokens, 3), torch.randn(rows, 2, tokens, 3), 0)
    return cache


@pytest.mark.parametrize(
    ("n", "rows", "shared"), [(1, [0], True), (1, [0, 0, 0], True), (3, [0, 1, 2], True), (3, [2, 0, 0], False)]
)
@pytest.mark.parametrize("kind", ["full", "window"])
def test_chosen_rows_grow_by_themselves(n, rows, shared, kind):
    layer = cache_utils.DynamicSlidingWindowLayer(64) if kind == "window" else cache_utils.DynamicLayer()
    cache = filled(n, layer)
    before = cache.layers[0].keys.clone()
    chosen = select_rows(cache, torch.tensor(rows))
    torch.testing.assert_close(chosen.layers[0].keys, before[rows])
    assert (chosen.layers[0].keys.data_ptr() == cache.layers[0].keys.data_ptr()) == shared
    more = torch.randn(len(rows), 2, 4, 3)
    keys, values = chosen.update(more, -more, 0)
    torch.testing.assert_close(keys, torch.cat([before[rows], more], dim=2))
    torch.testing.assert_close(values[:, :, 5:], -more)
    torch.testing.assert_close(cache.layers[0].keys, before)
    assert cache.get_seq_length() == 5 and chosen.get_seq_length() == 9


def test_layers_that_write_in_place_get_their_own_memory():
    cache = filled(1, cache_utils.StaticLayer(16))
    before = cache.layers[0].keys.clone()
    chosen = select_rows(cache, torch.tensor([0]))
    chosen.layers[0].keys += 1
    torch.testing.assert_close(cache.layers[0].keys, before)


def test_bytes_of_a_row_count_each_row_once():
    cache = filled(4)
    assert row_bytes(cache) == 2 * 2 * 5 * 3 * 4
    assert row_bytes(select_rows(filled(1), torch.tensor([0] * 4))) == row_bytes(cache)
