"""A pull request that changes what the estate allows says so in its own plan."""

from __future__ import annotations

from reconciler.model.estate import Estate
from reconciler.model.record import PolicyThen
from reconciler.rules.policy import policy_changes
from tests.unit.test_plan import estate


def told(before: Estate, after: Estate) -> list[str]:
    then = PolicyThen("0" * 64, before.policy_document)
    return [f"{f.severity}: {f.message}" for f in policy_changes(then, after)]


def test_each_changed_field_is_named_with_both_values() -> None:
    loose = estate(
        removals={"absolute": 500}, autoApprove=True, removalsPerKind={"trader": {"absolute": 9}}, issuanceCap=200
    )
    (said,) = told(estate(), loose)
    assert said.startswith("warning: the policy changed since the last applied plan: autoApprove false → true, ")
    for words in ("removals.absolute 5 → 500", "removalsPerKind.trader.absolute nothing → 9"):
        assert words in said
    assert "issuanceCap" not in said and "planExpiry" not in said
    assert "removals.absolute 500 → 5" in told(loose, estate())[0]


def test_an_unchanged_policy_and_a_first_run_say_nothing() -> None:
    assert policy_changes(PolicyThen(estate().policy_digest, None), estate()) == ()
    assert policy_changes(None, estate()) == ()


def test_a_policy_that_the_ledger_lost_is_known_by_its_digest() -> None:
    (finding,) = policy_changes(PolicyThen("a" * 64, None), estate())
    assert "sha256:aaaaaaaaaaaaaaaa…" in finding.message
