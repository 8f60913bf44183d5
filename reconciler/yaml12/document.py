"""What reading a YAML file gives: documents, faults, and where everything stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

Path = Sequence[str | int]
Place = tuple[int, int]  # line and column, from 1

BROKEN: Final = object()  # stands where a fault left no value


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a file at one place. Never quotes a value."""

    message: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Document:
    """One document. With `faults`, `value` is what could be told and holds `BROKEN` where it could not."""

    value: Any
    line: int
    column: int
    faults: tuple[Fault, ...]
    marks: Any = field(repr=False)

    def value_at(self, path: Path) -> Place:
        """Line and column of the value at `path`, or of its nearest parent that exists."""
        return _locate(self.marks, path, key=False)

    def key_at(self, path: Path) -> Place:
        """Line and column of the key that names the value at `path`; of the value itself within a list."""
        return _locate(self.marks, path, key=True)


@dataclass(frozen=True, slots=True)
class Reading:
    """A file's documents. Each of `faults` ended the reading of one: then documents may be missing."""

    documents: tuple[Document, ...]
    faults: tuple[Fault, ...] = ()


def _locate(marks: Any, path: Path, *, key: bool) -> Place:
    mark = marks[0] if isinstance(marks, tuple) else marks
    for step in path:
        if not isinstance(marks, tuple):
            break
        children = marks[1]
        if isinstance(children, dict) and step in children:
            key_mark, marks = children[step]
        elif isinstance(children, list) and isinstance(step, int) and 0 <= step < len(children):
            key_mark = marks = children[step]
        else:
            break
        own = marks[0] if isinstance(marks, tuple) else marks
        key_mark = key_mark[0] if isinstance(key_mark, tuple) else key_mark
        mark = key_mark if key else own
    return mark.line + 1, mark.column + 1
