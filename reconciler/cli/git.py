"""Which revision of the manifests this is. Asks git; an estate outside git simply has none."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# Nothing of the repository under review may run: no hook, no file system monitor, and no filter of a bare
# repository whose files (HEAD, config, objects/) somebody committed among the manifests.
_GIT = (
    *("git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "core.quotePath=false"),
    *("-c", "safe.bareRepository=explicit"),
)
_ENVIRONMENT = ("PATH", "HOME", "XDG_CONFIG_HOME", "TMPDIR")  # no token is git's business


@dataclass(frozen=True, slots=True)
class Revision:
    """`commit` is None outside git. `partial` says why the working tree is not the whole tree, or is empty.

    `gone` are the files that the commit has and the working tree has not.
    """

    commit: str | None = None
    dirty: bool = False
    partial: str = ""
    gone: tuple[str, ...] = ()


def revision(root: Path, manifests: Sequence[str]) -> Revision:
    """The commit of the directory, whether manifests differ from it, and whether files are left out of it."""
    if fake := _bare(root.absolute()):
        return Revision(dirty=True, partial=f"{fake} looks like a bare git repository: it does not belong there")
    commit = _ask(root, "rev-parse", "--verify", "HEAD")
    if commit is None:
        return Revision()
    where = ("--", *manifests)
    status = _ask(root, "status", "--porcelain", "--untracked-files=normal", *where)
    listed = _ask(root, "ls-files", "-v", *where)
    if status is None or listed is None:
        return Revision(commit.strip(), dirty=True, partial="git cannot say whether every manifest is here")
    lines = listed.splitlines()
    # "S": a sparse checkout skips this file. It is not gone, it is only not here.
    skipped = [line for line in lines if line.startswith(("S ", "s "))]
    unwatched = any(line[:1].islower() for line in lines)  # --assume-unchanged: status says nothing about these
    partial = f"a sparse checkout leaves out {len(skipped)} files, {skipped[0][2:]} first" if skipped else ""
    gone = tuple(line[3:] for line in status.splitlines() if line[1:2] == "D")
    return Revision(commit.strip(), bool(status) or unwatched, partial, gone)


def _bare(root: Path) -> Path | None:
    """A directory that git would take for a bare repository before it finds the real one."""
    for directory in (root, *root.parents):
        if (directory / ".git").exists():
            return None
        if (directory / "HEAD").exists() and (directory / "objects").exists() and (directory / "refs").exists():
            return directory
    return None


def _ask(root: Path, *arguments: str) -> str | None:
    kept = {k: v for k, v in os.environ.items() if k in _ENVIRONMENT or k.startswith("GIT_CONFIG_")}
    environ = {**kept, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
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
