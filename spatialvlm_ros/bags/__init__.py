"""MCAP / rosbag2 in and out without a ROS installation."""
