"""Miniature recordings of each format, written as the programs that record them write them."""

from __future__ import annotations

import json
from pathlib import Path

import av
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spatialvlm_ros.bags.writer import BagWriter
from spatialvlm_ros.geometry.cameras import Camera

FPS = 10
CAMERA = Camera.from_hfov(64, 48, np.radians(60))
FRONT = "observation.images.front"
HUGGINGFACE = {"dtype": "float32", "_type": "Value"}


# ---- LeRobot ----


def write_video(path: Path, pictures, codec: str = "libx264") -> None:
    if codec not in av.codecs_available:
        pytest.skip(f"this build of av does not write {codec}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=FPS)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv444p" if codec == "libx264" else "yuv420p"
        stream.options = {"g": "2", "crf": "3"}  # a key frame every other picture, as these data sets have it
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def _features(kind: str, recorded_rewards: bool) -> dict:
    number = {"dtype": "int64", "shape": [1], "names": None}
    features = {
        "action": {"dtype": "float32", "shape": [2], "names": ["x", "y"]},
        FRONT: {
            "dtype": kind,
            "shape": [48, 64, 3],
            "names": ["height", "width", "channels"],
            "info": {"video.fps": FPS},
        },
        "timestamp": {"dtype": "float32", "shape": [1], "names": None},
        "frame_index": number,
        "episode_index": number,
        "index": number,
        "task_index": number,
    }
    if recorded_rewards:
        features["next.reward"] = {"dtype": "float32", "shape": [1], "names": None}
        features["next.done"] = {"dtype": "bool", "shape": [1], "names": None}
    return features


def _table(number: int, start: int, pictures, kind: str, recorded_rewards: bool) -> pa.Table:
    n = len(pictures)
    columns = {
        "action": pa.FixedSizeListArray.from_arrays(pa.array(np.arange(2 * n, dtype=np.float32) / n), 2),
        "timestamp": pa.array(np.arange(n) / FPS, pa.float32()),
        "frame_index": pa.array(np.arange(n), pa.int64()),
        "episode_index": pa.array(np.full(n, number), pa.int64()),
        "index": pa.array(start + np.arange(n), pa.int64()),
        "task_index": pa.array(np.zeros(n), pa.int64()),
    }
    if kind == "image":
        columns[FRONT] = pa.array([{"bytes": _png(p), "path": None} for p in pictures])
    if recorded_rewards:
        columns["next.reward"] = pa.array(np.arange(n) / 100, pa.float32())
        columns["next.done"] = pa.array(np.arange(n) == n - 1)
    table = pa.table(columns)
    described = {
        name: {"feature": HUGGINGFACE, "length": 2, "_type": "Sequence"}
        if name == "action"
        else {"_type": "Image"}
        if name == FRONT
        else {"dtype": str(table.schema.field(name).type).replace("float", "float32"), "_type": "Value"}
        for name in columns
    }
    return table.replace_schema_metadata({b"huggingface": json.dumps({"info": {"features": described}}).encode()})


def _png(picture) -> bytes:
    import cv2

    return cv2.imencode(".png", picture[..., ::-1])[1].tobytes()


def _stats(table: pa.Table) -> dict:
    actions = np.asarray(table.column("action").to_pylist()) if table.num_rows else np.zeros((1, 2))
    return {
        "action": {
            "min": actions.min(axis=0).tolist(),
            "max": actions.max(axis=0).tolist(),
            "mean": actions.mean(axis=0).tolist(),
            "std": actions.std(axis=0).tolist(),
            "count": [table.num_rows],
        }
    }


def _write_json_lines(path: Path, entries) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))


def _info(version: str, episodes, kind: str, recorded_rewards: bool, paths: dict) -> dict:
    return {
        "codebase_version": version,
        "robot_type": "arm",
        "total_episodes": len(episodes),
        "total_frames": sum(map(len, episodes)),
        "total_tasks": 1,
        "chunks_size": 1000,
        "fps": FPS,
        "splits": {"train": f"0:{len(episodes)}"},
        "features": _features(kind, recorded_rewards),
        **paths,
    }


def write_lerobot_v21(
    root: Path, episodes, task="move the gripper to the apple", kind="video", codec="libx264", recorded_rewards=False
) -> Path:
    """A data set of codebase version 2.1: one Parquet file and one video for each episode."""
    paths = {
        "total_videos": len(episodes),
        "total_chunks": 1,
        "data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
        "video_path": "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4",
    }
    info = _info("v2.1", episodes, kind, recorded_rewards, paths)
    (root / "meta").mkdir(parents=True)
    (root / "meta/info.json").write_text(json.dumps(info, indent=4))
    lines, stats, start = [], [], 0
    for number, pictures in enumerate(episodes):
        table = _table(number, start, pictures, kind, recorded_rewards)
        start += len(pictures)
        path = root / info["data_path"].format(episode_chunk=0, episode_index=number)
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path, compression="snappy")
        if kind == "video" and pictures:
            video = info["video_path"].format(episode_chunk=0, episode_index=number, video_key=FRONT)
            write_video(root / video, pictures, codec)
        lines.append({"episode_index": number, "tasks": [task] if task else [], "length": len(pictures)})
        stats.append({"episode_index": number, "stats": _stats(table)})
    _write_json_lines(root / "meta/episodes.jsonl", lines)
    _write_json_lines(root / "meta/episodes_stats.jsonl", stats)
    _write_json_lines(root / "meta/tasks.jsonl", [{"task_index": 0, "task": task}])
    return root


