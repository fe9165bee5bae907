"""Which parameter is trained by what, and how fast."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from spatialvlm_ros.training.optimizers import MATRIX_RATE, make_optimizers, set_rate  # noqa: E402
from spatialvlm_ros.training.split_muon import SplitMuon  # noqa: E402


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.vision_tower = nn.ModuleDict({"conv": nn.Conv2d(3, 4, 3), "mix": nn.Linear(4, 5)})
        self.language_model = nn.ModuleDict({"layers": nn.ModuleList([nn.Linear(4, 4)]), "embed": nn.Embedding(7, 4)})


def test_every_parameter_belongs_to_one_optimizer_and_the_encoder_has_its_own_rate():
    model = Small()
    muon, adam = make_optimizers(model, weight_decay=0.1)
    held = [p for optimizer in (muon, adam) for group in optimizer.param_groups for p in group["params"]]
    assert len(held) == len({id(p) for p in held}) == len(list(model.parameters()))
    assert {id(p) for g in muon.param_groups for p in g["params"]} == {
        id(model.vision_tower["mix"].weight),
        id(model.language_model["layers"][0].weight),
    }
    set_rate([muon, adam], 0.01, vision_share=0.2)
    rates = {id(p): g["lr"] for o in (muon, adam) for g in o.param_groups for p in g["params"]}
    assert rates[id(model.vision_tower["conv"].weight)] == pytest.approx(0.002)
    assert rates[id(model.vision_tower["mix"].weight)] == pytest.approx(0.002 * MATRIX_RATE)
    assert rates[id(model.language_model["embed"].weight)] == pytest.approx(0.01)
    decay = {id(p): g["weight_decay"] for g in adam.param_groups for p in g["params"]}
    assert decay[id(model.vision_tower["conv"].bias)] == 0 < decay[id(model.vision_tower["conv"].weight)]


@pytest.mark.parametrize("nesterov", [True, False])
def test_split_muon_is_torchs_muon_where_matrices_are_whole(nesterov: bool) -> None:
    torch.manual_seed(0)
    start = [torch.randn(6, 9), torch.randn(12, 5)]
    ends = []
    for kind in (SplitMuon, torch.optim.Muon):
        parameters = [torch.nn.Parameter(tensor.clone()) for tensor in start]
        optimizer = kind(parameters, lr=0.05, weight_decay=0.3, nesterov=nesterov, adjust_lr_fn="match_rms_adamw")
        for _ in range(3):
            optimizer.zero_grad()
            sum((p**3).sum() for p in parameters).backward()
            optimizer.step()
        ends.append(parameters)
    for ours, theirs in zip(*ends, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)
