"""A test account without a second factor, before anybody is given a login by ID token: Vault must refuse it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.firm import Firm
from tests.openbao import Server
from tests.signing_in import AUDIENCE, ISSUER, Person, configuration, connect, corp, firm_with_sign_in, tier
from tests.workloads import WorkloadIssuer

pytestmark = pytest.mark.openbao

SYSTEM = "vault.sign-in corp"


@pytest.fixture(scope="module")
def provider() -> WorkloadIssuer:
    return corp()


@pytest.fixture(scope="module")
def house(shared_openbao: Server, tmp_path_factory: pytest.TempPathFactory, provider: WorkloadIssuer) -> Firm:
    firm = firm_with_sign_in(shared_openbao, tmp_path_factory.mktemp("probe"), provider)
    connect(firm, provider, identityProviders=[configuration(probe={"env": "TEST_ACCOUNT"})])
    return firm


def account(provider: WorkloadIssuer, **changed: Any) -> str:
    """The ID token of an account that signed in with a password alone."""
    now = int(time.time())
    made = {"iss": ISSUER, "sub": "00uTest", "aud": [AUDIENCE], "iat": now, "exp": now + 300, "amr": ["pwd"]}
    return provider.token({**made, **changed})


def join(house: Firm, provider: WorkloadIssuer, name: str, token: str, code: int) -> tuple[Person, dict[str, str]]:
    """Give somebody a login, with the probe's token at hand; what the run says of the probe."""
    house.trader(name, mfaTier="strong", signIn={"provider": "corp", "subject": f"00u{name}"}, credentials=[])
    house.environ["TEST_ACCOUNT"] = token
    done = house.apply(code=code)
    proofs = {p["system"]: p for p in done["proofs"] if p["subject"] == "mfatier/strong"}
    barred = [o["error"] for o in done["outcomes"] if o["error"]]
    said = {**proofs.get(SYSTEM, {}), "barred": "; ".join(barred)}
    return Person(house, provider, name, f"00u{name}"), said


@pytest.mark.parametrize("lacks", [{}, {"acr": "pwd"}, {"acr": "PHR"}], ids=["no acr", "another", "in capitals"])
def test_logins_are_given_once_the_server_has_refused_the_account(
    house: Firm, provider: WorkloadIssuer, lacks: dict[str, Any]
) -> None:
    name = f"good-{lacks.get('acr', 'none').lower()}"
    person, said = join(house, provider, name, account(provider, **lacks), 0)
    assert said["status"] == "proved"
    assert said["detail"] == "an ID token, good in all else, that does not say /acr phr was refused"
    assert person.login() == 200
    mount = house.estate.mounts.workload("corp")
    admin = house.admin
    assert not [role for role in admin.list(f"auth/{mount}/role").keys if role.startswith("idac-probe")]
    admin.close()
    assert house.plan()["changes"] == []


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a second factor after all": ({"acr": "phr"}, "the test account was let in"),
    "expired": ({"exp": 1, "iat": 0}, "refused for another reason (error validating token"),
    "made for another client": ({"aud": ["x"]}, "refused for another reason (error validating token"),
    "no sub": ({"sub": None}, "is no JWT with a sub"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_nothing_is_given_while_it_is_not_proved(house: Firm, provider: WorkloadIssuer, wrong: str) -> None:
    changed, words = WRONG[wrong]
    person, said = join(house, provider, "barred", account(provider, **changed), 5)
    assert said["status"] == "failed" and words in said["detail"]
    assert "that ID tokens are held to MFA tier strong is not proved" in said["barred"]
    assert person.login() == 400
    house.leave("barred")
    house.apply()


def test_a_role_that_a_killed_run_left_of_the_probe_is_taken_away(house: Firm, provider: WorkloadIssuer) -> None:
    admin = house.admin
    path = f"auth/{house.estate.mounts.workload('corp')}/role/idac-probe.strong"
    admin.ok("POST", path, {"role_type": "jwt", "user_claim": "sub", "bound_subject": "00uTest"})
    addresses = [(c["phase"], c["action"], c["address"]) for c in house.plan()["changes"]]
    assert addresses == [("contain", "delete", "vault.login/unknown/jwt/corp/idac-probe.strong")]
    house.apply()
    assert admin.read(path).status == 404
    admin.close()
    assert house.plan()["changes"] == []


def test_a_token_that_is_nowhere_proves_nothing_and_stops_no_containment(
    house: Firm, provider: WorkloadIssuer
) -> None:
    old, _ = join(house, provider, "old", account(provider), 0)
    assert old.login() == 200
    house.leave("old")
    person, said = join(house, provider, "new", "", 5)
    assert "the environment variable TEST_ACCOUNT" in said["detail"] and said["status"] == "failed"
    assert (old.read(), old.login(), person.login()) == (403, 400, 400)
    house.leave("new")
    house.apply()


def test_without_a_probe_the_proof_claims_the_binding_and_no_more(
    openbao: Server, tmp_path: Path, provider: WorkloadIssuer
) -> None:
    firm = firm_with_sign_in(openbao, tmp_path, provider)
    tier(firm, amr=["hwk", "sc"])
    person, said = join(firm, provider, "anna", "", 0)
    assert said["status"] == "not-covered"
    assert said["detail"].startswith("its logins are bound to /acr phr, /amr hwk or sc; nobody tried an ID token")
    assert person.login() == 200
