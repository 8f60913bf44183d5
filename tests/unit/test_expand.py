"""What only expanding the whole estate brings to light."""

from __future__ import annotations

import itertools
from datetime import date
from pathlib import Path

import pytest

from reconciler.diff import diff
from reconciler.expand import GRANTING, expand
from reconciler.load import load, load_estate
from reconciler.model.estate import Estate
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Actual, Desired
from reconciler.providers.vault.resources import GRANT_ADDRESS, grant_policy
from reconciler.rules.estate import check
from reconciler.x509 import new_key_and_csr
from tests.unit.world import NOW

TODAY = date(2026, 11, 24)
ESTATE = """\
apiVersion: idac/v1
kind: Estate
metadata: {name: t}
spec: {trustDomain: t.test}
"""
ROLE = """\
---
apiVersion: idac/v1
kind: Role
metadata: {{name: {name}}}
spec: {{}}
"""
STAFF = """\
---
apiVersion: idac/v1
kind: Staff
metadata: {{name: {name}}}
spec:
  personId: {person}
  function: operations
  entityLei: 213800KUD8LAJWSQ9D15
  employment: {{start: 2024-02-01, status: {status}}}
  roles: [{roles}]
  credentials: [{credentials}]
"""


def staff(name: str, *, roles: str = "", credentials: str = "", status: str = "active", person: str = "") -> str:
    person = person or f"E-{name}"
    return STAFF.format(name=name, person=person, status=status, roles=roles, credentials=credentials)


def an_estate(root: Path, *documents: str) -> Estate:
    (root / "idac.yaml").write_text(ESTATE)
    (root / "all.yaml").write_text("".join(documents))
    return load_estate(root / "idac.yaml")


def expanded(estate: Estate) -> Desired:
    return expand(load(estate), estate, TODAY)


def test_too_many_combinations_of_roles_are_an_error_and_leave_the_standing_rules_alone(tmp_path: Path) -> None:
    roles = [f"role{number:02}" for number in range(16)]
    people = list(itertools.combinations(roles, 8))[::100]
    documents = [ROLE.format(name=name) for name in roles]
    documents += [staff(f"s{n}", roles=", ".join(combination)) for n, combination in enumerate(people)]
    estate = an_estate(tmp_path, *documents)
    desired = expanded(estate)
    (finding,) = [f for f in desired.findings if f.code == "X09"]
    assert finding.severity == "error" and finding.subject is None
    assert "more than the 1032192 bytes" in finding.message and "put roles that go together" in finding.message
    assert GRANT_ADDRESS not in desired.resources and GRANTING in desired.frozen
    standing = grant_policy(estate, {"staff": [["role00"]]})
    changes = diff(desired, Actual({standing.address: standing}), NOW)
    assert GRANT_ADDRESS not in {c.address for c in changes}
    assert SubjectRef("staff", "s0") in {c.subject for c in changes}


KEY = "{name: mtls, profile: mtls, key: {csr: one.pem}}"
PROFILE = """\
---
apiVersion: idac/v1
kind: CertificateProfile
metadata: {name: mtls}
spec: {ttl: 24h, renewBefore: 8h, subjectKinds: [Staff]}
"""


@pytest.mark.parametrize(
    ("status", "named"), [("suspended", ["staff/anna", "staff/bella"]), ("left", ["staff/bella"])]
)
def test_a_key_of_somebody_suspended_or_gone_is_nobody_elses(
    tmp_path: Path, status: str, named: list[str]
) -> None:
    (tmp_path / "one.pem").write_text(new_key_and_csr("anna")[1])
    (tmp_path / "two.pem").write_text(new_key_and_csr("carl")[1])
    documents = [PROFILE, staff("anna", credentials=KEY, status=status), staff("bella", credentials=KEY)]
    documents.append(staff("carl", credentials=KEY.replace("one", "two")))
    desired = expanded(an_estate(tmp_path, *documents))
    shared = [f for f in desired.findings if f.code == "X03"]
    assert [f.subject for f in shared] == named
    assert all("staff/anna/mtls, staff/bella/mtls" in f.message for f in shared)


def test_one_person_is_not_two_by_another_spelling_of_their_number(tmp_path: Path) -> None:
    estate = an_estate(
        tmp_path, staff("anna", person="E77"), staff("bella", person="e77"), staff("carl", person="E7")
    )
    found = [f.subject for f in check(load(estate), estate, TODAY) if f.code == "R03"]
    assert found == ["staff/anna", "staff/bella"]
