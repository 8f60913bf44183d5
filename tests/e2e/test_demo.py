"""The demo, as a newcomer runs it: twice, leaving nothing running; and the records it leaves when asked to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli import idac

ROOT = Path(__file__).parent.parent.parent


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("VAULT_", "BAO_"))}
    command = [sys.executable, "-m", "reconciler.cli.main", "demo", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)


def servers() -> set[str]:
    """Command lines of running servers."""
    found = set()
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if "bao server" in line:
            found.add(line)
    return found


@pytest.mark.long
def test_the_demo_shows_a_trader_join_and_leave_and_can_be_run_twice(tmp_path: Path) -> None:
    before = servers()
    first = demo("--keep", str(tmp_path / "demo"))
    assert first.returncode == 0, first.stdout + first.stderr
    for line in (
        "login accepted",
        "trader/dana-demo leaves and loses everything: its manifest was deleted",
        "the open token reads: refused (403)",
        "the open token renews itself: refused (403)",
        "the same certificate logs in: refused (400)",
        "3 records with 3 journals verified",
    ):
        assert line in first.stdout
    assert "failed" not in first.stdout
    again = demo("--keep", str(tmp_path / "demo"))
    assert again.returncode == 3  # it never writes into a directory that holds something
    second = demo()
    assert second.returncode == 0, second.stdout + second.stderr
    assert not {line for line in servers() - before if "idac-demo" in line or str(tmp_path) in line}

    kept = tmp_path / "demo" / "identities"
    listed = idac(kept, "records", "list")
    assert listed.code == 0
    assert len(listed.out.splitlines()) == 3
    assert len(idac(kept, "--format", "json", "records", "list").json["records"]) == 3
    shown = idac(kept, "records", "show", "1")
    assert (shown.code, "trader/dana-demo" in shown.out) == (0, True)
    assert idac(kept, "--format", "json", "records", "show", "1").code == 0
    assert idac(kept, "records", "verify").code == 0
    assert idac(kept, "--format", "json", "records", "verify").code == 0
    status = idac(kept, "dev", "status")
    assert (status.code, "stopped" in status.out) == (1, True)
    assert idac(kept, "dev", "down").code == 0
    record = kept.parent / "plans" / "records" / "000000.dsse.json"
    record.chmod(0o644)
    record.write_bytes(record.read_bytes().replace(b"a", b"b", 1))
    assert idac(kept, "records", "verify").code == 1
