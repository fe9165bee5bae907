"""Observation, SceneObject and Scene; the relations: the one definition of every quantity; lifting to 3D."""
