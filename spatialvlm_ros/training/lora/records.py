"""What a hub model is fine-tuned on: conversations about pictures, exported ones or measurements of a data set."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from spatialvlm_ros.errors import ConfigError, DatasetError
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.models.hub.numbers import NumberGrammar
from spatialvlm_ros.models.hub.quantity_tokens import quantity_token
from spatialvlm_ros.models.hub.wording import camera_words, query_words
from spatialvlm_ros.models.query import CAMERA_NAME, Query, asked_name
from spatialvlm_ros.questions.families import FAMILIES, Kind
from spatialvlm_ros.scenes.relations import RELATIONS
from spatialvlm_ros.training.training_split import open_for_training

if TYPE_CHECKING:
    from spatialvlm_ros.datasets.reader import Dataset

CAMERA_OBJECT = -2
ANSWER_FORMS = ("digits", "tokens")


@dataclass(frozen=True)
class ChatRecord:
    """Questions and answers about one picture.

    Attributes:
        record_id: names it in errors.
        picture: a file, or the bytes of a PNG or JPEG.
        turns: (question, answer) pairs, in order.
        system: text of a system message; none if empty.
    """

    record_id: str
    picture: Path | bytes
    turns: tuple[tuple[str, str], ...]
    system: str = ""

    def image(self) -> Image.Image:
        """The picture, decoded.

        Raises:
            DatasetError: it is missing or damaged.
        """
        try:
            source = io.BytesIO(self.picture) if isinstance(self.picture, bytes) else self.picture
            with Image.open(source) as image:
                return image.convert("RGB")
        except (OSError, SyntaxError) as error:
            raise DatasetError("a picture cannot be read", (self.record_id, str(error)), "Export it again.") from error


def read_records(
    path: str | Path, form: str = "digits", decimals: int = 2, turns: int = 10, split: str | None = None
) -> list[ChatRecord]:
    """The conversations of a chat file (``.jsonl``), else the measurements of a data set.

    Args:
        path: a file of `export_chat`, or the folder of a data set.
        form, decimals, turns: as in `measurement_records`.
        split: of the data set; "train" by default, or all of it where it has none of that name.

    Raises:
        DatasetError: it is neither, or damaged.
        ConfigError: as `measurement_records`.
    """
    if Path(path).suffix == ".jsonl":
        return read_chat(path)
    return list(measurement_records(open_for_training(path, split), form, decimals, turns))


def digest_of(records: Sequence[ChatRecord]) -> str:
    """Hash of what is said in conversations and of the pictures that come with them (of those in files, their names:
    a picture may be missing today and be there tomorrow)."""
    digest = hashlib.sha256()
    for record in records:
        digest.update(repr((record.record_id, record.turns, record.system)).encode())
        digest.update(record.picture if isinstance(record.picture, bytes) else record.picture.name.encode())
    return digest.hexdigest()


def read_chat(path: str | Path) -> list[ChatRecord]:
    """The conversations of a file that `export_chat` wrote; the pictures stay on disk.

    Raises:
        DatasetError: no such file, or a line that is not a conversation about one picture.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DatasetError(f"cannot read {path}", error.strerror, "Make it with `spatialvlm export`.") from error
    return [_record(line, path, number) for number, line in enumerate(lines, 1) if line.strip()]


def _record(line: str, path: Path, number: int) -> ChatRecord:
    try:
        given = json.loads(line)
        messages = [(m["role"], "".join(p.get("text", "") for p in m["content"])) for m in given["messages"]]
        (image,) = given["images"]
        system = messages.pop(0)[1] if messages and messages[0][0] == "system" else ""
        roles = [role for role, _ in messages]
        if not roles or roles != ["user", "assistant"] * (len(roles) // 2):
            raise ValueError(f"roles {roles[:4]}")
        texts = [text for _, text in messages]
        turns = tuple(zip(texts[::2], texts[1::2], strict=True))
        return ChatRecord(str(given.get("id", f"{path.name}:{number}")), path.parent / image, turns, system)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(
            f"{path}, line {number} is not a conversation about one picture", str(error), "Export again."
        ) from error


def measurement_records(
    dataset: Dataset, form: str = "digits", decimals: int = 2, turns: int = 10
) -> Iterator[ChatRecord]:
    """The numeric and yes/no questions of a data set as `HubBackend` asks them, with exact answers.

    Each question is a conversation's turn of its own wording: the one that is read out later. Objects whose label
    another object of the view shares, or whose wording in the data set is another, are left out.

    Args:
        dataset: views with questions.
        form: "digits" (numbers with ``decimals`` decimals) or "tokens" (quantity tokens).
        decimals: as `HubOptions.decimals`.
        turns: questions in one conversation.

    Raises:
        ConfigError: another form, or no turns.
    """
    if form not in ANSWER_FORMS:
        raise ConfigError("unknown form of answers", form, f"Use {' or '.join(ANSWER_FORMS)}.")
    if turns < 1:
        raise ConfigError("a conversation needs a question", turns, "Use 1 or more.")
    for row in dataset:
        camera = _camera(row)
        pairs = [pair for qa in row["qa"] if (pair := _turn(row, qa, camera, form, decimals)) is not None]
        for start in range(0, len(pairs), turns):
            some = tuple(pairs[start : start + turns])
            yield ChatRecord(f"{row['view_id']}#{start // turns}", row["rgb"]["bytes"], some)


def _camera(row: dict[str, Any]) -> Camera:
    given = row["camera"]
    return Camera(*(given[name] for name in ("width", "height", "fx", "fy", "cx", "cy")))


def _turn(row: dict[str, Any], qa: dict[str, Any], camera: Camera, form: str, decimals: int) -> tuple[str, str] | None:
    """One question with its exact answer; None for what cannot be asked so."""
    family = FAMILIES.get(qa["family"])
    if family is None or family.kind not in (Kind.NUMBER, Kind.PREDICATE):
        return None
    labels = [thing["label"] for thing in row["objects"]]
    subject = _name(labels, qa["subject"], qa["question"])
    reference = None if family.objects == 1 else _name(labels, qa["reference"], qa["question"])
    if subject is None or (family.objects == 2 and reference is None):
        return None
    query, spec = Query(subject, reference, family.relation), RELATIONS[family.relation]
    grammar = NumberGrammar(decimals, signed=spec.signed)
    question = f"{camera_words(camera)} {query_words(query, camera, grammar, form == 'tokens')}"
    if family.kind is Kind.PREDICATE:
        return question, "Yes" if qa["value"] > 0 else "No"
    return question, quantity_token(qa["value"]) if form == "tokens" else grammar.format(qa["value"])


def _name(labels: Sequence[str], index: int, question: str) -> str | None:
    """The name of an object, where it is the only one of that name and the question uses it."""
    if index == CAMERA_OBJECT:
        return CAMERA_NAME
    if not 0 <= index < len(labels):
        return None
    label = labels[index]
    names = [asked_name(other) for other in labels]
    known = names[index] and names.count(names[index]) == 1 and label.lower() in question.lower()
    return label if known else None
