"""Findings at a terminal: what must be looked at has a line of its own, what is only counted shares one."""

from __future__ import annotations

from reconciler.model.manifest import Finding, Origin, Tally, Tree
from reconciler.render.document import finding_document
from reconciler.render.findings import findings_text

CLAIM = "declared, not enforced by this version"
TIERS = Finding(
    "R14", "info", f"mfaTier of a: {CLAIM}", None, Origin("a.yaml", 9, 3), Tally(CLAIM, "mfaTier of 1")
)
ROLE = Finding("R04", "error", "there is no Role x", "trader/a", Origin("a.yaml", 12, 5))
ACCESS = Finding("R14", "info", f"owners of r: {CLAIM}", None, Origin("r.yaml", 4, 3), Tally(CLAIM, "owners of 1"))


def test_findings_that_are_only_counted_share_one_line_after_the_others() -> None:
    assert findings_text("firm", Tree(()), [TIERS, ROLE, ACCESS]).splitlines()[:-1] == [
        "a.yaml:12:5: error R04: there is no Role x",
        f"info R14: {CLAIM}: mfaTier of 1, owners of 1 (--format json says where)",
    ]


def test_a_document_says_each_of_them_and_where() -> None:
    assert finding_document(TIERS) == {
        "code": "R14",
        "severity": "info",
        "subject": None,
        "message": f"mfaTier of a: {CLAIM}",
        "file": "a.yaml",
        "line": 9,
        "column": 3,
    }
