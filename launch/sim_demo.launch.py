"""A simulated robot with a camera, the node that measures in its pictures, and a planner that uses the answers.

ros2 launch spatialvlm_ros sim_demo.launch.py sentence:="go to the apple"

Where the robot goes later is said to the planner: a std_msgs/String on /spatialvlm_planner/sentence.
"""

from pathlib import Path

from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch_ros.actions import Node

from launch import LaunchDescription
from spatialvlm_ros.ros.launch_arguments import SIM_DEMO_ARGUMENTS, sim_demo_nodes

SHARE = Path(__file__).resolve().parent.parent


def start(context):
    """What is started, once the arguments have their values."""
    values = context.launch_configurations
    return [Node(**node.keywords()) for node in sim_demo_nodes(values, SHARE)]


def generate_launch_description():
    """Called by `ros2 launch`."""
    arguments = [DeclareLaunchArgument(**argument.keywords()) for argument in SIM_DEMO_ARGUMENTS]
    return LaunchDescription([*arguments, OpaqueFunction(function=start)])
