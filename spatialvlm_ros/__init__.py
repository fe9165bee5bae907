"""Spatial vision-language models for robots: metres from pictures, and the ROS 2 nodes that serve them."""

from spatialvlm_ros.ros.built_interfaces import built_interfaces

__path__ += built_interfaces()  # spatialvlm_ros.msg, .srv and .action, when `make interfaces` built them
