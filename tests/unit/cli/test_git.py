"""Which revision the manifests are of, told by git itself."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from reconciler.cli.git import _GIT, Revision, revision


def git(where: Path, *arguments: str) -> str:
    command = ["git", "-C", str(where), "-c", "user.name=t", "-c", "user.email=t@example.test", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def repository(where: Path) -> Path:
    where.mkdir(exist_ok=True)
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


def test_files_of_a_bare_repository_among_the_manifests_run_nothing(tmp_path: Path) -> None:
    """A pull request can carry them as ordinary files; git would find them before the real repository."""
    where = repository(tmp_path / "outer")
    estate = where / "identities"
    estate.mkdir()
    (estate / "trader.yaml").write_text("x: 1\n")
    evil = repository(tmp_path / "evil")
    for name in ("HEAD", "index"):
        shutil.copy(evil / ".git" / name, estate / name)
    for name in ("objects", "refs"):
        shutil.copytree(evil / ".git" / name, estate / name)
    clean = f"sh -c 'touch {tmp_path}/ran; cat'"
    config = f'[core]\n\tbare = false\n\tworktree = .\n[filter "x"]\n\tclean = "{clean}"\n'
    (estate / "config").write_text(config)
    (estate / ".gitattributes").write_text("* filter=x\n")
    git(where, "add", ".")
    git(where, "commit", "-qm", "data only")
    seen = revision(estate, (".",))
    assert not (tmp_path / "ran").exists()
    assert "looks like a bare git repository" in seen.partial
    assert seen.commit is None
    # git's own guard holds too, wherever the files lie
    asked = subprocess.run([*_GIT, "-C", str(estate), "status"], capture_output=True, text=True, check=False)
    assert asked.returncode != 0
    assert not (tmp_path / "ran").exists()


def test_git_is_given_no_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "git"
    script.write_text(f"#!/bin/sh\nenv > {tmp_path}/seen\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("VAULT_TOKEN", "canary")
    revision(tmp_path, (".",))
    assert "GIT_OPTIONAL_LOCKS=0" in (tmp_path / "seen").read_text()
    assert "canary" not in (tmp_path / "seen").read_text()


def test_what_is_gone_and_not_deleted_in_git_is_named(tmp_path: Path) -> None:
    where = repository(tmp_path)
    (where / "traders/anna.yaml").unlink()
    assert revision(where, (".",)).gone == ("traders/anna.yaml",)
    git(where, "rm", "-q", "traders/anna.yaml")
    assert revision(where, (".",)).gone == ()


def test_a_file_that_git_was_told_not_to_look_at_makes_the_tree_dirty(tmp_path: Path) -> None:
    where = repository(tmp_path)
    git(where, "update-index", "--assume-unchanged", "traders/anna.yaml")
    (where / "traders/anna.yaml").write_text("x: 2\n")
    assert revision(where, (".",)).dirty


def test_only_what_is_read_makes_the_tree_dirty(tmp_path: Path) -> None:
    where = repository(tmp_path / "outer")
    estate = where / "identities"
    (estate / "traders").mkdir(parents=True)
    for name in ("idac.yaml", "traders/anna.yaml", "csr.pem"):
        (estate / name).write_text("x: 1\n")
    git(where, "add", ".")
    git(where, "commit", "-qm", "estate")
    clean = Revision(git(where, "rev-parse", "HEAD"))
    for name in ("plan.json", "traders/.anna.yaml.swp", "traders/notes.md", ".idac/root-token", "plans/r.json"):
        (estate / name).parent.mkdir(exist_ok=True)
        (estate / name).write_text("x")
    (where / "README.md").write_text("x")
    assert revision(estate, (".",), {"csr.pem"}) == clean
    for name in ("traders/new/bob.yaml", "a name with spaces.yml"):
        (estate / name).parent.mkdir(exist_ok=True)
        (estate / name).write_text("x: 1\n")
        assert revision(estate, (".",)).dirty
        assert not revision(estate, ("roles/",)).dirty
        (estate / name).unlink()
    for name in ("idac.yaml", "csr.pem"):
        (estate / name).write_text("x: 2\n")
        assert revision(estate, ("traders",), {"csr.pem"}).dirty
        git(where, "checkout", "-q", f"identities/{name}")
    (estate / "traders/anna.yaml").unlink()
    seen = revision(estate, ("traders",))
    assert (seen.dirty, seen.gone) == (True, ("traders/anna.yaml",))


def test_a_broken_index_makes_the_tree_partial(tmp_path: Path) -> None:
    where = repository(tmp_path)
    (where / ".git" / "index").write_bytes(b"nonsense")
    seen = revision(where, (".",))
    assert seen.dirty
    assert "git cannot say" in seen.partial
