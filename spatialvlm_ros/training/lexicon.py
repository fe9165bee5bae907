"""The names that occur in simulated scenes: what dense supervision tells apart and what can be absent."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

from spatialvlm_ros.simulation import assets
from spatialvlm_ros.training.dense import Lexicon
from spatialvlm_ros.training.general import COLOURS

_INDEX = Path(assets.__file__).with_name("index.csv")
_OF_THE_STAGE = ("table", "robot arm", "gripper")  # not from the pack


def simulated_lexicon() -> Lexicon:
    """Nouns and attributes of the asset pack and the stage, sorted."""
    rows = _rows()
    attributes = {a for row in rows for a in row["attributes"].split()}
    return Lexicon(sorted({row["noun"] for row in rows} | set(_OF_THE_STAGE)), sorted(attributes | set(COLOURS)))


def simulated_labels() -> list[str]:
    """All labels ("red mug") of the pack and the stage, with every colour before every noun left out."""
    rows = _rows()
    labels = {f"{row['attributes']} {row['noun']}".strip() for row in rows} | {row["noun"] for row in rows}
    return sorted(labels | set(_OF_THE_STAGE) | set(COLOURS))


def save_lexicon(lexicon: Lexicon, path: Path) -> None:
    """Writes it as JSON."""
    path.write_text(json.dumps({"nouns": lexicon.nouns, "attributes": lexicon.attributes}), encoding="utf-8")


def load_lexicon(path: Path) -> Lexicon:
    """Reads what `save_lexicon` wrote."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return Lexicon(content["nouns"], content["attributes"])


def _rows() -> Sequence[dict[str, str]]:
    with _INDEX.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
