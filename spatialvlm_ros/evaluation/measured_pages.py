"""Pages of the documents with tables that a command measures and writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.evaluation.bench import write_file


@dataclass(frozen=True)
class MeasuredPart:
    """The part of a page between two comments that name the command that measures it.

    Attributes:
        command: e.g. "spatialvlm ablate".
    """

    command: str

    @property
    def begin(self) -> str:
        """The comment before the part."""
        return f"<!-- measured by {self.command}: begin -->"

    @property
    def end(self) -> str:
        """The comment behind it."""
        return f"<!-- measured by {self.command}: end -->"

    def read(self, page: str | Path) -> str:
        """What stands there.

        Raises:
            ConfigError: the page cannot be read, or has no such comments.
        """
        return self._parts(Path(page))[1]

    def write(self, page: str | Path, text: str) -> None:
        """Replace what stands there.

        Raises:
            ConfigError: as in `read`.
        """
        path = Path(page)
        before, _, after = self._parts(path)
        write_file(path, f"{before}{self.begin}\n{text}{self.end}{after}".encode())

    def _parts(self, path: Path) -> tuple[str, str, str]:
        try:
            content = path.read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError("the page cannot be read", str(path), str(error)) from error
        before, begin, rest = content.partition(self.begin)
        measured, end, after = rest.partition(self.end)
        if not begin or not end:
            remedy = f"Write {self.begin} and {self.end} into it."
            raise ConfigError("the page has no place for the tables", str(path), remedy)
        return before, measured.removeprefix("\n"), after
