"""Finding and reading files below the estate's directory, and none outside it."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_ASIDE = re.compile(r"(.+\.ya?ml)[.~_-].*\Z", re.DOTALL)  # jdoe.yaml.bak, jdoe.yaml~, jdoe.yaml.orig
MAX_DEPTH = 32  # directories inside directories


class Unreadable(Exception):
    """A file or directory that is there but is not read; the text says why, without the path."""


@dataclass(slots=True)
class Root:
    """The estate's directory. Every path is relative to it, with `/`; symlinks may not lead out of it."""

    path: Path
    _real: str = field(init=False)
    _inside: dict[str, bool] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._real = os.path.realpath(self.path)

    def read(self, relative: str, limit: int) -> bytes:
        """The bytes of a regular file. Raises `Unreadable`."""
        try:
            handle = self._open(os.path.join(self._real, relative))
        except OSError as error:
            raise Unreadable(_reason(error)) from None
        try:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                raise Unreadable("it is no regular file")
            if found.st_size > limit:
                raise Unreadable(f"it is larger than {limit // 1024} KiB")
            return _all(handle, found.st_size, limit)
        except OSError as error:
            raise Unreadable(_reason(error)) from None
        finally:
            os.close(handle)

    def holds(self, relative: str) -> bool:
        """Whether the path, links resolved, lies inside."""
        return self._holds(os.path.join(self._real, relative))

    def real(self, relative: str) -> str:
        """The path with links resolved, to know one directory under two names."""
        return os.path.realpath(os.path.join(self._real, relative))

    def _holds(self, full: str) -> bool:
        known = self._inside.get(full)
        if known is None:
            real = os.path.realpath(full)
            known = self._inside[full] = real == self._real or real.startswith(self._real.rstrip("/") + "/")
        return known

    def _open(self, full: str) -> int:
        """A handle to the file, which lies inside even when links lead to it. Never waits for a pipe."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        if self._holds(os.path.dirname(full)):
            try:
                return os.open(full, flags)
            except OSError as error:
                if error.errno != errno.ELOOP:  # a link, that is
                    raise
        if not self._holds(full):
            raise Unreadable("it leads out of the estate's directory")
        return os.open(os.path.realpath(full), flags)


@dataclass(frozen=True, slots=True)
class Entry:
    """A manifest file, what stood in the way of one (`problem`), or one put aside (`instead_of` a name that is
    not there), which is not read."""

    path: str
    problem: str = ""
    instead_of: str = ""


def walk(root: Root, directory: str, skip: frozenset[str]) -> Iterator[Entry]:
    """Every `*.yaml` and `*.yml` below a directory, in order of path.

    Dotfiles, dot-directories, `skip` (real paths) and the estate's own `idac.yaml` are passed over. A link to
    a place outside, or to one that is read anyway, is a problem: it would hide or double manifests.
    """
    yield from _walk(root, directory.strip("/"), skip, set(), 0)


def _walk(root: Root, directory: str, skip: frozenset[str], seen: set[str], depth: int) -> Iterator[Entry]:
    if not root.holds(directory):
        yield Entry(directory, "it leads out of the estate's directory")
        return
    real = root.real(directory)
    if real in seen or depth > MAX_DEPTH:
        yield Entry(directory, "it is read already: this link makes a loop, or the same manifests count twice")
        return
    seen.add(real)
    try:
        entries = sorted(os.scandir(real), key=lambda e: e.name)
    except OSError as error:
        yield Entry(directory, _reason(error))
        return
    names = {entry.name for entry in entries}
    for entry in entries:
        path = f"{directory}/{entry.name}" if directory not in ("", ".") else entry.name
        if not _is_text(entry.name):
            yield Entry(path.encode("utf-8", "backslashreplace").decode(), "its name is not UTF-8")
            continue
        if entry.name.startswith(".") or path == "idac.yaml":
            continue
        aside = _ASIDE.match(entry.name)
        if aside and aside[1] not in names:
            yield Entry(path, instead_of=aside[1])
        else:
            yield from _entry(root, entry, path, skip, seen, depth)


def _entry(
    root: Root, entry: os.DirEntry[str], path: str, skip: frozenset[str], seen: set[str], depth: int
) -> Iterator[Entry]:
    try:
        is_directory = entry.is_dir()
    except OSError as error:
        yield Entry(path, _reason(error))
        return
    if is_directory:
        if root.real(path) not in skip:
            yield from _walk(root, path, skip, seen, depth + 1)
    elif entry.name.endswith((".yaml", ".yml")):
        if entry.is_symlink():
            real = root.real(path)
            if real in seen:
                yield Entry(path, "it is read already, under another name")
                return
            seen.add(real)
        yield Entry(path)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:  # bytes of another encoding, which Python keeps as lone surrogates
        return False
    return True


def _all(handle: int, size: int, limit: int) -> bytes:
    data = b""
    while len(data) <= limit and (more := os.read(handle, max(size + 1 - len(data), 4096))):
        data += more
    if len(data) > limit:
        raise Unreadable(f"it is larger than {limit // 1024} KiB")
    return data


def _reason(error: OSError) -> str:
    return (error.strerror or "it cannot be read").lower()
