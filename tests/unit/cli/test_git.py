"""Which revision the manifests are of, told by git itself."""

from __future__ import annotations

import subprocess
from pathlib import Path

from reconciler.cli.git import Revision, revision


def git(where: Path, *arguments: str) -> str:
    command = ["git", "-C", str(where), "-c", "user.name=t", "-c", "user.email=t@example.test", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def repository(where: Path) -> Path:
    git(where, "init", "-q", "-b", "main")
    for name in ("traders/anna.yaml", "roles/r.yaml"):
        (where / name).parent.mkdir(exist_ok=True)
        (where / name).write_text("x: 1\n")
    git(where, "add", ".")
    git(where, "commit", "-qm", "x")
    return where


def test_outside_git_there_is_no_revision(tmp_path: Path) -> None:
    assert revision(tmp_path, (".",)) == Revision()


def test_a_clean_tree_is_its_commit(tmp_path: Path) -> None:
    where = repository(tmp_path)
    assert revision(where, (".",)) == Revision(git(where, "rev-parse", "HEAD"))


def test_a_deleted_manifest_makes_the_tree_dirty_but_not_partial(tmp_path: Path) -> None:
    where = repository(tmp_path)
    (where / "traders/anna.yaml").unlink()
    seen = revision(where, (".",))
    assert (seen.dirty, seen.partial) == (True, "")


def test_a_sparse_checkout_is_partial(tmp_path: Path) -> None:
    where = repository(tmp_path)
    git(where, "sparse-checkout", "set", "--no-cone", "/roles/")
    seen = revision(where, (".",))
    assert "a sparse checkout leaves out 1 files, traders/anna.yaml first" in seen.partial


def test_a_repositorys_own_hooks_and_monitors_are_not_run(tmp_path: Path) -> None:
    where = repository(tmp_path)
    script = where / "monitor"
    script.write_text(f"#!/bin/sh\ntouch {where}/ran\n")
    script.chmod(0o755)
    git(where, "config", "core.fsmonitor", str(script))
    revision(where, (".",))
    assert not (where / "ran").exists()
