"""Which revision of the manifests this is. Asks git; an estate outside git simply has none."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Container, Iterator, Sequence
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


def revision(root: Path, manifests: Sequence[str], referred: Container[str] = ()) -> Revision:
    """The commit of the directory, whether what is read differs from it, and whether files are left out of it.

    Read are idac.yaml, the YAML files below `manifests`, and the `referred` files; all relative to `root`.
    """
    if fake := _bare(root.absolute()):
        return Revision(dirty=True, partial=f"{fake} looks like a bare git repository: it does not belong there")
    asked = _ask(root, "rev-parse", "--show-prefix", "HEAD")
    if asked is None:
        return Revision()
    prefix, commit = asked.splitlines()
    status = _ask(root, "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--", ".")
    listed = _ask(root, "ls-files", "-v", "--", *manifests)
    if status is None or listed is None:
        return Revision(commit, dirty=True, partial="git cannot say whether every manifest is here")
    changed = list(_changed(status, prefix))
    places = tuple(f"{m.strip('/')}/" for m in manifests if m.strip("/") not in ("", "."))
    lines = listed.splitlines()
    # "S": a sparse checkout skips this file. It is not gone, it is only not here.
    skipped = [line for line in lines if line.startswith(("S ", "s "))]
    unwatched = any(line[:1].islower() for line in lines)  # --assume-unchanged: status says nothing about these
    partial = f"a sparse checkout leaves out {len(skipped)} files, {skipped[0][2:]} first" if skipped else ""
    read = [(how, path) for how, path in changed if _is_manifest(path, places)]
    gone = tuple(path for how, path in read if how[1] == "D")
    others = any(path == "idac.yaml" or path in referred for _, path in changed)
    return Revision(commit, bool(read) or others or unwatched, partial, gone)


def _changed(status: str, prefix: str) -> Iterator[tuple[str, str]]:
    """Two letters and a path, relative to the estate's directory, for each file that differs from the commit."""
    for entry in filter(None, status.split("\0")):
        yield entry[:2], entry[3:].removeprefix(prefix)


def _is_manifest(path: str, places: tuple[str, ...]) -> bool:
    """As `load` looks for manifests: YAML files that are not hidden, in the directories that idac.yaml names."""
    hidden = any(part.startswith(".") for part in path.split("/"))
    return path.endswith((".yaml", ".yml")) and not hidden and path.startswith(places or ("",))


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
