"""What each of two processes does in the test of split models; started by torchrun: STORE OUT split|whole.

The runs are those of `test_splitting`, in an order in which the later ones find what they go on from.
"""

from __future__ import annotations

import json
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parent))

from small_runs import settings  # noqa: E402

from spatialvlm_ros.training.checkpoints import RunState  # noqa: E402
from spatialvlm_ros.training.config import StageConfig, TrainConfig  # noqa: E402
from spatialvlm_ros.training.run import train  # noqa: E402
from spatialvlm_ros.training.splitting import is_split  # noqa: E402
from spatialvlm_ros.training.trainer import Trainer  # noqa: E402

NO_CLIPPING = 1e9
# The decoder is not used in the first stage, the encoder is frozen in the second.
STAGES = (
    StageConfig("dense", steps=2, batch=2, language=False, warmup=1),
    StageConfig("frozen", steps=2, batch=2, warmup=1, learning_rate=2e-3, frozen_vision=True),
    StageConfig("joint", steps=2, batch=2, warmup=1, learning_rate=2e-3),
)
STILL = (StageConfig("joint", steps=1, batch=2, learning_rate=0.0, warmup=1),)
SAVES_BEFORE_THE_HALF = 4  # steps 1 and 2, the end of the first stage, step 3


def run_of(store: Path, out: Path, **changes: object) -> TrainConfig:
    """Six steps; without clipping unless ``changes`` say so."""
    return settings(store, out, **{"stages": STAGES, "clip": NO_CLIPPING, **changes})


def train_half(config: TrainConfig) -> None:
    """Stops a run after its third step, in all processes alike."""
    save, calls = Trainer._save, iter(range(SAVES_BEFORE_THE_HALF - 1))

    def stop(self: Trainer, state: RunState) -> None:
        save(self, state)
        if next(calls, None) is None:
            raise KeyboardInterrupt

    with patch.object(Trainer, "_save", stop), suppress(KeyboardInterrupt):
        train(config)


def train_telling(config: TrainConfig, folder: Path) -> None:
    """Trains and writes what this process holds of the model and its moments, and the mean norm of the gradients."""
    save = Trainer._save

    def tell(self: Trainer, state: RunState) -> None:
        save(self, state)
        parameters = list(self.bare.parameters())
        moments = [m for o in self.optimizers for state in o.state.values() for m in state.values() if m.ndim]
        told = {
            name: [sum((t.to_local() if is_split(t) else t).numel() for t in kind), sum(t.numel() for t in kind)]
            for name, kind in (("parameters", parameters), ("moments", moments))
        }
        content = json.dumps({**told, "gradient": self.averages["gradient"]})
        (folder / f"rank{self.accelerator.process_index}.json").write_text(content)

    with patch.object(Trainer, "_save", tell):
        train(config)


def main(store: Path, out: Path, way: str) -> None:
    """All runs of one process."""
    here, there = out / way, out / "whole"
    here.mkdir(parents=True, exist_ok=True)
    train(run_of(store, here / "run"))
    train_half(run_of(store, here / "resumed"))
    _copied(here / "resumed", here / "half")
    train(run_of(store, here / "resumed"))
    train_telling(run_of(store, here / "clipped", clip=1.0), here)
    if way == "split":
        _copied(there / "half", here / "from_whole")
        train(run_of(store, here / "from_whole"))
        train(run_of(store, here / "warm", stages=STILL, start_from=str(there / "run" / "model")))


def _copied(source: Path, target: Path) -> None:
    """By the first process alone; the others wait."""
    import torch

    if torch.distributed.get_rank() == 0:
        shutil.copytree(source, target)
    torch.distributed.barrier()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
