"""The ROS 2 room: nodes, parameters, conversions, synchroniser, markers, diagnostics, client."""
