"""Files that are written once, durably, and never written over."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

TEMPORARY = ".tmp-"


def make_directory(path: Path) -> None:
    """The directory, its name durable in its parent."""
    if not path.is_dir():
        path.mkdir(parents=True, exist_ok=True)
        sync_directory(path.parent)


def write_once(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a new file: whole and durable, or not at all.

    Raises `FileExistsError` if the name is taken: `link`, unlike `rename`, replaces nothing.
    """
    temporary = path.parent / f"{TEMPORARY}{secrets.token_hex(8)}"
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        try:
            write_all(file, data)
            os.fsync(file)
        finally:
            os.close(file)
        os.link(temporary, path)
    finally:
        os.unlink(temporary)
    sync_directory(path.parent)


def write_all(file: int, data: bytes) -> None:
    """Every byte, also where the kernel takes only some at a time."""
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
