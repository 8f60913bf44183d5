"""What lies beside idac.yaml is nobody else's."""

from __future__ import annotations

import subprocess
from pathlib import Path

from reconciler.providers.vault.devfiles import alone


def test_nothing_under_the_tools_own_directory_is_ever_added_to_git(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    with alone(tmp_path / "copy/.idac"):
        (tmp_path / "copy/.idac/root-token").write_text("s.canary")
    subprocess.run(["git", "-C", str(tmp_path), "add", "-A"], check=True)
    listed = subprocess.run(["git", "-C", str(tmp_path), "ls-files"], check=True, capture_output=True, text=True)
    assert listed.stdout == ""
    assert not list((tmp_path / "copy/.idac").glob("*.new"))
