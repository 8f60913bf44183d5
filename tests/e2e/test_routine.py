"""`idac apply --routine`: what is due by itself is done; whatever needs a review is left."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from reconciler.cli import changes
from reconciler.clock import now
from tests.firm import PROFILE, Firm, Holder


def later(hours: int) -> datetime:
    return now() + timedelta(hours=hours)


def test_renewals_and_ended_overlaps_run_alone_and_everything_else_is_left(
    firm: Firm, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("anna", "bob"):
        firm.trader(name)
    firm.apply()
    first = firm.holder("anna").certificate.serial
    firm.manifest("CertificateProfile", "trader-mtls", {**PROFILE, "ttl": "13h"})
    firm.apply()
    second, bob = firm.holder("anna").certificate.serial, firm.holder("bob")
    assert firm.idac("--format", "json", "apply", "--routine", code=0).json["status"] == "noop"
    firm.trader("carl")
    firm.leave("bob")
    firm.configure(policy={"autoApprove": False, "removals": {"absolute": 0, "percent": 0}, "issuanceCap": 2})
    monkeypatch.setattr(changes, "now", lambda: later(12))
    done = firm.idac("--format", "json", "apply", "--routine", code=0)
    assert "changes need a review, and were left" in done.err
    assert {(o["action"], o["address"]) for o in done.json["outcomes"]} == {
        ("rotate", "ca.certificate/trader/anna/mtls"),
        ("revoke", "ca.certificate/trader/anna/mtls"),
        ("update", "ca.crl"),
    }
    assert {o["routine"] for o in done.json["outcomes"]} == {True}
    third = firm.holder("anna").certificate.serial
    revoked = firm.admin.list(f"{firm.estate.mounts.pki}/certs/revoked").keys
    assert first in revoked and second not in revoked and third not in (first, second)
    assert bob.login() == 200 and working(firm.holder("anna"))
    newest = firm.idac("--format", "json", "records", "list").json["records"][-1]
    assert (newest["purpose"], newest["status"]) == ("routine", "complete")


def working(holder: Holder) -> bool:
    return holder.login() == 200


def test_an_overlap_that_a_reviewed_rotation_would_end_early_waits_for_it(firm: Firm) -> None:
    firm.trader("anna")
    firm.apply()
    for ttl in ("13h", "14h"):
        firm.manifest("CertificateProfile", "trader-mtls", {**PROFILE, "ttl": ttl})
        if ttl == "13h":
            firm.apply()
    assert [c["action"] for c in firm.plan()["routine"]] == ["revoke", "update"]
    assert firm.idac("--format", "json", "apply", "--routine", code=0).json["outcomes"] == []


def test_a_cap_bounds_one_run_and_grants_that_are_stopped_are_stopped_here_too(
    firm: Firm, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("anna", "bob"):
        firm.trader(name)
    firm.apply()
    firm.configure(policy={"routineCap": 1})
    monkeypatch.setattr(changes, "now", lambda: later(11))
    assert len(firm.idac("--format", "json", "apply", "--routine", code=0).json["outcomes"]) == 1
    second = firm.idac("--format", "json", "apply", "--routine", code=0).json
    assert [o["action"] for o in second["outcomes"]] == ["revoke", "update"]  # never without its revocation list
    firm.idac("freeze", "--reason", "INC-9", code=0)
    stopped = firm.idac("--format", "json", "apply", "--routine", code=3).json
    assert [(o["action"], o["status"]) for o in stopped["outcomes"]] == [("rotate", "not-attempted")]
    firm.idac("apply", "--routine", "--auto-approve", code=64)
