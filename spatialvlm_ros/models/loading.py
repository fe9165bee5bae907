"""Which backend a model specification means: a registry, looked through in order; nothing heavy is imported before."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spatialvlm_ros.errors import ConfigError, MissingDependencyError, ModelError
from spatialvlm_ros.models.backend import Backend
from spatialvlm_ros.models.collector import collector_paused

EMBEDDED = "embedded"
MARKER_FILE = "spatialvlm.json"  # a folder with it holds a model that this package trained

_EMBEDDED_BACKEND = "spatialvlm_ros.models.embedded.backend:EmbeddedBackend.from_pretrained"
_HUB_BACKEND = "spatialvlm_ros.models.hub.backend:HubBackend.from_pretrained"
_REMOTE_BACKEND = "spatialvlm_ros.models.remote.backend:RemoteBackend.from_spec"
_SHIPPED_FOLDER = "spatialvlm_ros.models.embedded.weights:shipped_folder"
_BLOCK = 1 << 22
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")  # with an owner: one word is a name mistyped, or a folder that is not there


@dataclass(frozen=True)
class Loader:
    """One kind of model.

    Attributes:
        kind: for people.
        matches: whether a specification is of this kind.
        target: "module:attribute" that makes the backend from what ``argument`` gives.
        argument: specification -> the first argument of the target.
        folder: specification -> the folder with the weights, or None; the calibration lies there.
        defaults: options that the target gets unless the caller gives them.
    """

    kind: str
    matches: Callable[[str], bool]
    target: str
    argument: Callable[[str], Any] = str
    folder: Callable[[str], Path | None] = lambda spec: None
    defaults: Mapping[str, Any] = field(default_factory=dict)


def _shipped(_: str) -> Path:
    return Path(resolve(_SHIPPED_FOLDER)())


LOADERS: list[Loader] = [
    Loader("embedded", lambda s: s == EMBEDDED, _EMBEDDED_BACKEND, _shipped, _shipped, {"name": EMBEDDED}),
    Loader("remote", lambda s: s.startswith("openai:"), _REMOTE_BACKEND),
    Loader("folder", lambda s: (Path(s) / MARKER_FILE).is_file(), _EMBEDDED_BACKEND, Path, Path),
    Loader("hub folder", lambda s: Path(s).is_dir(), _HUB_BACKEND, str, Path),
    Loader("hub", lambda s: bool(_HUB_ID.fullmatch(s)), _HUB_BACKEND),
]


def find_loader(spec: str) -> Loader:
    """The first loader that knows a specification.

    Raises:
        ModelError: it is neither "embedded", a folder, a hub id nor "openai:URL#model".
    """
    if not isinstance(spec, str) or not spec.strip():
        raise ModelError("a model is given by a string", spec, _FORMS)
    for loader in LOADERS:
        if loader.matches(spec):
            return loader
    raise ModelError("no such model", spec, _FORMS)


_FORMS = 'Pass "embedded", a folder, a hub id such as "org/name", or "openai:URL#model".'


def load_backend(spec: str, **options: Any) -> Backend:
    """The backend of a specification; ``options`` go to it.

    Raises:
        ModelError: it cannot be loaded; other errors of this package as they are.
        ConfigError: an option that this kind of model does not have.
    """
    loader = find_loader(spec)
    make = resolve(loader.target)
    _check_options(loader.kind, make, options)
    backend: Backend = make(loader.argument(spec), **{**loader.defaults, **options})
    folder = loader.folder(spec)
    if folder is not None and not getattr(backend, "fingerprint", ""):
        with contextlib.suppress(AttributeError):  # a backend that takes no attributes goes by its name
            backend.fingerprint = weights_fingerprint(folder)  # type: ignore[attr-defined]
    return backend


def _check_options(kind: str, make: Callable[..., Any], options: Mapping[str, Any]) -> None:
    parameters = list(inspect.signature(make).parameters.values())[1:]
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return  # it checks them itself
    known = [p.name for p in parameters]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ConfigError(f"unknown option of this kind of model ({kind})", unknown[0], f"Known: {', '.join(known)}.")


def weights_fingerprint(folder: Path) -> str:
    """SHA-256 of all weights in a folder, "" where there are none."""
    files = sorted(folder.glob("*.safetensors"))
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    return digest.hexdigest() if files else ""


def fingerprint_of(backend: Backend) -> str:
    """The backend's hash of its weights, or its name where it has none."""
    return str(getattr(backend, "fingerprint", "") or backend.name)


def resolve(target: str) -> Any:
    """ "module:attribute.attribute" -> the object.

    Raises:
        MissingDependencyError: a package that the module needs is not installed.
        ModelError: this installation has no such part.
    """
    module, _, path = target.partition(":")
    try:
        with collector_paused():
            found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("spatialvlm_ros"):
            raise ModelError("this installation has no such kind of model", module, "Install it whole.") from error
        raise MissingDependencyError(
            f"the package {error.name!r} cannot be imported",
            str(error),
            'Install it with: pip install "spatialvlm_ros[models]"',
        ) from error
    for name in path.split("."):
        found = getattr(found, name)
    return found
