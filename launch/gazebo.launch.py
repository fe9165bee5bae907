"""A camera in Gazebo, bridged to ROS, and the node at it. Needs ros_gz_sim and ros_gz_bridge; not run in our tests.

ros2 launch spatialvlm_ros gazebo.launch.py gui:=false
"""

from pathlib import Path

from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription
from spatialvlm_ros.ros.launch_arguments import GAZEBO_ARGUMENTS, gazebo_arguments, gazebo_nodes

SHARE = Path(__file__).resolve().parent.parent


def start(context):
    """What is started, once the arguments have their values."""
    values = context.launch_configurations
    gazebo = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(
            PathJoinSubstitution([FindPackageShare("ros_gz_sim"), "launch", "gz_sim.launch.py"])
        ),
        launch_arguments={"gz_args": gazebo_arguments(values, SHARE), "on_exit_shutdown": "true"}.items(),
    )
    return [gazebo, *(Node(**node.keywords()) for node in gazebo_nodes(values, SHARE))]


def generate_launch_description():
    """Called by `ros2 launch`."""
    arguments = [DeclareLaunchArgument(**argument.keywords()) for argument in GAZEBO_ARGUMENTS]
    return LaunchDescription([*arguments, OpaqueFunction(function=start)])
