"""A fast and strict YAML 1.2 reader on libyaml's events.

Core schema only: `NO`, `on` and `22:00` stay strings; `null`, `true`, `false`, integers and floats resolve
when plain. Refused: duplicate keys, keys that are no strings, merge keys, tags beyond the core schema,
`%YAML 1.1`, deep nesting and aliases that expand too far. libyaml's `compose` is never called: it recurses in
C and crashes on deep nesting, while events leave the depth to us.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import yaml
from yaml._yaml import CParser
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
    StreamStartEvent,
)

from reconciler.yaml12.document import BROKEN, Document, Fault

MAX_DEPTH: Final = 32  # collections inside collections
MAX_EXPANDED: Final = 10_000  # nodes that the aliases of one file may stand for

_TAG: Final = "tag:yaml.org,2002:"
_LITERALS: Final[dict[str, bool | None]] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_INTEGER: Final = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_MAX_DIGITS: Final = 40
_FIRST_OF_OTHERS: Final = frozenset(["", *"~nNtTfF0123456789+-."])  # no other plain scalar is more than text


class _Stop(Exception):
    """The rest of the document is not read."""

    def __init__(self, message: str, mark: Any) -> None:
        super().__init__(message)
        self.message, self.mark = message, mark


class Reader:
    """Turns events into values and, beside them, marks of the same shape.

    Marks of a scalar: its mark. Of a mapping: `(mark, {key: (mark of the key, marks of the value)})`. Of a
    sequence: `(mark, [marks of the items])`.
    """

    def __init__(self, text: str) -> None:
        self._next: Callable[[], Any] = CParser(text).get_event
        self._began = -1  # where the document at hand began, in characters
        self.fault: Fault | None = None  # why a document broke off
        self.resume: int | None = None  # the first character at which a later document may begin
        self._anchors: dict[str, tuple[Any, Any, int]] = {}
        self._faults: list[Fault] = []
        self._nodes = 0
        self._expanded = 0

    def read(self) -> list[Document]:
        """The documents up to the end, or to the first that breaks off (`fault`)."""
        documents: list[Document] = []
        try:
            while (event := self._next()).__class__ is not StreamEndEvent:
                if event.__class__ is DocumentStartEvent:
                    documents.append(self._document(event))
                elif event.__class__ is not StreamStartEvent:  # pragma: no cover - libyaml's grammar forbids it
                    raise _Stop("a document was expected here", event.start_mark)
        except _Stop as stop:
            self._break(stop.message, stop.mark)
        except yaml.MarkedYAMLError as error:
            problem = error.problem or "this is not YAML"
            self._break(f"this is not YAML: {problem}", error.problem_mark or error.context_mark)
        except yaml.YAMLError:
            self._break("this is not YAML", None)
        return documents

    def _break(self, message: str, mark: Any) -> None:
        place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        self.fault = Fault(message, *place)
        self.resume = max(mark.index, self._began + 1) if mark else None

    def _document(self, start: Any) -> Document:
        self._anchors.clear()
        self._faults = []
        self._began = start.start_mark.index
        if start.version is not None and tuple(start.version) != (1, 2):
            self._fault("the file declares another YAML version: only 1.2 is read", start.start_mark)
        first = self._next()
        value, marks = self._node(first, 0)
        end = self._next()
        if end.__class__ is not DocumentEndEvent:  # pragma: no cover - libyaml's grammar forbids it
            raise _Stop("the document should end here", end.start_mark)
        mark = first.start_mark
        return Document(value, mark.line + 1, mark.column + 1, tuple(self._faults), marks)

    def _node(self, event: Any, depth: int) -> tuple[Any, Any]:
        """The value that begins with `event`, and its marks."""
        before = self._nodes
        self._nodes += 1
        kind = event.__class__
        if kind is ScalarEvent:
            value, marks = self._scalar(event), event.start_mark
        elif kind is AliasEvent:
            return self._alias(event)
        elif depth >= MAX_DEPTH:
            raise _Stop(f"nested more than {MAX_DEPTH} deep", event.start_mark)
        elif kind is MappingStartEvent:
            value, marks = self._mapping(event, depth + 1)
        else:
            value, marks = self._sequence(event, depth + 1)
        if event.anchor is not None:
            self._anchors[event.anchor] = value, marks, self._nodes - before
        return value, marks

    def _mapping(self, start: Any, depth: int) -> tuple[Any, Any]:
        if start.tag is not None:
            self._check_tag(start, "map")
        value: dict[str, Any] = {}
        marks: dict[str, Any] = {}
        step, scalar = self._next, self._scalar
        while (event := step()).__class__ is not MappingEndEvent:
            key = self._key(event, depth)
            first = step()
            if first.__class__ is ScalarEvent and first.anchor is None:  # most values: spares a call
                item, item_marks = scalar(first), first.start_mark
            else:
                item, item_marks = self._node(first, depth)
            if key is None:
                continue
            if key in value:
                self._twice(key, marks[key][0], event.start_mark)
                item = BROKEN
            else:
                marks[key] = event.start_mark, item_marks
            value[key] = item
        self._nodes += 2 * len(value)
        return value, (start.start_mark, marks)

    def _sequence(self, start: Any, depth: int) -> tuple[Any, Any]:
        if start.tag is not None:
            self._check_tag(start, "seq")
        value: list[Any] = []
        marks: list[Any] = []
        step, node = self._next, self._node
        while (event := step()).__class__ is not SequenceEndEvent:
            item, item_marks = node(event, depth)
            value.append(item)
            marks.append(item_marks)
        return value, (start.start_mark, marks)

    def _key(self, event: Any, depth: int) -> str | None:
        """The key, or None after a fault."""
        if event.__class__ is ScalarEvent and event.anchor is None:
            key = self._scalar(event)
        else:
            key, _ = self._node(event, depth)
        if key.__class__ is str:
            if key == "<<" and event.__class__ is ScalarEvent and event.implicit[0]:
                self._fault("merge keys (`<<`) are not part of YAML 1.2: write the fields out", event.start_mark)
                return None
            text: str = key
            return text
        if key is not BROKEN:
            digits = event.__class__ is ScalarEvent and event.value.isdigit()
            hint = " (and a number has no commas: 4000000)" if digits else ""
            self._fault(f"a key must be text: put it in quotes if it is{hint}", event.start_mark)
        return None

    def _twice(self, key: str, first: Any, mark: Any) -> None:
        self._fault(f"{_quoted(key)} stands here twice, first in line {first.line + 1}", mark)

    def _scalar(self, event: Any) -> Any:
        text: str = event.value
        if event.tag is not None:
            return self._tagged(event)
        if not event.implicit[0]:
            return text
        if text[:1] in _FIRST_OF_OTHERS:  # the empty text too
            if text in _LITERALS:
                return _LITERALS[text]
            return self._number(text, event.start_mark)
        return text

    def _number(self, text: str, mark: Any) -> Any:
        if _INTEGER.fullmatch(text):
            if len(text) > _MAX_DIGITS:
                self._fault(f"a number of more than {_MAX_DIGITS} digits: put it in quotes if it is text", mark)
                return BROKEN
            return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
        if _FLOAT.fullmatch(text):
            return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        return text

    def _tagged(self, event: Any) -> Any:
        if event.tag in ("!", _TAG + "str"):
            return event.value
        self._fault("tags are not read here: write a plain or quoted value", event.start_mark)
        return BROKEN

    def _check_tag(self, event: Any, name: str) -> None:
        if event.tag not in (None, "!", _TAG + name):
            self._fault("tags are not read here: write the value without one", event.start_mark)

    def _alias(self, event: Any) -> tuple[Any, Any]:
        if event.anchor not in self._anchors:
            self._fault("this alias stands before (or inside) what it refers to", event.start_mark)
            return BROKEN, event.start_mark
        value, marks, size = self._anchors[event.anchor]
        self._nodes += size
        self._expanded += size
        if self._expanded > MAX_EXPANDED:
            raise _Stop(f"the aliases stand for more than {MAX_EXPANDED:,} values", event.start_mark)
        return value, marks

    def _fault(self, message: str, mark: Any) -> None:
        self._faults.append(Fault(message, mark.line + 1, mark.column + 1))


def _quoted(key: str) -> str:
    shown = key if key.isprintable() else ascii(key)[1:-1]
    return f"`{shown}`" if len(shown) <= 64 else f"`{shown[:64]}…`"
