"""Which revision of the manifests this is. Asks git; an estate outside git simply has none."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# Neither hooks nor a file system monitor of the repository under review may run.
_GIT = ("git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "core.quotePath=false")


@dataclass(frozen=True, slots=True)
class Revision:
    """`commit` is None outside git. `partial` says why the working tree is not the whole tree, or is empty."""

    commit: str | None = None
    dirty: bool = False
    partial: str = ""


def revision(root: Path, manifests: Sequence[str]) -> Revision:
    """The commit of the directory, whether manifests differ from it, and whether files are left out of it."""
    commit = _ask(root, "rev-parse", "--verify", "HEAD")
    if commit is None:
        return Revision()
    where = ("--", *manifests)
    status = _ask(root, "status", "--porcelain", "--untracked-files=normal", *where)
    # "S": a sparse checkout skips this file. It is not gone, it is only not here.
    skipped = [line for line in (_ask(root, "ls-files", "-t", *where) or "").splitlines() if line.startswith("S ")]
    partial = f"a sparse checkout leaves out {len(skipped)} files, {skipped[0][2:]} first" if skipped else ""
    return Revision(commit.strip(), bool(status), partial)


def _ask(root: Path, *arguments: str) -> str | None:
    environ = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command; paths stand behind "--"
            [*_GIT, "-C", str(root), *arguments],
            capture_output=True,
            text=True,
            env=environ,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
