"""Messages of this package in recordings, without ROS."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from spatialvlm_ros.bags import messages
from spatialvlm_ros.bags.own_messages import OWN_MESSAGES, full_typestore
from spatialvlm_ros.bags.reader import open_bag
from spatialvlm_ros.bags.writer import BagWriter
from spatialvlm_ros.errors import SourceError
from spatialvlm_ros.models.estimate import Reason, Source
from spatialvlm_ros.ros.from_messages import estimates_from
from spatialvlm_ros.scenes.relations import Relation

ROOT = Path(__file__).resolve().parents[2]
ARRAY = "spatialvlm_ros/msg/EstimateArray"


def estimates(stamp_ns: int) -> bytes:
    """What comes over the wire, of one estimate."""
    store, header = full_typestore(), messages.header(stamp_ns, "camera")
    nan = float("nan")
    estimate = store.types["spatialvlm_ros/msg/Estimate"](
        header=header, subject="Schüssel", reference="mug", relation="left_diff", value=-0.25, std=0.02,
        shared_std=0.0, interval_low=-0.3, interval_high=-0.2, unit="m", rate=0.125, rate_std=nan,
        sources=["tf", "depth_sensor"], valid=True, reason="ok", detail="",
    )  # fmt: skip
    return bytes(store.serialize_cdr(store.types[ARRAY](header=header, estimates=[estimate]), ARRAY))


def test_all_messages_of_the_package_are_known() -> None:
    assert set(OWN_MESSAGES) == {path.stem for path in (ROOT / "msg").glob("*.msg")}
    types = full_typestore().types
    assert all(f"spatialvlm_ros/msg/{name}" in types for name in OWN_MESSAGES) and messages.IMAGE in types


def test_what_came_over_the_wire_is_read_back(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag", compressed=True) as bag:
        for number in range(3):
            bag.write_serialized("/vlm/distances", ARRAY, estimates(5_000_000_007 + number), 10 + number)
        with pytest.raises(SourceError, match="unknown message type"):
            bag.write_serialized("/other", "somebody/msg/Else", b"", 0)
        with pytest.raises(SourceError, match="another type"):
            bag.write_serialized("/vlm/distances", messages.IMAGE, b"", 0)
    # A single file, without the metadata beside it, holds all there is to know.
    (file,) = (tmp_path / "bag").glob("*.mcap")
    reader = open_bag(file.rename(tmp_path / "alone.mcap"))
    assert reader.topics == {"/vlm/distances": ARRAY}
    found = list(reader.messages(reader.topics))
    assert [item.log_ns for item in found] == [10, 11, 12]
    picture = estimates_from(found[2].message)
    (estimate,) = picture.estimates
    assert (picture.stamp_ns, picture.frame_id, picture.rates) == (5_000_000_009, "camera", (0.125,))
    assert (estimate.relation, estimate.subject, estimate.value) == (Relation.LEFT_DIFF, "Schüssel", -0.25)
    assert estimate.sources == {Source.TF, Source.DEPTH_SENSOR} and estimate.reason is Reason.OK
    assert np.isnan(picture.rate_stds).all()


def test_players_are_told_which_topics_are_latched(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as bag:
        bag.write_serialized("/latched", ARRAY, estimates(1), 1, latched=True)
        bag.write_serialized("/plain", ARRAY, estimates(1), 1)
    metadata = yaml.safe_load((tmp_path / "bag/metadata.yaml").read_text())["rosbag2_bagfile_information"]
    profiles = {
        entry["topic_metadata"]["name"]: str(entry["topic_metadata"]["offered_qos_profiles"])
        for entry in metadata["topics_with_message_count"]
    }
    assert re.search(r"durability\W+transient_local", profiles["/latched"])
    assert "transient_local" not in profiles["/plain"]
