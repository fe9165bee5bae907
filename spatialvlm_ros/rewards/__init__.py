"""From measured quantities to rewards: task, potential, reward, and the check that shaping is done right."""
