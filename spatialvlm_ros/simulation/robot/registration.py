"""Names of the environments for ``gymnasium.make``. This module is the package's ``gymnasium.envs`` entry point."""

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
        # Called as a plugin, Gymnasium puts the names into the namespace by itself.
        scope = registration.current_namespace
        plain = environment_id.split("/", 1)[1] if scope == NAMESPACE else environment_id
        if environment_id not in registration.registry:
            registration.register(id=plain, entry_point=f"{_MODULE}:{name}")