def write_lerobot_v30(root: Path, episodes, task="move the gripper to the apple", quantiles=True) -> Path:
    """A data set of codebase version 3.0: all episodes in one Parquet file (a row group each) and one video."""
    paths = {
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 200,
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
    }
    info = _info("v3.0", episodes, "video", False, paths)
    (root / "meta/episodes/chunk-000").mkdir(parents=True)
    (root / "meta/info.json").write_text(json.dumps(info, indent=4))
    (root / "data/chunk-000").mkdir(parents=True)
    tables, rows, start = [], [], 0
    for number, pictures in enumerate(episodes):
        tables.append(_table(number, start, pictures, "video", False))
        stats = {**_stats(tables[-1])["action"], **({"q50": [0.5, 0.5]} if quantiles else {})}
        rows.append(
            {
                "episode_index": number,
                "tasks": [task],
                "length": len(pictures),
                "data/chunk_index": 0,
                "data/file_index": 0,
                "dataset_from_index": start,
                "dataset_to_index": start + len(pictures),
                f"videos/{FRONT}/chunk_index": 0,
                f"videos/{FRONT}/file_index": 0,
                f"videos/{FRONT}/from_timestamp": start / FPS,
                f"videos/{FRONT}/to_timestamp": (start + len(pictures)) / FPS,
                **{f"stats/action/{name}": value for name, value in stats.items()},
                "meta/episodes/chunk_index": 0,
                "meta/episodes/file_index": 0,
            }
        )
        start += len(pictures)
    with pq.ParquetWriter(root / "data/chunk-000/file-000.parquet", tables[0].schema, compression="snappy") as writer:
        for table in tables:
            writer.write_table(table)
    write_video(root / f"videos/{FRONT}/chunk-000/file-000.mp4", [p for pictures in episodes for p in pictures])
    pq.write_table(pa.Table.from_pylist(rows), root / "meta/episodes/chunk-000/file-000.parquet")
    tasks = pa.table({"task_index": pa.array([0], pa.int64()), "task": [task]})
    pq.write_table(tasks, root / "meta/tasks.parquet")
    whole = _stats(pa.concat_tables(tables))
    (root / "meta/stats.json").write_text(json.dumps({"action": {**whole["action"], **({"q50": [0.5, 0.5]})}}))
    return root


# ---- robomimic ----


def write_robomimic(path: Path, episodes, next_obs=True, camera_info=None, depth=None, lang=None) -> Path:
    """As robomimic's dataset_states_to_obs writes it; ``episodes`` hold one picture more than actions with next_obs."""
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        total = 0
        for number, pictures in enumerate(episodes):
            demo = data.create_group(f"demo_{number}")
            seen = np.array(pictures[:-1] if next_obs and pictures else pictures, np.uint8).reshape(-1, 48, 64, 3)
            n = len(seen)
            demo.create_dataset("actions", data=np.zeros((n, 7)))
            demo.create_dataset("states", data=np.zeros((n, 3)))
            demo.create_dataset("rewards", data=np.arange(n, dtype=np.float64))
            demo.create_dataset("dones", data=(np.arange(n) == n - 1).astype(np.int64))
            demo.create_dataset("obs/agentview_image", data=seen, chunks=(1, 48, 64, 3) if n else None)
            demo.create_dataset("obs/robot0_eef_pos", data=np.zeros((n, 3)))
            if next_obs:
                after = np.array(pictures[1:], np.uint8).reshape(-1, 48, 64, 3)
                demo.create_dataset("next_obs/agentview_image", data=after)
            if depth is not None:
                demo.create_dataset("obs/agentview_depth", data=np.full((n, 48, 64, 1), depth, np.float32))
            demo.attrs["num_samples"] = n
            demo.attrs["model_file"] = "<mujoco/>"
            if lang:
                demo.attrs["ep_meta"] = json.dumps({"lang": lang})
            if camera_info is not None:
                demo.attrs["camera_info"] = json.dumps(camera_info, indent=4)
            total += n
        data.attrs["total"] = total
        data.attrs["env_args"] = json.dumps({"env_name": "Lift", "env_type": 1, "env_kwargs": {"control_freq": FPS}})
        file.create_dataset("mask/train", data=np.array(["demo_0"], dtype="S8"))
    return path


# ---- bags ----

COLOR, INFO = "/camera/color/image_raw", "/camera/color/camera_info"


def write_bag(path: Path, pictures, camera=CAMERA, start_ns=1_700_000_000_000_000_000, compressed=False) -> Path:
    """A rosbag2 recording of one camera with a topic that nobody here understands the meaning of."""
    with BagWriter(path, compressed=compressed) as bag:
        for k, picture in enumerate(pictures):
            stamp = start_ns + k * 10**9 // FPS
            log = stamp + 5_000_000
            if camera is not None:
                bag.camera_info(INFO, camera, stamp, "camera_optical_frame", log)
            bag.image(COLOR, picture, "rgb8", stamp, "camera_optical_frame", log)
            bag.imu("/imu", (0, 0, 9.8), stamp, "imu", log_ns=log + 1)
    return path
