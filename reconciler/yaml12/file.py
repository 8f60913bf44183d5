"""A file of YAML documents, as bytes: what it may hold at all, and where a document begins."""

from __future__ import annotations

import re
from typing import Final

from reconciler.yaml12.document import Document, Fault, Reading
from reconciler.yaml12.reader import Reader

MAX_BYTES: Final = 16 * 1024 * 1024  # of one file
MAX_FAULTS: Final = 20  # documents of one file that break off, before the rest of it is not read

# What YAML 1.2 calls printable; the byte order mark is refused too, wherever it stands.
_UNPRINTABLE: Final = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
# A line that begins so begins a document, wherever it stands (YAML 1.2 §9.1.2, c-forbidden).
_MARKER: Final = re.compile(r"(?<![^\n\r\x85\u2028\u2029])---(?![^ \t\n\r\x85\u2028\u2029])")
_LINE_END: Final = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")


def read(data: bytes) -> Reading:
    """Every document of a file, and every fault found. Never raises for what is in the file.

    A document that breaks off hides none after it: reading goes on at the next `---`.
    """
    if len(data) > MAX_BYTES:
        return Reading((), (Fault(f"the file is larger than {MAX_BYTES // 1024 // 1024} MiB", 1, 1),))
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        return Reading((), (_fault_after(before, "the file is not UTF-8 here"),))
    bad = _UNPRINTABLE.search(text)
    if bad is not None:
        what = f"the character U+{ord(bad.group()):04X} may not stand in a manifest"
        return Reading((), (_fault_after(text[: bad.start()], what),))
    documents: list[Document] = []
    faults: list[Fault] = []
    rest: str | None = text
    while rest is not None and len(faults) < MAX_FAULTS:
        reader = Reader(rest)
        documents += reader.read()
        if reader.fault is not None:
            faults.append(reader.fault)
        rest = _from_next_document(rest, reader.resume) if reader.resume is not None else None
    return Reading(tuple(documents), tuple(faults))


def _from_next_document(text: str, index: int) -> str | None:
    """What follows the next marker, below as many empty lines as keep the places right."""
    marker = _MARKER.search(text, index)
    if marker is None:
        return None
    lines = len(_LINE_END.findall(text[: marker.start()]))
    return "\n" * lines + text[marker.start() :]


def _fault_after(before: str, message: str) -> Fault:
    return Fault(message, before.count("\n") + 1, len(before) - before.rfind("\n"))
