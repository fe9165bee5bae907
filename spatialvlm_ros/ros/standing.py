"""What is asked of every picture, in one value that is replaced as a whole: no thread ever sees half a change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.models.query import ObjectRef, Query, Region, checked_object, is_camera, is_gripper
from spatialvlm_ros.ros.parameters import Settings
from spatialvlm_ros.ros.query_text import read_known_sizes, read_object, read_query
from spatialvlm_ros.ros.reward_work import RewardRequest
from spatialvlm_ros.ros.target_text import target_of


@dataclass(frozen=True)
class Standing:
    """Standing queries, target, known sizes and reward task of one camera.

    Attributes:
        queries: asked of every picture.
        target: name of the object whose pose is published, "" for none.
        known_sizes: name -> (width, depth, height), metres.
        reward: the reward task, None for none.
    """

    queries: tuple[Query, ...] = ()
    target: str = ""
    known_sizes: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    reward: RewardRequest | None = None

    @staticmethod
    def of(settings: Settings) -> Standing:
        """As the parameters say.

        Raises:
            ConfigError: the target is no name and no sentence that names one, or there is no such reward task.
            QueryError: the name of the target is too long.
        """
        queries = tuple(dict.fromkeys(read_query(line) for line in settings.queries))
        target = target_named(settings.target)
        task = settings.reward_task.strip()
        reward = RewardRequest.of(task, settings) if task else None
        return Standing(queries, target, read_known_sizes(settings.known_sizes), reward)

    def with_queries(self, queries: Sequence[Query], append: bool) -> Standing:
        """Other queries, or these besides."""
        return replace(self, queries=tuple(dict.fromkeys([*(self.queries if append else ()), *queries])))

    def with_target(self, name: str) -> Standing:
        """Another target, "" for none."""
        return replace(self, target=name)

    def with_reward(self, reward: RewardRequest | None) -> Standing:
        """Another reward task, or none."""
        return replace(self, reward=reward)

    def all_queries(self) -> tuple[Query, ...]:
        """The standing queries, and behind them those of a reward that takes each picture by itself."""
        asks = self.reward is not None and not self.reward.follow
        return tuple(dict.fromkeys([*self.queries, *(self.reward_queries() if asks else ())]))

    def reward_queries(self) -> tuple[Query, ...]:
        """What the reward task has to know of each picture."""
        return () if self.reward is None else tuple(self.reward.task.queries)

    def objects(self) -> tuple[ObjectRef, ...]:
        """The distinct objects to be located: those of all queries and the target."""
        named = [o for q in (*self.queries, *self.reward_queries()) for o in (q.subject, q.reference) if o is not None]
        if self.target:
            named.append(self.target)
        return tuple(dict.fromkeys(o for o in named if not (is_camera(o) or is_gripper(o))))


def target_named(text: str) -> str:
    """The name of the target that a name or a sentence chooses; "" for none.

    Raises:
        ConfigError: it names no object, pixels, or what is not looked for in pictures.
        QueryError: the name is too long for a question.
    """
    if not text.strip():
        return ""
    if isinstance(read_object(text), Region):
        raise ConfigError("pixels are no target: things move in the picture", text, "Name the object.")
    name = str(checked_object(target_of(text)))
    if is_camera(name) or is_gripper(name):
        raise ConfigError("this is where the robot looks from or grasps with", text, "Name another object.")
    return name
