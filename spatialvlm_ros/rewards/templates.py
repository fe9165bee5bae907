"""Finds the task that is meant: a name, a sentence, a file, YAML, or a template with the names of its objects.

task_of("put the apple into the bowl")      # a sentence
task_of("pick_apple")                       # a task that comes with the package
task_of("my_task.yaml")                     # a file, or its text
template("place_in", target="apple", container="white bowl")
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.models.query import is_camera, is_gripper
from spatialvlm_ros.rewards.sentences import meaning_of
from spatialvlm_ros.rewards.task import RewardTask
from spatialvlm_ros.rewards.task_file import build_task
from spatialvlm_ros.rewards.yaml_lines import read_lined
from spatialvlm_ros.shared_files import shared_file

_TASKS, _TEMPLATES = "config/rewards", "config/rewards/templates"
_ONE_OF_EACH = {_TASKS: "pick_apple.yaml", _TEMPLATES: "reach.yaml"}
_FILE_ENDINGS = (".yaml", ".yml")


def task_names() -> tuple[str, ...]:
    """Names of the tasks that come with the package."""
    return _names(_TASKS)


def template_names() -> tuple[str, ...]:
    """Names of the templates."""
    return _names(_TEMPLATES)


def template(name: str, **objects: str) -> RewardTask:
    """The task of a template, e.g. ``template("pick", target="apple")``.

    Raises:
        ConfigError: no such template, or objects that it does not have or lacks.
    """
    return build_task(_filled({"template": name, "objects": objects}, f"the template {name}"), f"the template {name}")


def parse_task(text: str, where: str = "the reward task") -> RewardTask:
    """The task of a YAML text, which may use a template (docs/rewards.md).

    Raises:
        ConfigError: not YAML, or something unknown, missing or contradictory; with line and place.
    """
    return _task(read_lined(text, where), where)


def read_task(path: str | Path) -> RewardTask:
    """The task of a YAML file; raises as `parse_task`, also where it cannot be read."""
    return parse_task(_text(Path(path)), str(path))


def task_of(given: RewardTask | Mapping[str, Any] | str | Path) -> RewardTask:
    """The task that is meant.

    Args:
        given: a `RewardTask`, plain values as in YAML, the path of a YAML file, YAML text, the name of a task that
            comes with the package, or a sentence.

    Raises:
        ConfigError: nothing of all this, or a sentence that no template does; it says what is possible.
    """
    if isinstance(given, RewardTask):
        return given
    if isinstance(given, Mapping):
        return _task(dict(given), "the reward task")
    if isinstance(given, Path):
        return read_task(given)
    if not isinstance(given, str):
        raise ConfigError("this is no reward task", given, "Pass a name, a sentence, a file or YAML.")
    text = given.strip()
    if "\n" in text or text.startswith("{"):
        return parse_task(given)
    if text.lower().endswith(_FILE_ENDINGS):
        return read_task(text)
    if text in task_names():
        return read_task(shared_file(f"{_TASKS}/{text}.yaml"))
    if text in template_names():
        needed = ", ".join(_template_values(text)["objects"])
        raise ConfigError("a template alone is no task", text, f"Name its objects ({needed}), or say it in a sentence.")
    return _of_sentence(text)


def _of_sentence(sentence: str) -> RewardTask:
    if re.fullmatch(r"\w+", sentence):
        raise ConfigError(
            "there is no reward task of that name",
            sentence,
            f"Known: {', '.join(task_names())}; or write a sentence, a file or YAML.",
        )
    meaning = meaning_of(sentence)
    return template(meaning.template, **meaning.objects)


def _names(folder: str) -> tuple[str, ...]:
    there = shared_file(f"{folder}/{_ONE_OF_EACH[folder]}").parent
    return tuple(sorted(path.stem for path in there.glob("*.yaml")))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("cannot read a reward task", str(path), str(error)) from error


def _task(values: Any, where: str) -> RewardTask:
    if isinstance(values, Mapping) and "template" in values:
        values = _filled(values, where)
    return build_task(values, where)


def _template_values(name: object) -> dict[str, Any]:
    if not isinstance(name, str) or name not in template_names():
        raise ConfigError("there is no such template", name, f"Known: {', '.join(template_names())}.")
    path = shared_file(f"{_TEMPLATES}/{name}.yaml")
    values = read_lined(_text(path), str(path))
    return dict(values)


def _filled(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The values of a template with the names of its objects, and with what ``values`` say instead.

    The settings of the success are replaced one by one, everything else as a whole.
    """
    made = _template_values(values["template"])
    objects = values.get("objects") or {}
    if not isinstance(objects, Mapping):
        raise ConfigError(f"{where}, objects: this must be a mapping", objects, "Write objects: {target: apple}.")
    needed = made["objects"]
    if "phases" not in values and set(objects) != set(needed):
        raise ConfigError(
            f"{where}: the template {values['template']} has other objects",
            sorted(objects),
            f"Name all of them and no others: {', '.join(needed)}.",
        )
    changes = {key: value for key, value in values.items() if key != "template"}
    if isinstance(changes.get("success"), Mapping):
        changes["success"] = {**made["success"], **changes["success"]}
    names = {key: str(name) for key, name in objects.items()}
    _check_things(names, where)
    if "instruction" not in changes and set(names) >= set(needed):
        made["instruction"] = made["instruction"].format(**names)
    if "name" not in changes:
        made["name"] = _slug([str(values["template"]), *names.values()])
    return {**made, **changes}


def _check_things(names: Mapping[str, str], where: str) -> None:
    """What is picked, placed or approached is a thing in the picture."""
    for role, given in names.items():
        name = " ".join(given.split())  # as the task will have it
        if is_camera(name) or is_gripper(name):
            meant = "the camera that looks" if is_camera(name) else "the robot's own hand"
            raise ConfigError(
                f"{where}: the {role} is {meant}, not a thing in its picture",
                name,
                "Name the thing with more words, as in: black camera.",
            )


def _slug(words: list[str]) -> str:
    return "_".join(re.sub(r"[^\w]+", "_", word).strip("_") for word in words)
