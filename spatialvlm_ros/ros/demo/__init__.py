"""`spatialvlm demo`: the simulated robot, the node and the planner as processes, watched, recorded and explained."""
