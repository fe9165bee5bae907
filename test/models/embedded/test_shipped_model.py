"""The model that comes with the package: small files, the card, and an answer."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tiny import picture

from spatialvlm_ros.models.embedded.folder import read_marker
from spatialvlm_ros.models.embedded.weights import shipped_folder
from spatialvlm_ros.models.spatial_vlm import SpatialVLM

MIB = 2**20


@pytest.fixture(scope="module")
def folder() -> Path:
    return shipped_folder()


def test_no_shard_is_over_16_mib_no_tensor_over_15_and_all_over_48(folder: Path) -> None:
    from safetensors import safe_open

    shards = sorted(folder.glob("*.safetensors"))
    assert shards and not list(folder.glob("*.bin")) and not list(folder.glob("*.pt"))
    assert all(s.stat().st_size <= 16 * MIB for s in shards)
    assert sum(s.stat().st_size for s in shards) <= 48 * MIB
    parameters = 0
    for shard in shards:
        with safe_open(shard, "pt") as file:
            for name in file.keys():  # noqa: SIM118  not a dict
                tensor = file.get_slice(name)
                parameters += int(np.prod(tensor.get_shape()))
                counter = name.endswith("num_batches_tracked")  # of batch normalisation
                assert tensor.get_dtype() == ("I64" if counter else "BF16"), name
                assert 2 * np.prod(tensor.get_shape()) <= 15 * MIB, name
    assert parameters <= 24e6


def test_it_is_an_ordinary_transformers_folder(folder: Path) -> None:
    from transformers import AutoModelForImageTextToText, AutoTokenizer

    model = AutoModelForImageTextToText.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert type(model).__module__.startswith("transformers.")
    assert model.get_input_embeddings().weight.shape[0] == len(tokenizer) <= 8192
    assert model.get_input_embeddings().weight is model.get_output_embeddings().weight


def test_the_calibration_belongs_to_these_weights(folder: Path) -> None:
    model = SpatialVLM.from_pretrained("embedded")  # a calibration of other weights is refused
    assert (folder / "calibration.json").is_file()
    assert model.name == "embedded"


def test_it_answers_with_a_value_or_a_reason() -> None:
    view = SpatialVLM.from_pretrained("embedded").look(picture(640, 480))
    for estimate in (view.measure("mug", "plate"), view.measure("mug", None, "height"), view.measure("unicorn", "mug")):
        assert estimate.valid == np.isfinite(estimate.value)
        assert estimate.valid or str(estimate.reason) != "ok"
    assert str(view.measure("unicorn", "mug").reason) == "unknown_name"
    assert isinstance(view.ask("How far is the mug from the plate?").text, str)


def test_the_card_names_data_licences_and_limits(folder: Path) -> None:
    card = (folder / "README.md").read_text(encoding="utf-8")
    for word in ("CC-BY", "Apache-2.0", "rendered", "Limits", "real cameras"):
        assert word in card
    assert str(read_marker(folder).pictures) in card.replace(",", "")
    assert json.loads((folder / "config.json").read_text())["architectures"] == ["FastVlmForConditionalGeneration"]


def test_asking_step_by_step_says_the_same_and_gives_way_between_words() -> None:
    model = SpatialVLM.from_pretrained("embedded")
    view, other = model.look(picture(640, 480)), model.look(picture(320, 240))
    question = "How tall is the red mug?"
    at_once = view.ask(question, own_words=True)
    steps, count = view.ask_steps(question, own_words=True), 0
    while True:
        try:
            next(steps)
        except StopIteration as end:
            answer = end.value
            break
        count += 1
        other.measure("mug", relation="height")  # in between, as standing queries are
    assert answer.valid and answer.text == at_once.text
    assert count >= len(answer.text.split())


def test_the_frame_of_a_view_is_the_one_that_the_robot_knows() -> None:
    from dataclasses import replace

    model = SpatialVLM.from_pretrained("embedded")
    up = np.array([0.1, -0.8, -0.5]) / np.linalg.norm([0.1, -0.8, -0.5])
    known = model.look(replace(picture(640, 480), up=up)).frame()
    assert known.level == 1 and np.allclose(known.up, up)
    said = model.look(picture(640, 480)).frame()  # the model's own
    assert said.level == 1 and np.isclose(np.linalg.norm(said.up), 1)


def test_where_the_caller_points_the_depth_sensor_is_believed_and_not_the_picture() -> None:
    """A picture of noise is like nothing that the model knows; a wall 1.5 m away is measured all the same."""
    from dataclasses import replace

    from spatialvlm_ros.models.query import Query, Region

    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    rgb = np.kron(noise, np.ones((10, 10, 1), np.uint8))
    wall = replace(picture(640, 480), rgb=rgb, depth=np.full((480, 640), 1.5, np.float32))
    left, right = Region((100, 180, 180, 300)), Region((460, 180, 540, 300))
    view = SpatialVLM.from_pretrained("embedded").look(wall)
    range_, apart, order = view.measure_many(
        [Query(left, "camera", "distance"), Query(left, right, "distance"), Query(left, right, "left")]
    )
    rays = wall.camera.rays([[139.5, 239.5], [499.5, 239.5]])
    assert range_.value == pytest.approx(1.5 * np.linalg.norm(rays[0]), rel=0.1)
    # A patch of a wall has no thickness to complete: what is usual for things shifts its middle a little.
    assert apart.value == pytest.approx(1.5 * np.linalg.norm(rays[0] - rays[1]), rel=0.35)
    assert order.value > 0.9
    assert {str(s) for e in (range_, apart) for s in e.sources} == {"depth_sensor"}
