"""Rotations on top of rotations: of one credential two certificates are good at most, and all are explained."""

from __future__ import annotations

from tests.firm import PROFILE, Firm


def test_a_rotation_within_an_overlap_says_which_certificate_it_ends_and_leaves_no_orphan(firm: Firm) -> None:
    for name in ("anna", "bob", "carl"):
        firm.trader(name)
    firm.apply()
    first = firm.holder("anna").certificate.serial
    firm.manifest("CertificateProfile", "trader-mtls", {**PROFILE, "ttl": "13h"})
    firm.apply(code=0)
    second = firm.holder("anna").certificate.serial
    firm.manifest("CertificateProfile", "trader-mtls", {**PROFILE, "ttl": "14h"})
    plan = firm.plan()
    ended = {s for c in plan["routine"] if c["action"] == "revoke" for s in c["before"]["serials"]}
    assert first in ended and second not in ended and len(ended) == 3
    assert {"superseded again, before its overlap ends"} == {
        c["reason"].rsplit(" ", 1)[0] for c in plan["routine"] if c["action"] == "revoke"
    }
    done = firm.apply(code=0)
    assert not [p for p in done["proofs"] if p["status"] == "failed"]
    revoked = firm.admin.list(f"{firm.estate.mounts.pki}/certs/revoked").keys or []
    assert first in revoked and second not in revoked
    plan = firm.plan()
    assert plan["changes"] + plan["routine"] == []
    assert firm.idac("plan", "--detailed-exitcode", code=0)
