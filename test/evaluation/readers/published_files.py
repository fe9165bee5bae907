"""Miniature benchmarks, written in the published formats."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
from PIL import Image


def picture_bytes(colour=(200, 30, 40), size=(64, 48), kind="PNG"):
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, kind)
    return buffer.getvalue()


def write_picture(path: Path, colour=(200, 30, 40), size=(64, 48)):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture_bytes(colour, size, "JPEG" if path.suffix == ".jpg" else "PNG"))


def write_lines(path: Path, rows):
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")


def write_video(path: Path, frames=12):
    """Grey frames, brighter from one to the next by 20."""
    import cv2

    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 10, (64, 48))
    assert writer.isOpened()
    for i in range(frames):
        writer.write(np.full((48, 64, 3), 10 + 20 * i, np.uint8))
    writer.release()


def rgpt_row(number, category, question, answer, kind=None, **more):
    kind = kind or ("quantitative" if category.endswith("_data") or category == "direction" else "qualitative")
    return {
        "id": f"row{number}",
        "image_info": {"file_path": "a/0.png", "height": 7, "width": 9},
        "text_q": question,
        "qa_info": {"type": kind, "category": category},
        "conversations": [
            {"from": "human", "value": "<image>\n" + question.replace("Region [0]", "<mask>")},
            {"from": "gpt", "value": answer},
        ],
        "bbox": [[2, 1, 6, 5], [-3, 0, 30, 7]],
        "rle": [{"size": [7, 9], "counts": "?4300000c0M"}],
        **more,
    }


def cv_row(idx, task, choices, answer, **more):
    return {
        "idx": idx,
        "type": "3D",
        "task": task,
        "question": "Which object is nearer?",
        "choices": choices,
        "answer": answer,
        "prompt": "Which object is nearer? (A) ... (B) ...",
        "filename": f"3D/{task.lower()}/{idx}.png",
        "source": "Omni3D",
        "source_dataset": "Omni3D SUNRGBD" if idx % 2 else "Omni3D Hypersim",
        "bbox": [[1, 2, 3, 4]],
        **more,
    }
