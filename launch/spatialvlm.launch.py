"""The node at one camera.

ros2 launch spatialvlm_ros spatialvlm.launch.py image_topic:=/camera/color/image_raw model:=embedded
"""

from pathlib import Path

from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch_ros.actions import Node

from launch import LaunchDescription
from spatialvlm_ros.ros.launch_arguments import NODE_ARGUMENTS, vlm_node

SHARE = Path(__file__).resolve().parent.parent


def start(context):
    """What is started, once the arguments have their values."""
    values = context.launch_configurations
    return [Node(**vlm_node(values, SHARE).keywords())]


def generate_launch_description():
    """Called by `ros2 launch`."""
    arguments = [DeclareLaunchArgument(**argument.keywords()) for argument in NODE_ARGUMENTS]
    return LaunchDescription([*arguments, OpaqueFunction(function=start)])
