"""A run killed anywhere leaves a ledger that reads, seals and verifies."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.long
def test_a_run_killed_at_any_file_operation_leaves_a_sound_ledger(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.unit.ledger.crash", str(tmp_path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[3])
    for moment, found in json.loads(done.stdout).items():
        assert found["faults"] == [], moment
        assert found["runs"] > 25
        assert found["statuses"]["interrupted"] >= 10
        assert found["statuses"]["complete"] >= 1
