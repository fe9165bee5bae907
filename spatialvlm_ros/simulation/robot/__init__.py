"""A Franka Panda in simulation: the arm, tasks as Gymnasium environments, and scripted episodes with known outcomes."""
