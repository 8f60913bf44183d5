"""People who sign in at an identity provider, from outside: ID tokens signed by a provider of the test's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.codes import enforcements, enrol
from tests.firm import Firm
from tests.openbao import Server
from tests.signing_in import (
    ACR,
    Person,
    bootstrapped,
    corp,
    firm_with_sign_in,
    hire,
    subject_of,
    tier,
    write,
)
from tests.workloads import UNTIMELY, WorkloadIssuer

pytestmark = pytest.mark.openbao

PEOPLE = (
    "anna",
    "bob",
    "emil",
    "rogue",
    "lent-stranger",
    "lent-subject",
    "gina",
    "hana",
    "heidi",
    "lena",
    "mia-old",
)
LEAVING: dict[str, Any] = {
    "deleted": None,
    "left": {"start": "2024-02-01", "status": "left"},
    "suspended": {"start": "2024-02-01", "status": "suspended"},
}


@pytest.fixture(scope="module")
def provider() -> WorkloadIssuer:
    return corp()


@pytest.fixture(scope="module")
def house(shared_openbao: Server, tmp_path_factory: pytest.TempPathFactory, provider: WorkloadIssuer) -> Firm:
    firm = firm_with_sign_in(shared_openbao, tmp_path_factory.mktemp("people"), provider)
    for name in PEOPLE:
        write(firm, provider, name)
    for how in LEAVING:
        write(firm, provider, f"gone-{how}", credentials=["mtls"])
    firm.apply()
    return firm


def known(house: Firm, provider: WorkloadIssuer, name: str) -> Person:
    """Somebody whom the firm has from the beginning, and whom one test alone is about."""
    return Person(house, provider, name, subject_of(name))


@pytest.fixture(scope="module")
def anna(house: Firm, provider: WorkloadIssuer) -> Person:
    return known(house, provider, "anna")


def test_an_id_token_with_the_tiers_acr_logs_in_and_may_what_the_roles_allow(anna: Person) -> None:
    assert (anna.login(), anna.read(), anna.read("desk/data/rates/limits")) == (200, 200, 403)
    about = anna.call("GET", "auth/token/lookup-self").status
    assert about == 403  # no default policy
    assert anna.firm.plan()["changes"] == []
    shown = anna.firm.idac("show", "trader/anna", code=0).out
    assert "because of sign-in at corp, MFA tier strong" in shown


WRONG: dict[str, dict[str, Any]] = {
    "another acr": {"acr": "pwd"},
    "a part of the acr": {"acr": "ph"},
    "a longer acr": {"acr": "phrh"},
    "the acr in capitals": {"acr": ACR.upper()},
    "no acr": {"acr": None},
    "an empty acr": {"acr": ""},
    "the acr elsewhere": {"acr": None, "claims": {"acr": ACR}},
    "another sub": {"sub": subject_of("bob")},
    "capitals in the sub": {"sub": subject_of("anna").upper()},
    "no sub": {"sub": None},
    "another audience": {"aud": ["another-client"]},
    "no audience": {"aud": None},
    "another issuer": {"iss": "https://elsewhere.test"},
    "no issuer": {"iss": None},
    **UNTIMELY,
}


@pytest.mark.parametrize("wrong", WRONG)
def test_an_id_token_with_one_claim_wrong_or_missing_is_refused(anna: Person, wrong: str) -> None:
    assert anna.login(**WRONG[wrong]) == 400
    assert not anna.token


def test_an_id_token_of_another_key_is_refused(anna: Person) -> None:
    assert anna.login(signer=corp()) == 400


def test_nobody_logs_in_as_somebody_else_or_without_naming_a_role(
    house: Firm, anna: Person, provider: WorkloadIssuer
) -> None:
    bob = known(house, provider, "bob")
    assert bob.login(role=anna.role) == 400
    assert bob.login(role="none") == 400
    assert bob.login() == 200


def test_where_the_tier_names_methods_one_of_them_must_be_among_the_tokens(
    house: Firm, provider: WorkloadIssuer
) -> None:
    tier(house, "keyed", amr=["sc", "hwk"])
    carla = hire(house, provider, "carla", mfaTier="keyed")
    assert (carla.login(), carla.login(amr=["pwd", "sc"]), carla.login(amr="hwk")) == (200, 200, 200)
    for amr in (["pwd", "otp"], [], None, "pwd", ["HWK"]):
        assert carla.login(amr=amr) == 400
    assert carla.login(acr=None) == 400
    assert house.plan()["changes"] == []


def test_another_acr_ends_who_came_in_by_the_old_one_and_is_a_grant(house: Firm, provider: WorkloadIssuer) -> None:
    tier(house, "rising")
    dora = hire(house, provider, "dora", mfaTier="rising")
    assert (dora.login(), dora.read()) == (200, 200)
    tier(house, "rising", aal=2, acr="phrh")
    steps = [(c["phase"], c["action"], c["address"]) for c in house.plan()["changes"]]
    login = "vault.login/trader/dora/corp.sign-in"
    assert steps == [
        ("contain", "delete", login),
        ("contain", "revoke", "vault.token/trader/dora/corp.sign-in"),
        ("grant", "create", login),
    ]
    (why,) = [c["reason"] for c in house.plan()["changes"] if c["phase"] == "grant"]
    assert why.endswith("another acr or amr is asked for: whoever signed in with the old one must sign in again")
    house.idac("freeze", "--reason", "INC-3", code=0)
    house.apply(code=5)
    assert (dora.read(), dora.login(), replace(dora, acr="phrh").login()) == (403, 400, 400)
    house.idac("thaw", "--reason", "INC-3 closed", "--auto-approve", code=0)
    house.apply()
    assert (dora.login(), replace(dora, acr="phrh").login()) == (400, 200)
    assert house.plan()["changes"] == []


@pytest.mark.parametrize("how", LEAVING)
def test_after_containment_login_and_token_are_dead_within_the_run(
    house: Firm, provider: WorkloadIssuer, how: str
) -> None:
    gone = known(house, provider, f"gone-{how}")
    card = house.holder(gone.name)
    assert (gone.login(), card.login(), gone.read(), card.read()) == (200, 200, 200, 200)
    if LEAVING[how] is None:
        house.leave(gone.name)
    else:
        house.change(gone.name, employment=LEAVING[how])
    done = house.apply()
    proofs = {p["system"]: p["status"] for p in done["proofs"] if p["subject"] == f"trader/{gone.name}"}
    assert {s for s, status in proofs.items() if status == "proved"} >= {
        "vault.entity",
        "vault.login",
        "vault.token",
    }
    assert (gone.read(), card.read(), gone.login(), card.login()) == (403, 403, 400, 400)
    assert house.plan()["changes"] == []


def test_a_person_is_contained_at_once_without_a_manifest_and_comes_back_when_released(
    house: Firm, provider: WorkloadIssuer
) -> None:
    emil = known(house, provider, "emil")
    assert emil.login() == 200
    old = replace(emil)
    for _ in range(2):  # told again it proves again
        done = house.idac("--format", "json", "contain", "trader/emil", "--reason", "INC-4: stolen laptop", code=0)
        assert {p["status"] for p in done.json["proofs"]} == {"proved", "not-covered"}
        assert (old.read(), emil.login()) == (403, 400)
    house.idac("release", "trader/emil", "--reason", "INC-4 closed", "--auto-approve", code=0)
    house.apply()
    assert (old.read(), emil.login(), emil.read()) == (403, 200, 200)


def test_a_hold_follows_the_sign_in_to_another_name_and_personid(house: Firm, provider: WorkloadIssuer) -> None:
    rogue = known(house, provider, "rogue")
    house.idac("contain", "trader/rogue", "--reason", "INC-5", code=0)
    house.leave("rogue")
    honest = replace(rogue, name="honest")
    house.trader("honest", mfaTier="strong", signIn={"provider": "corp", "subject": rogue.sub}, credentials=[])
    house.apply()
    held = {h["subject"]: h["reason"] for h in house.plan()["holds"]}
    assert "its sign-in is that of trader/rogue" in held["trader/honest"]
    assert honest.login() == 400
    house.leave("honest")
    house.apply()


@pytest.mark.parametrize("holder", ["a stranger", "another subject"])
def test_containing_somebody_finds_their_alias_wherever_somebody_moved_it(
    house: Firm, provider: WorkloadIssuer, holder: str
) -> None:
    lent = known(house, provider, f"lent-{holder.rsplit(maxsplit=1)[-1]}")
    there = house.admin
    there.ok("POST", "sys/policies/acl/elsewhere", {"policy": 'path "desk/*" { capabilities = ["read"] }'})
    if holder == "a stranger":
        body = {"name": "stranger-person", "policies": ["elsewhere"]}
        other = there.ok("POST", "identity/entity", body).data["id"]
    else:
        house.trader("plain")  # an entity has one alias on each mount
        house.apply()
        other = there.ok("GET", f"identity/entity/name/{house.estate.prefix}trader.plain").data["id"]
    mount = there.ok("GET", "sys/auth").data[f"{house.estate.mounts.workload('corp')}/"]["accessor"]
    there.ok("POST", "identity/entity-alias", {"name": lent.sub, "canonical_id": other, "mount_accessor": mount})
    there.close()
    assert (lent.login(), lent.read()) == (200, 200)
    through = replace(lent)
    house.idac("contain", f"trader/{lent.name}", "--reason", "INC-6", code=0)
    assert (through.read(), lent.login()) == (403, 400)
    house.apply()


def test_somebody_who_signs_in_no_more_loses_that_login_alone(house: Firm, provider: WorkloadIssuer) -> None:
    fred = hire(house, provider, "fred", credentials=["mtls"])
    card = house.holder("fred")
    assert (fred.login(), card.login()) == (200, 200)
    house.change("fred", signIn=None)
    house.apply()
    assert (fred.read(), fred.login(), card.read(), card.login()) == (403, 400, 200, 200)
    assert house.plan()["changes"] == []


def test_a_sign_in_that_somebody_took_away_by_hand_is_told_and_made_again(
    house: Firm, provider: WorkloadIssuer
) -> None:
    hana = known(house, provider, "hana")
    assert not [f for f in house.plan()["findings"] if f["code"] == "H02"]
    admin = house.admin
    admin.ok("DELETE", f"auth/{house.estate.mounts.workload('corp')}/role/{hana.role}")
    admin.close()
    (told,) = [f["message"] for f in house.plan()["findings"] if f["code"] == "H02"]
    assert told.startswith("trader/hana has no login corp.sign-in although its alias stands")
    house.apply()
    assert hana.login() == 200


def test_another_sub_is_another_login_and_the_old_ones_token_ends(house: Firm, provider: WorkloadIssuer) -> None:
    gina = known(house, provider, "gina")
    assert gina.login() == 200
    house.change("gina", signIn={"provider": "corp", "subject": "00uNew"})
    house.apply()
    assert (gina.read(), gina.login(), replace(gina, sub="00uNew").login()) == (403, 400, 200)
    assert house.plan()["changes"] == []


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "no tier": ({"mfaTier": None}, "signIn needs an mfaTier that idp enforces"),
    "a tier that another enforces": ({"mfaTier": "elsewhere"}, "MFA tier elsewhere is enforced by gateway"),
    "no such provider": (
        {"signIn": {"provider": "crop", "subject": "00uHeidi"}},
        "idac.yaml names no identity provider crop; there is corp",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_sign_in_that_nothing_would_hold_to_a_tier_is_refused_and_takes_nothing(
    house: Firm, provider: WorkloadIssuer, fault: str
) -> None:
    tier(house, "elsewhere", enforcedBy=["gateway"])
    heidi = hire(house, provider, "heidi")
    assert heidi.login() == 200
    spec, words = FAULTS[fault]
    house.change("heidi", **spec)
    found = [f["message"] for f in house.plan()["findings"] if f["subject"] == "trader/heidi"]
    assert [m for m in found if words in m]
    house.apply(code=None)
    assert (heidi.read(), heidi.login()) == (200, 200)
    house.trader("heidi", mfaTier=None, credentials=[])
    house.apply()
    assert heidi.login() == 400


def test_whoever_has_another_name_signs_in_by_that_name_and_by_the_old_one_no_more(
    house: Firm, provider: WorkloadIssuer
) -> None:
    before = known(house, provider, "mia-old")
    assert before.login() == 200
    house.leave("mia-old")
    sign_in = {"provider": "corp", "subject": before.sub}
    metadata = {"previously": ["mia-old"]}
    house.trader("mia-new", mfaTier="strong", signIn=sign_in, credentials=[], metadata=metadata, personId="E-mia")
    house.apply(code=None)
    house.apply()
    after = replace(before, name="mia-new")
    assert (before.login(), after.login(), after.read()) == (400, 200, 200)
    assert house.plan()["changes"] == []


def test_a_slip_in_a_manifest_takes_no_sign_in_away(house: Firm, provider: WorkloadIssuer) -> None:
    lena = known(house, provider, "lena")
    assert lena.login() == 200
    file = house.root / "traders/lena.yaml"
    good = file.read_text()
    file.write_text(good.replace("desk:", "deks:"))
    house.apply(code=None)
    assert (lena.read(), lena.login()) == (200, 200)
    file.write_text(good)
    assert house.plan()["changes"] == []


def test_the_plan_says_which_logins_a_tier_of_the_provider_holds_and_which_not(house: Firm, anna: Person) -> None:
    (said,) = [f["message"] for f in house.plan()["findings"] if "MFA tier strong" in f["message"]]
    assert said.startswith("MFA tier strong must be enforced by idp: idac says so, and cannot check it; ")
    assert "Vault refuses ID tokens of its" in said and "with signIn that lack acr phr;" in said
    assert "certificates pass no provider" in said


def test_a_key_set_that_is_lost_bars_those_who_sign_in_and_nobody_else(
    house: Firm, provider: WorkloadIssuer, anna: Person
) -> None:
    file = house.root / "keys/corp.json"
    good = file.read_text()
    file.unlink()
    house.trader("iris")
    house.trader("jack", mfaTier="strong", signIn={"provider": "corp", "subject": "00uJack"}, credentials=[])
    house.apply(code=3)
    assert house.holder("iris").login() == 200
    assert anna.login() == 200  # loses nothing
    assert Person(house, provider, "jack", "00uJack").login() == 400
    house.idac("contain", "trader/iris", "--reason", "INC-9", code=0)
    file.write_text(good)
    house.apply()
    assert Person(house, provider, "jack", "00uJack").login() == 200


def test_a_provider_that_is_new_is_missed_until_bootstrap_has_laid_its_mount(
    house: Firm, provider: WorkloadIssuer
) -> None:
    file = house.root / "idac.yaml"
    before = file.read_text()
    document = yaml.safe_load(before)
    more = {**document["spec"]["identityProviders"][0], "name": "second"}
    document["spec"]["identityProviders"].append(more)
    file.write_text(yaml.safe_dump(document))
    found = [f["message"] for f in house.plan()["findings"] if f["code"] in ("F02", "F04")]
    assert [m for m in found if m.startswith("idac.yaml names identity provider second, which")] == found
    bootstrapped(house)
    assert not [f for f in house.plan()["findings"] if f["code"] in ("F02", "F04")]
    admin = house.admin
    path = f"auth/{house.estate.mounts.workload('second')}/config"
    admin.ok("POST", path, {**admin.ok("GET", path).data, "bound_issuer": "https://elsewhere.test"})
    admin.close()
    found = [f["message"] for f in house.plan()["findings"] if f["code"] == "F02"]
    assert [m for m in found if "bound_issuer" in m]
    file.write_text(before)
    bootstrapped(house)


def test_a_tier_of_the_provider_and_of_vault_asks_for_the_acr_and_for_the_code(
    openbao: Server, tmp_path: Path, provider: WorkloadIssuer
) -> None:
    firm = firm_with_sign_in(openbao, tmp_path, provider)
    tier(firm, "both", methods=["totp"], enforcedBy=["vault", "idp"])
    kim = hire(firm, provider, "kim")
    assert (kim.login(), kim.read()) == (200, 200)
    firm.change("kim", mfaTier="both")  # the same acr: the login stands, and whoever came in without a code goes
    firm.apply()
    assert kim.read() == 403
    assert (kim.login(acr="pwd"), kim.asked) == (400, {})
    assert kim.login() == 200
    assert not kim.token and kim.asked  # a code is asked for, in the place of a token
    telephone = enrol(firm, "kim", "both")
    body = {"mfa_request_id": kim.asked["mfa_request_id"], "mfa_payload": {telephone.method: ["000000"]}}
    assert kim.call("POST", "sys/mfa/validate", body).status == 403
    assert kim.login() == 200
    body = {"mfa_request_id": kim.asked["mfa_request_id"], "mfa_payload": {telephone.method: [telephone.code()]}}
    answer = kim.call("POST", "sys/mfa/validate", body)
    kim.token = answer.body["auth"]["client_token"]
    assert kim.read() == 200
    firm.leave("kim")
    firm.apply()
    assert kim.read() == 403
    admin = firm.admin
    for name in enforcements(firm):  # the server is shared, and a login looks at every enforcement
        admin.ok("DELETE", f"identity/mfa/login-enforcement/{name}")
    admin.close()
