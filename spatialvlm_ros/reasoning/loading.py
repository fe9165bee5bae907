"""Who leads the thoughts, by name."""

from __future__ import annotations

from typing import Any

from spatialvlm_ros.models.remote.config import is_remote, parse_remote
from spatialvlm_ros.reasoning.chat_thinker import ChatThinker
from spatialvlm_ros.reasoning.planner.planner import Planner
from spatialvlm_ros.reasoning.task import Thinker

PLANNER = "planner"


def load_thinker(spec: str, calls_tools: bool = False, **options: Any) -> Thinker:
    """The embedded planner, or a language model.

    Args:
        spec: "planner"; "openai:URL#model"; a hub id or the folder of a chat model.
        calls_tools: ask a language model in the tool-call form; else it plays the guessing game in plain lines.
        options: fields of `RemoteConfig` for a server; device, dtype, local_files_only for a model that runs here.

    Raises:
        ConfigError: a malformed spec. ModelError: the model cannot be loaded.
        MissingDependencyError: a package it needs is not installed.
    """
    if spec == PLANNER:
        return Planner()
    if is_remote(spec):
        from spatialvlm_ros.reasoning.llm.openai_chat import OpenAIChat

        return ChatThinker(OpenAIChat(parse_remote(spec, **options), calls_tools))
    from spatialvlm_ros.reasoning.llm.transformers_chat import TransformersChat

    return ChatThinker(TransformersChat(spec, calls_tools, **options))
