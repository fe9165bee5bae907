"""The messages of this package for bags: their definitions are read from msg/, ROS is not needed."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from spatialvlm_ros.bags.messages import default_typestore
from spatialvlm_ros.optional import require
from spatialvlm_ros.shared_files import shared_file

if TYPE_CHECKING:
    from rosbags.typesys.store import Typestore

OWN_MESSAGES = (
    "Answer",
    "Conclusion",
    "Estimate",
    "EstimateArray",
    "LocatedObject",
    "LocatedObjectArray",
    "Query",
    "ReasoningStep",
    "Reward",
    "RewardTerm",
)


@functools.cache
def full_typestore() -> Typestore:
    """The types of ROS and those of this package.

    Raises:
        ConfigError: the package is installed without its msg folder.
    """
    typesys = require("rosbags.typesys", "bags")
    store = typesys.get_typestore(typesys.Stores.EMPTY)
    fields = {**default_typestore().fielddefs}
    for name in OWN_MESSAGES:
        text = shared_file(f"msg/{name}.msg").read_text(encoding="utf-8")
        fields.update(typesys.get_types_from_msg(text, f"spatialvlm_ros/msg/{name}"))
    store.register(fields)
    return store
