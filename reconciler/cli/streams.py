"""Standard streams that do not take everything: a terminal of few letters, a pipe that closes, a full disk."""

from __future__ import annotations

import io
import os
import sys

BROKEN_PIPE = 141  # what a shell reports for SIGPIPE


def prepare() -> None:
    """Letters that a stream's encoding lacks are escaped, not fatal; a stream that was closed takes nothing."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def finish() -> tuple[int, str]:
    """Write what is still held back; an exit code and words for what could not be written, or 0 and nothing."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _let_go()
        return BROKEN_PIPE, ""
    except OSError as error:
        _let_go()
        return 1, f"the output could not be written: {error.strerror}"
    return 0, ""


def _let_go() -> None:
    """Else the interpreter would try again when it ends, and complain in words of its own."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
