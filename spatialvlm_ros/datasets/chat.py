"""Export as chat messages: one JSON line per conversation, pictures as files beside it.

The form that multimodal trainers (e.g. TRL) and chat templates of `transformers` read: ``messages`` with typed
content, and ``images`` with the paths of the pictures in the order of their placeholders.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spatialvlm_ros.datasets.reader import Dataset
from spatialvlm_ros.datasets.rows import Row
from spatialvlm_ros.datasets.shards import atomic_text_file
from spatialvlm_ros.errors import ConfigError, DatasetError

IMAGES_FOLDER = "images"
_COLUMNS = ("view_id", "rgb", "qa")  # depth and instances are half of a shard


@dataclass(frozen=True)
class ChatExport:
    """What was written: files (one a split), conversations, questions and pictures."""

    files: tuple[Path, ...]
    conversations: int
    questions: int
    pictures: int


def export_chat(
    dataset: Dataset, out: str | Path, turns: int = 10, system: str = "", progress: Callable[[int], None] | None = None
) -> ChatExport:
    """Write ``<split>.jsonl`` for each split and the pictures into ``images/``.

    Args:
        dataset: what to export.
        out: folder, created if need be.
        turns: questions in one conversation; a view with more gives several conversations.
        system: text of a system message before each conversation; none if empty.
        progress: called with the number of views done since the last call.

    Raises:
        ConfigError: ``turns`` below 1.
        DatasetError: the folder cannot be written.
    """
    if turns < 1:
        raise ConfigError("a conversation needs a question", turns, "Choose 1 turn or more.")
    out = Path(out)
    names = _PictureNames()
    counts = {"conversations": 0, "questions": 0, "pictures": 0}
    files = tuple(out / f"{split}.jsonl" for split in dataset.splits)
    try:
        (out / IMAGES_FOLDER).mkdir(parents=True, exist_ok=True)
        for split, path in zip(dataset.splits, files, strict=True):
            with atomic_text_file(path) as lines:
                for row in dataset.split(split).rows(_COLUMNS):
                    image = names.of(row)
                    (out / image).write_bytes(row["rgb"]["bytes"])
                    for conversation in conversations(row, image, turns, system):
                        lines.write(json.dumps(conversation, ensure_ascii=False) + "\n")
                        counts["conversations"] += 1
                    counts["questions"] += len(row["qa"])
                    counts["pictures"] += 1
                    if progress is not None:
                        progress(1)
    except OSError as error:
        raise DatasetError(
            f"cannot write the export to {out}", error.strerror, "Free some space, run again."
        ) from error
    return ChatExport(files, **counts)


def conversations(row: Row, image: str, turns: int, system: str = "") -> Iterator[dict[str, Any]]:
    """The conversations about one row, ``turns`` questions each; ``image`` is the path of its picture."""
    for start in range(0, len(row["qa"]), turns):
        messages: list[dict[str, Any]] = [_message("system", system)] if system else []
        for number, pair in enumerate(row["qa"][start : start + turns]):
            question = _message("user", pair["question"])
            if number == 0:
                question["content"].insert(0, {"type": "image"})
            messages += [question, _message("assistant", pair["answer"])]
        yield {"id": f"{row['view_id']}#{start // turns}", "images": [image], "messages": messages}


def _message(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": [{"type": "text", "text": text}]}


class _PictureNames:
    """File names made from view ids, different for different views."""

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._copies: Counter[str] = Counter()  # of a stem, as names without any letter of ours all have the same one

    def of(self, row: Row) -> str:
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", row["view_id"]).strip(".-") or "view"
        extension = "png" if row["rgb"]["bytes"].startswith(b"\x89PNG") else "jpg"
        name = stem
        while name in self._used:
            self._copies[stem] += 1
            name = f"{stem}-{self._copies[stem]}"
        self._used.add(name)
        return f"{IMAGES_FOLDER}/{name}.{extension}"
