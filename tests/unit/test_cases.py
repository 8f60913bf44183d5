"""Golden manifests give exactly the findings and desired resources that were agreed on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cases.golden import cases, outcome

CASES = list(cases())


@pytest.mark.parametrize("case", CASES, ids=[f"{case.parent.name}/{case.name}" for case in CASES])
def test_a_golden_case_gives_what_was_agreed_on(case: Path, tmp_path: Path) -> None:
    assert outcome(case, tmp_path / "estate") == json.loads((case / "expected.json").read_text())
