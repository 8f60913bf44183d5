"""Somebody contains people behind our back; whatever the manifests then say, nobody gets any power again.

All of it happens at one firm, to one person each, so that a few runs serve every case.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.firm import Firm, Holder, found
from tests.integration.test_ca_revocation import forged_list
from tests.openbao import Server, log_in

ACTIVE = {"start": "2024-02-01", "status": "active"}


@dataclass(slots=True)
class Ward:
    """The firm, and the people that something happens to."""

    firm: Firm
    holders: dict[str, Holder] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)  # manifests as they were
    plans: dict[str, Any] = field(default_factory=dict)

    # -- what an administrator does in an emergency

    def revoke(self, name: str) -> None:
        serial = self.holders[name].certificate.serial
        self.firm.admin.ok("POST", f"{self.firm.estate.mounts.pki}/revoke", {"serial_number": serial})

    def write_entity(self, name: str, **fields: Any) -> None:
        self.firm.admin.ok("POST", self.entity(name), fields)

    def delete_delivery(self, name: str) -> None:
        path = f"{self.firm.estate.mounts.kv}/metadata/certificates/trader.{name}.mtls"
        self.firm.admin.ok("DELETE", path)

    def refuse_at_login(self, name: str) -> None:
        path = f"auth/{self.firm.estate.mounts.cert}/crls/idac-delta"
        self.firm.admin.ok("POST", path, {"crl": forged_list(self.holders[name].certificate.serial)})

    # -- what the authors of manifests do

    def manifest(self, name: str) -> Path:
        return self.firm.root / f"traders/{name}.yaml"

    def employment(self, name: str, status: str) -> None:
        self.firm.change(name, employment={**ACTIVE, "status": status})

    def rename(self, name: str, new: str, *previously: str, **changed: Any) -> None:
        document = yaml.safe_load(self.manifest(name).read_text())
        self.manifest(name).unlink()
        document["metadata"] = {"name": new, **({"previously": list(previously)} if previously else {})}
        document["spec"].update(changed)
        self.manifest(new).write_text(yaml.safe_dump(document))
        if not (kept := self.firm.home / f"keys/{new}-mtls.key").exists():
            shutil.copy(self.firm.home / f"keys/{name}-mtls.key", kept)

    def break_csr(self, name: str) -> None:
        (self.firm.root / f"csr/{name}-mtls.pem").write_text("garbage\n")

    # -- what is seen afterwards

    def entity(self, name: str) -> str:
        return f"identity/entity/name/{self.firm.estate.prefix}trader.{name}"

    def delivered(self, name: str) -> bool:
        path = f"{self.firm.estate.mounts.kv}/metadata/certificates/trader.{name}.mtls"
        return self.firm.admin.read(path).status == 200

    def powerless(self, name: str) -> bool:
        """No certificate delivered, no entity enabled, no login role, and what the person had is worth nothing."""
        entity = self.firm.admin.read(self.entity(name))
        enabled = entity.status == 200 and not entity.data["disabled"]
        role = self.firm.admin.read(f"auth/{self.firm.estate.mounts.cert}/certs/trader.{name}.mtls").status
        old = self.holders.get(name)
        lives = old is not None and (old.read() != 403 or old.login() < 400)
        return not (self.delivered(name) or enabled or role == 200 or lives)


Act = Callable[[Ward, str], None]


@dataclass(frozen=True, slots=True)
class Case:
    """What happens to one person: an emergency, what the manifests say before the next run, and after it."""

    emergency: Act
    before: Act = lambda ward, name: None
    after: Act = lambda ward, name: None
    names: tuple[str, ...] = ()  # that the person is known by afterwards, besides the first


def revoked(ward: Ward, name: str) -> None:
    ward.revoke(name)


def disabled(ward: Ward, name: str) -> None:
    ward.write_entity(name, disabled=True)


def gone(ward: Ward, name: str) -> None:
    ward.revoke(name)
    ward.delete_delivery(name)


def nothing_left(ward: Ward, name: str) -> None:
    ward.firm.admin.ok("DELETE", ward.entity(name))
    gone(ward, name)


def both(ward: Ward, name: str) -> None:
    disabled(ward, name)
    revoked(ward, name)


def revoked_and_enabled_again(ward: Ward, name: str) -> None:
    disabled(ward, name)
    ward.revoke(name)
    ward.write_entity(name, disabled=False)


def suspend(ward: Ward, name: str) -> None:
    ward.employment(name, "suspended")


def activate(ward: Ward, name: str) -> None:
    ward.employment(name, "active")


def delete(ward: Ward, name: str) -> None:
    ward.manifest(name).unlink()


def restore(ward: Ward, name: str) -> None:
    ward.manifest(name).write_text(ward.texts[name])


def as_another_person(ward: Ward, name: str) -> None:
    """The held person leaves, and somebody with another personId and short code brings the same CSR."""
    text = ward.manifest(name).read_text()
    ward.rename(name, f"{name}-b", personId=f"X{name}", mifid={"shortCode": 77, "piiRef": "vault://pii/persons/x"})
    ward.manifest(name).write_text(text)
    ward.employment(name, "left")


def rename_again(ward: Ward, name: str) -> None:
    """A second rename says only the name before, and brings another key and another personId."""
    ward.firm.key(f"{name}-c")
    credentials = [{"name": "mtls", "profile": "trader-mtls", "key": {"csr": f"csr/{name}-c-mtls.pem"}}]
    ward.rename(f"{name}-b", f"{name}-c", f"{name}-b", personId=f"Y{name}", credentials=credentials)


def replaced(ward: Ward, name: str) -> None:
    """The manifest goes, and the same person comes under another name with another key, all before any run."""
    ward.firm.key(f"{name}-b")
    credentials = [{"name": "mtls", "profile": "trader-mtls", "key": {"csr": f"csr/{name}-b-mtls.pem"}}]
    ward.rename(name, f"{name}-b", credentials=credentials)


CASES: dict[str, Case] = {
    "revoked-suspended": Case(revoked, suspend, activate),
    "disabled-suspended": Case(disabled, suspend, activate),
    "both-deleted": Case(both, delete, restore),
    "renamed-at-once": Case(revoked, lambda w, n: w.rename(n, f"{n}-b", n), names=("b",)),
    "renamed-unsaid": Case(revoked, after=lambda w, n: w.rename(n, f"{n}-b"), names=("b",)),
    "renamed-twice-said": Case(revoked, after=lambda w, n: w.rename(n, f"{n}-b", n, "someone"), names=("b",)),
    "renamed-on": Case(revoked, lambda w, n: w.rename(n, f"{n}-b", n), rename_again, names=("b", "c")),
    "replaced": Case(disabled, replaced, names=("b",)),
    "another-person": Case(revoked, after=as_another_person, names=("b",)),
    "delivery-deleted": Case(gone),
    "nothing-left": Case(nothing_left),
    "refused-at-login": Case(lambda w, n: w.refuse_at_login(n)),
    "broken-csr": Case(revoked_and_enabled_again, lambda w, n: w.break_csr(n)),
    "policies-emptied": Case(lambda w, n: w.write_entity(n, policies=[])),
}  # fmt: skip


@pytest.fixture(scope="module")
def ward(shared_openbao: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    """Everybody joined and logged in; then all emergencies, a run, all second thoughts, and two more runs."""
    firm = found(shared_openbao, tmp_path_factory.mktemp("ward"), removals={"absolute": 99, "percent": 100})
    made = Ward(firm)
    for name in (*CASES, "bystander"):
        firm.trader(name)
        made.texts[name] = made.manifest(name).read_text()
    if firm.admin.read("sys/mounts/desk").status != 200:
        firm.admin.ok("POST", "sys/mounts/desk", {"type": "kv", "options": {"version": "2"}})
    firm.admin.ok("POST", "desk/data/fx/limits", {"data": {"limit": "5"}})
    firm.apply()
    for name in made.texts:
        made.holders[name] = firm.holder(name)
        assert (made.holders[name].login(), made.holders[name].read()) == (200, 200)
    for name, case in CASES.items():
        case.emergency(made, name)
        case.before(made, name)
    made.plans["emergency"] = firm.plan()
    firm.apply(code=None)
    for name, case in CASES.items():
        case.after(made, name)
    made.plans["second thoughts"] = firm.plan()
    firm.apply(code=None)
    firm.apply(code=None)
    yield made


@pytest.mark.parametrize("name", CASES)
def test_nobody_whom_somebody_else_contained_has_power_again(ward: Ward, name: str) -> None:
    for known in (name, *(f"{name}-{more}" for more in CASES[name].names)):
        assert ward.powerless(known), known


def test_every_emergency_is_a_hold_that_says_why(ward: Ward) -> None:
    holds = {c["subject"]: c["reason"] for c in ward.plans["emergency"]["changes"] if c["action"] == "hold"}
    assert {f"trader/{name}" for name in CASES} <= holds.keys()
    assert "trader/bystander" not in holds
    assert "by somebody else" in holds["trader/refused-at-login"]
    assert holds["trader/renamed-at-once-b"].startswith("it was trader/renamed-at-once, which is on hold")


def test_a_hold_that_follows_says_whom_and_how(ward: Ward) -> None:
    holds = {c["subject"]: c["reason"] for c in ward.plans["second thoughts"]["changes"] if c["action"] == "hold"}
    assert holds["trader/renamed-unsaid-b"].startswith("it is the same person (personId ")
    assert holds["trader/renamed-twice-said-b"].startswith("it was trader/renamed-twice-said, which is on hold")
    assert holds["trader/renamed-on-c"].startswith("it was trader/renamed-on-b, which is on hold")
    assert holds["trader/another-person-b"].startswith("it has a key of trader/another-person, which is on hold")


def test_nobody_else_is_touched_and_then_all_is_quiet(ward: Ward) -> None:
    assert ward.holders["bystander"].read() == 200
    assert ward.holders["bystander"].login() == 200
    assert ward.firm.plan()["changes"] == []


def test_no_single_stolen_token_ends_a_hold(ward: Ward) -> None:
    name, kv = "delivery-deleted", ward.firm.estate.mounts.kv
    grant, contain = (log_in(ward.firm.server, ward.firm.estate, who) for who in ("grant", "contain"))
    entity = ward.firm.admin.read(ward.entity(name)).data
    stripped = {k: v for k, v in entity["metadata"].items() if k != "idac_hold"}
    grant.ok("POST", ward.entity(name), {"metadata": stripped})
    said = {"version": "1", "answered": "2999-01-01T00:00:00Z"}
    grant.ok("POST", f"{kv}/metadata/releases/trader.{name}", {"custom_metadata": said})
    for path in (f"{kv}/metadata/holds/trader.{name}", f"{kv}/data/holds/trader.{name}"):
        assert grant.call("DELETE", path).status == contain.call("DELETE", path).status == 403
    assert grant.call("POST", f"{kv}/metadata/holds/trader.{name}", {"custom_metadata": said}).status == 403
    other = "nothing-left"
    contain.ok("POST", f"{kv}/metadata/holds/trader.{other}", {"custom_metadata": {"released": "now", **said}})
    assert contain.call("POST", f"{kv}/metadata/releases/trader.{other}", {"custom_metadata": said}).status == 403
    assert not [c for c in ward.firm.plan()["changes"] if c["phase"] == "grant"]
    ward.firm.apply(code=None)
    assert ward.powerless(name) and ward.powerless(other)
    grant.close()
    contain.close()
