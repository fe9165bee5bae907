"""Where the view goes: a terminal that is drawn over, lines one after the other, or nowhere."""

from __future__ import annotations

import shutil
import time
from types import TracebackType
from typing import Protocol, TextIO

from spatialvlm_ros.ros.demo.bars import glyphs_of
from spatialvlm_ros.ros.demo.state import DemoState
from spatialvlm_ros.ros.demo.view import coloured, plain, render, summary_lines

_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"  # the other buffer without a cursor, and back
_HOME, _TO_END_OF_LINE, _TO_END = "\x1b[H", "\x1b[K", "\x1b[J"


class Screen(Protocol):
    """Shows one state after the other; a context manager."""

    def __enter__(self) -> Screen: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, state: DemoState) -> None:
        """The state now."""
        ...


class Terminal:
    """Draws over the last view. The user's own screen comes back at the end, with the last view below it.

    Args:
        out: a terminal.
        colours: whether it may be coloured.
    """

    def __init__(self, out: TextIO, colours: bool = True) -> None:
        self._out, self._colours, self._glyphs = out, colours, glyphs_of(out.encoding)
        self._last: DemoState | None = None

    def __enter__(self) -> Terminal:
        self._write(_ENTER)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._write(_LEAVE)
        if self._last is not None:
            self._write("\n".join(self._lines(self._last)) + "\n")

    def show(self, state: DemoState) -> None:
        """The state now, in the size that the terminal has now."""
        self._last = state
        self._write(_HOME + f"{_TO_END_OF_LINE}\r\n".join(self._lines(state)) + _TO_END_OF_LINE + _TO_END)

    def _lines(self, state: DemoState) -> list[str]:
        columns, rows = shutil.get_terminal_size()
        draw = coloured if self._colours else plain
        return [draw(line) for line in render(state, columns, rows, self._glyphs)]

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


class Lines:
    """Prints a few lines now and then.

    Args:
        out: a file, a pipe, a terminal.
        every_s: between two of them.
    """

    def __init__(self, out: TextIO, every_s: float = 5.0) -> None:
        self._out, self._every_s, self._glyphs = out, every_s, glyphs_of(out.encoding)
        self._next, self._waiting = 0.0, ""

    def __enter__(self) -> Lines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(self, state: DemoState) -> None:
        """The state now, if it is time; what is awaited is said once."""
        if state.waiting:
            if state.waiting == self._waiting:
                return
            self._waiting = state.waiting
        elif time.monotonic() < self._next:
            return
        else:
            self._next = time.monotonic() + self._every_s
        self._out.write("\n".join(summary_lines(state, self._glyphs)) + "\n")
        self._out.flush()


class Nowhere:
    """Shows nothing."""

    def __enter__(self) -> Nowhere:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(self, state: DemoState) -> None:
        """Nothing."""
