"""Names of the environments for ``gymnasium.make``; importing `environments` registers them.

Gymnasium 1 looks for no entry points: an environment is known once somebody has registered it.
"""

from __future__ import annotations

NAMESPACE = "spatialvlm_ros"
_MODULE = "spatialvlm_ros.simulation.robot.environments"
_CLASSES = ("PandaReach", "PandaPick", "PandaPlaceIn")


def environment_ids() -> tuple[str, ...]:
    """The registered names."""
    return tuple(f"{NAMESPACE}/{name}-v0" for name in _CLASSES)


def register() -> None:
    """Register the environments with Gymnasium; once is enough, more often does no harm."""
    from gymnasium.envs import registration

    for environment_id, name in zip(environment_ids(), _CLASSES, strict=True):
        if environment_id not in registration.registry:
            registration.register(id=environment_id, entry_point=f"{_MODULE}:{name}")
