"""`idac init`: a newcomer does exactly what it prints, on a machine of their own, and it works."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler import x509
from tests.cli import idac

HERE = Path(__file__).parents[2]


def shell(place: Path, *commands: str) -> subprocess.CompletedProcess[str]:
    """Run commands as somebody would type them, with nothing that leads to another server."""
    environ = {n: v for n, v in os.environ.items() if not n.startswith(("VAULT_", "BAO_"))}
    environ |= {"PATH": f"{Path(sys.executable).parent}:{environ['PATH']}", "PYTHONPATH": str(HERE)}
    script = "set -e\n" + "\n".join(commands)
    return subprocess.run(
        ["/bin/sh", "-c", script], cwd=place, env=environ, capture_output=True, text=True, check=False
    )


@pytest.mark.long
def test_the_printed_commands_take_a_first_trader_in_and_out_again(tmp_path: Path) -> None:
    home = tmp_path / "My firm!"
    made = shell(tmp_path, "idac init 'My firm!'")
    assert made.returncode == 0, made.stderr
    commands = [line.strip() for line in made.stdout.splitlines() if line.startswith("    ")]
    assert commands[0] == "cd 'My firm!'" and commands[-1] == "idac dev down"
    try:
        done = shell(tmp_path, *commands)
    finally:
        shell(home, "idac dev down")
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "Valid: 3 manifests of estate my-firm, 0 warnings." in done.stdout
    assert "= ca.certificate/trader/jdoe/mtls  as desired" in done.stdout
    assert "BEGIN CERTIFICATE" in (home / "jdoe.pem").read_text()
    assert "trader/jdoe leaves and loses everything" in done.stdout
    assert "proved       vault.entity" in done.stdout
    committed = shell(home, "git init -q .", "git add -A", "git ls-files").stdout.split()
    assert "identities/traders/.gitkeep" in committed
    assert not [path for path in committed if ".idac" in path or path.endswith(".key")]


def test_an_estate_without_people_is_valid_and_nothing_is_ever_overwritten(tmp_path: Path) -> None:
    home = tmp_path / "acme-role"
    assert idac(tmp_path, "init", str(home)).code == 0
    assert "metadata: {name: my-firm}" in (home / "identities/idac.yaml").read_text()
    assert idac(home / "identities", "validate").code == 0
    (home / "README.md").write_text("mine")
    again = idac(tmp_path, "init", str(home))
    assert again.code == 3 and "README.md" in again.err and "nothing is overwritten" in again.err
    assert (home / "README.md").read_text() == "mine"
    other = tmp_path / "other"
    other.mkdir()
    (other / ".gitignore").write_text("mine")
    assert idac(tmp_path, "init", str(other)).code == 3
    assert [path.name for path in other.iterdir()] == [".gitignore"]


def test_it_writes_everything_or_nothing_and_names_what_hinders_it(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    half = tmp_path / "half"
    half.mkdir()
    (half / "identities").write_text("a file")
    for name in ("a" * 300, "loop", "loop/below", "half", "half/identities", "new/" + "a" * 300):
        done = idac(tmp_path, "init", str(tmp_path / name))
        assert (done.code, "Traceback" in done.err) == (1, False), name
        assert "cannot write below" in done.err
    assert [path.name for path in half.iterdir()] == ["identities"]
    assert not (tmp_path / "new").exists()


def test_every_example_is_ready_to_be_used_and_only_what_belongs_to_git_is_not_ignored(tmp_path: Path) -> None:
    home, estate = tmp_path / "firm", tmp_path / "firm/identities"
    assert idac(tmp_path, "init", str(home)).code == 0
    folders = {"trader": "traders", "staff": "staff", "device": "devices", "bot": "bots", "tier": "tiers"}
    for file in (home / "examples").iterdir():
        folder = estate / folders.get(file.stem, "profiles")
        folder.mkdir(exist_ok=True)
        shutil.copy(file, folder)
    for name in ("jdoe", "asmith", "jump-01"):
        _, csr = x509.new_key_and_csr(name)
        (estate / f"csr/{name}-mtls.pem").write_text(csr)
    (estate / "issuers").mkdir()
    shutil.copy(HERE / "identities/issuers/spire.jwks.json", estate / "issuers")
    written = (estate / "idac.yaml").read_text()
    lines = [re.sub(r"^  # (?=\w+:$|- |  )", "  ", line) for line in written.splitlines()]
    (estate / "idac.yaml").write_text("\n".join(lines) + "\n")
    checked = idac(estate, "validate")
    assert (checked.code, "Valid: 10 manifests of estate firm, 0 warnings." in checked.out) == (0, True), (
        checked.out
    )
    for name in (
        "plan.json",
        "identities/release.json",
        "thaw.json",
        "jdoe.key",
        "jdoe.pem",
        "identities/jdoe.pem",
    ):
        (home / name).write_text("")
    seen = shell(home, "git init -q .", "git add -A", "git ls-files").stdout.split()
    ignored = [name for name in seen if name.endswith((".json", ".key", ".pem"))]
    kept = ["csr/asmith-mtls.pem", "csr/jdoe-mtls.pem", "csr/jump-01-mtls.pem"]
    kept += ["issuers/spire.jwks.json", "manifest.schema.json"]
    assert sorted(ignored) == [f"identities/{name}" for name in kept]
