"""Plays a recording and computes a reward for its pictures; ends with the recording.

ros2 launch spatialvlm_ros reward_bag.launch.py bag:=episode.mcap reward_task:="pick up the apple" reward_gamma:=0.99

`reward_gamma` is the discount of your learner.

Pictures that come faster than the model is are skipped: lower the rate, or use the action annotate_bag, which looks at
every picture.
"""

from pathlib import Path

from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction, Shutdown
from launch_ros.actions import Node

from launch import LaunchDescription
from spatialvlm_ros.ros.launch_arguments import REWARD_BAG_ARGUMENTS, play_command, reward_node

SHARE = Path(__file__).resolve().parent.parent


def start(context):
    """What is started, once the arguments have their values."""
    values = context.launch_configurations
    play = ExecuteProcess(cmd=play_command(values), output="screen", on_exit=Shutdown(reason="the recording ended"))
    return [Node(**reward_node(values, SHARE).keywords()), play]


def generate_launch_description():
    """Called by `ros2 launch`."""
    arguments = [DeclareLaunchArgument(**argument.keywords()) for argument in REWARD_BAG_ARGUMENTS]
    return LaunchDescription([*arguments, OpaqueFunction(function=start)])
