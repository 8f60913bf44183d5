"""Certificates on the real server: issued, compared, renewed, revoked; judged by programs that are not ours."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.clock import rfc3339
from reconciler.errors import Refused, Rejected
from reconciler.model.manifest import SubjectRef
from reconciler.providers.ca import store
from reconciler.providers.ca.resources import READ_ONLY, profile
from reconciler.x509 import join_pem, new_key_and_csr, read_certificate, read_csr
from tests.integration.ca_world import PROFILE, World, a_world
from tests.openbao import Server

pytestmark = pytest.mark.openbao


@pytest.fixture(scope="module")
def shared(shared_openbao: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with a_world(shared_openbao, tmp_path_factory.mktemp("ca-certs")) as made:
        yield made


@pytest.fixture
def world(shared: World) -> Iterator[World]:
    """The shared world with its standard profile and the true time, emptied afterwards."""
    shared.profile, shared.now = PROFILE, lambda: datetime.now(UTC)
    yield shared
    shared.profile, shared.now = PROFILE, lambda: datetime.now(UTC)
    shared.wanted.clear()
    shared.settle()


def openssl(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)


class Files:
    """What a verifier that is not ours needs, in files."""

    def __init__(self, world: World, directory: Path) -> None:
        root, pki = world.estate.mounts.root, world.estate.mounts.pki
        client = world.client
        self.root = self._write(directory / "root.pem", client.fetch(f"{root}/ca/pem"))
        self.issuing = self._write(directory / "issuing.pem", client.fetch(f"{pki}/ca/pem"))
        lists = client.fetch(f"{root}/crl/pem") + b"\n" + client.fetch(f"{pki}/crl/pem")
        self.lists = self._write(directory / "crls.pem", lists)
        self.crl = self._write(directory / "crl.der", client.fetch(f"{pki}/crl"))
        self.directory = directory

    def _write(self, path: Path, content: bytes) -> Path:
        path.write_bytes(content + b"\n" if path.suffix == ".pem" else content)
        return path

    def leaf(self, pem: str) -> Path:
        path = self.directory / f"{read_certificate(pem).serial.replace(':', '')}.pem"
        path.write_text(pem)
        return path

    def verify(self, leaf: Path) -> str:
        checks = ("-crl_check_all", "-CRLfile", self.lists, "-purpose", "sslclient", "-x509_strict")
        done = openssl("verify", "-CAfile", self.root, "-untrusted", self.issuing, *checks, leaf)
        return done.stdout + done.stderr


def revoke_by_hand(world: World, serial: str) -> None:
    world.client.write(f"{world.estate.mounts.pki}/revoke", {"serial_number": serial})


def tamper(world: World, **changed: Any) -> None:
    """Change the PKI role after plan time: the writer of certificates meets it unawares."""
    body = {n: v for n, v in profile(world.estate, world.profile).fields.items() if n != READ_ONLY}
    path = f"{world.estate.mounts.pki}/roles/{world.profile.name}"
    world.client.write(path, {**body, **changed}, tolerate=("",))


# ---- issuing ------------------------------------------------------------------------------------------------


def test_a_certificate_is_issued_once_and_the_second_plan_is_empty(world: World) -> None:
    subject = world.trader("once")
    assert [c.action for c in world.run() if c.subject == subject] == ["create"]
    assert world.plan() == []
    facts = world.facts(subject)
    assert facts["serials"] == [facts["serial"]]
    assert facts["revoked"] == "no"


def test_what_is_delivered_is_the_certificate_with_its_chain(world: World) -> None:
    subject = world.trader("delivered")
    world.settle()
    data = store.delivered(world.client, world.estate, "trader.delivered.mtls")
    assert read_certificate(data["certificate"]).serial == world.facts(subject)["serial"]
    chain = world.client.fetch(f"{world.estate.mounts.pki}/ca/pem").decode()
    assert data["chain"] == join_pem(chain)


def test_a_good_certificate_verifies_and_a_revoked_one_fails_with_error_23(world: World, tmp_path: Path) -> None:
    good, leaver = world.trader("good"), world.trader("leaver")
    world.settle()
    pems = {s: world.pem(world.facts(s)["serial"]) for s in (good, leaver)}
    assert all(": OK" in (files := Files(world, tmp_path)).verify(files.leaf(pem)) for pem in pems.values())
    world.leave(leaver)
    world.settle()
    files = Files(world, tmp_path)
    assert ": OK" in files.verify(files.leaf(pems[good]))
    assert "error 23 at 0 depth" in files.verify(files.leaf(pems[leaver]))


def test_openssl_asks_ocsp_and_hears_good_then_revoked(world: World, tmp_path: Path) -> None:
    subject = world.trader("ocsp")
    world.settle()
    files = Files(world, tmp_path)
    leaf = files.leaf(world.pem(world.facts(subject)["serial"]))

    def ask() -> str:
        request, answer = tmp_path / "request.der", tmp_path / "answer.der"
        made = openssl("ocsp", "-issuer", files.issuing, "-cert", leaf, "-no_nonce", "-reqout", request)
        assert made.returncode == 0, made.stderr
        path, kind = f"{world.estate.mounts.pki}/ocsp", "application/ocsp-request"
        answer.write_bytes(world.client.fetch(path, body=request.read_bytes(), content_type=kind))
        trust = ("-CAfile", files.root, "-verify_other", files.issuing, "-no_nonce")
        done = openssl("ocsp", "-respin", answer, "-issuer", files.issuing, "-cert", leaf, *trust)
        return done.stdout + done.stderr

    assert ": good" in (said := ask()) and "Response verify OK" in said
    world.leave(subject)
    world.settle()
    assert ": revoked" in (said := ask()) and "Response verify OK" in said


def test_pkilint_finds_nothing_but_the_spiffe_uri_it_does_not_know(world: World, tmp_path: Path) -> None:
    subject = world.trader("linted")
    world.settle()
    files = Files(world, tmp_path)
    leaf = files.leaf(world.pem(world.facts(subject)["serial"]))
    assert lint("lint_pkix_cert", "lint", leaf) == ["pkix.invalid_uri_syntax"]
    assert lint("lint_pkix_cert", "lint", files.issuing) == []
    assert lint("lint_pkix_cert", "lint", files.root) == []
    assert lint("lint_crl", "lint", "-t", "CRL", "-p", "PKIX", files.crl) == []
    assert lint("lint_pkix_signer_signee_cert_chain", "lint", files.issuing, leaf) == []


def lint(*arguments: str | Path) -> list[str]:
    """Codes of all findings that are a warning or worse."""
    import json
    import sys

    program = Path(sys.executable).with_name(str(arguments[0]))
    line = [str(program), *map(str, arguments[1:]), "-s", "WARNING", "-f", "JSON"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    results = json.loads(done.stdout)["results"]
    return [f["code"] for r in results for f in r["finding_descriptions"]]


def test_no_certificate_reaches_beyond_the_end_of_employment(world: World) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date()
    world.profile = replace(PROFILE, lifetime=30 * 86_400)
    subject = world.trader("ending", end=tomorrow.isoformat())
    world.settle()
    assert world.facts(subject)["not_after"] <= f"{(tomorrow + timedelta(days=1)).isoformat()}T00:00:00Z"
    world.later(days=1)
    assert [c for c in world.plan() if c.subject == subject] == []


def test_nothing_is_issued_to_somebody_whose_employment_has_ended(world: World) -> None:
    world.settle()
    world.trader("ended", end="2020-01-01")
    (change,) = world.plan()
    with pytest.raises(Refused, match="employment ends 2020-01-01"):
        world.writer().apply(change, {})
    world.wanted.clear()


def test_a_certificate_born_inside_its_renewal_window_is_refused_and_revoked(world: World) -> None:
    world.settle()
    world.trader("loop")
    (change,) = world.plan()
    with pytest.raises(Rejected, match="already due for renewal"):
        world.writer(lambda: rfc3339(datetime.now(UTC) + timedelta(hours=11))).apply(change, {})
    assert live_orphans(world) == []


def live_orphans(world: World) -> list[str]:
    return [a for a in world.actual().resources if "/orphan/" in a]


# ---- a role changed behind the writer's back ----------------------------------------------------------------


HOSTILE: dict[str, tuple[dict[str, Any], str]] = {
    "no_store": ({"no_store": True}, "no_store"),
    "misspelt usage": ({"key_usage": ["digital_signature"]}, "lacks the extension 2.5.29.15"),
    "more usages": ({"key_usage": ["DigitalSignature", "KeyAgreement"]}, "2.5.29.15 is"),
    "server certificates": ({"server_flag": True}, "2.5.29.37 is"),
    "another OU": ({"ou": ["rates"]}, "its subject is"),
    "a policy": ({"policy_identifiers": ["1.2.3.4"]}, "2.5.29.32 is"),
    "back-dated": ({"not_before_duration": 86_400}, "longer than"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_deviating_certificate_is_revoked_and_never_delivered(world: World, name: str) -> None:
    changed, fault = HOSTILE[name]
    world.settle()
    world.trader("hostile")
    (change,) = world.plan()
    tamper(world, **changed)
    issued_before = set(world.client.list(f"{world.estate.mounts.pki}/certs/revoked").keys)

    with pytest.raises(Rejected) as caught:
        world.writer().apply(change, {})

    assert fault in str(caught.value)
    assert not store.read_entry(world.client, world.estate, "trader.hostile.mtls").serial
    revoked = set(world.client.list(f"{world.estate.mounts.pki}/certs/revoked").keys) - issued_before
    assert len(revoked) == 1
    assert revoked <= store.marks(world.client, world.estate).keys()
    assert live_orphans(world) == []
    world.settle()
    assert world.facts(SubjectRef("trader", "hostile"))["revoked"] == "no"


# ---- renewal and rotation -----------------------------------------------------------------------------------


def test_renewal_makes_a_new_certificate_before_it_breaks_the_old(world: World) -> None:
    subject = world.trader("renewed")
    world.settle()
    first = world.facts(subject)
    world.later(hours=9)
    (change,) = world.plan()
    assert (change.action, change.routine) == ("rotate", True)
    world.writer().apply(change, {})
    world.later()
    second = world.facts(subject)
    assert second["serials"] == [second["serial"], first["serial"]]
    assert second["previous"] == first["serial"]
    assert second["key_since"] == first["key_since"]
    assert world.plan() == []


def test_the_old_certificate_is_revoked_when_the_overlap_ends(world: World) -> None:
    subject = world.trader("overlap")
    world.settle()
    first = world.facts(subject)["serial"]
    world.wanted[subject] = new_key_and_csr("ignored")[1]
    assert [(c.action, c.routine) for c in world.run()] == [("rotate", False)]
    assert world.facts(subject)["key_since"] == world.facts(subject)["issued_at"]
    world.later(hours=1.5)
    assert [(c.type, c.action, c.routine) for c in world.run()] == [
        ("ca.certificate", "revoke", True),
        ("ca.crl", "update", True),
    ]
    world.later()
    facts = world.facts(subject)
    assert (facts["serials"], facts["revoked"]) == ([facts["serial"]], "no")
    assert first in world.client.list(f"{world.estate.mounts.pki}/certs/revoked").keys
    assert world.plan() == []


def test_a_rotation_within_the_overlap_of_another_leaves_no_third_certificate_alive(world: World) -> None:
    subject = world.trader("twice")
    world.settle()
    for _ in range(2):
        world.wanted[subject] = new_key_and_csr("ignored")[1]
        world.run()
    assert len(world.facts(subject)["serials"]) == 2
    assert live_orphans(world) == []
    assert world.plan() == []


def test_an_expired_certificate_is_replaced_even_after_the_ca_has_tidied_it(world: World) -> None:
    subject = world.trader("expired")
    world.profile = replace(PROFILE, lifetime=1)
    with_short = [c for c in world.plan() if c.type == "ca.profile"]
    for change in with_short:
        world.writer().apply(change, {})
    body = {
        "csr": world.wanted[subject],
        "common_name": subject.principal,
        "uri_sans": f"spiffe://acme.test/{subject}",
        "ttl": "1s",
    }
    signed = world.client.write(f"{world.estate.mounts.pki}/sign/{PROFILE.name}", body).data
    pem = join_pem(signed["certificate"])
    made = read_certificate(pem)
    world.profile = PROFILE
    said = {
        "subject": str(subject),
        "profile": PROFILE.name,
        "profile_digest": PROFILE.digest,
        "entity": "id-of-expired",
        "spki": read_csr(world.wanted[subject]).spki,
        "issued_at": made.not_before,
        "key_since": made.not_before,
        **{n: getattr(made, n) for n in ("serial", "fingerprint", "not_before", "not_after")},
    }
    data = {"certificate": pem, "chain": pem}
    store.deliver(world.client, world.estate, "trader.expired.mtls", store.Entry({}), data, said)
    tidy_away(world, made.serial)
    changes = world.run()
    assert [(c.action, c.routine) for c in changes if c.subject == subject] == [("rotate", True)]
    assert world.facts(subject)["previous"] is None
    assert world.plan() == []


def tidy_away(world: World, serial: str) -> None:
    """Wait until the CA has forgotten an expired certificate."""
    import time

    deadline = time.monotonic() + 30
    while world.client.read(f"{world.estate.mounts.pki}/cert/{serial}").found:
        assert time.monotonic() < deadline
        body = {"tidy_cert_store": True, "tidy_revoked_certs": True, "safety_buffer": "1s"}
        world.client.write(f"{world.estate.mounts.pki}/tidy", body, tolerate=("",))
        time.sleep(0.2)


# ---- orphans, foreign revocations, altered deliveries -------------------------------------------------------


def sign_by_hand(world: World, subject: SubjectRef, csr: str, uri: str = "") -> str:
    body = {
        "csr": csr,
        "common_name": subject.principal,
        "uri_sans": uri or f"spiffe://acme.test/{subject}",
        "exclude_cn_from_sans": True,
    }
    path = f"{world.estate.mounts.pki}/sign/{world.profile.name}"
    return str(world.client.write(path, body).data["serial_number"])


def test_a_certificate_that_a_crash_left_is_adopted_and_not_issued_again(world: World) -> None:
    world.settle()
    subject = world.trader("adopted")
    serial = sign_by_hand(world, subject, world.wanted[subject])
    (change,) = world.run()
    assert (change.action, change.reason) == ("update", "adopt what a crash left behind")
    assert world.facts(subject)["serial"] == serial
    assert world.plan() == []


def test_an_orphan_with_another_key_is_revoked(world: World) -> None:
    subject = world.trader("robbed")
    world.settle()
    serial = sign_by_hand(world, subject, new_key_and_csr("x")[1])
    changes = world.run()
    assert [(c.address, c.action) for c in changes] == [
        (f"ca.certificate/orphan/{serial}", "revoke"),
        ("ca.crl", "update"),
    ]
    assert world.plan() == []


def test_an_orphan_of_nobody_is_revoked(world: World) -> None:
    world.settle()
    subject = SubjectRef("trader", "nobody")
    serial = sign_by_hand(world, subject, new_key_and_csr("x")[1], "spiffe://acme.test/trader/other/../x")
    (orphan,) = live_orphans(world)
    assert orphan == f"ca.certificate/orphan/{serial}"
    assert world.actual().resources[orphan].subject is None
    world.settle()
    assert live_orphans(world) == []


def test_an_orphan_that_deviates_is_revoked_instead_of_adopted(world: World) -> None:
    world.settle()
    subject = world.trader("unfit")
    tamper(world, server_flag=True)
    serial = sign_by_hand(world, subject, world.wanted[subject])
    tamper(world)
    world.settle()
    facts = world.facts(subject)
    assert facts["serial"] != serial
    assert facts["serials"] == [facts["serial"]]
    assert serial in store.marks(world.client, world.estate)


def test_a_revocation_by_somebody_else_is_told_from_ours(world: World) -> None:
    subject = world.trader("emergency")
    world.settle()
    serial = world.facts(subject)["serial"]
    revoke_by_hand(world, serial)
    actual = world.actual()
    assert world.facts(subject)["revoked"] == "foreign"
    assert actual.resources["ca.crl"].fields["in_step"] is False
    assert actual.resources["ca.crl"].facts["missing"] == [serial]
    actions = [(c.type, c.action) for c in world.plan()]
    assert ("ca.certificate", "create") not in actions
    assert ("ca.crl", "update") in actions
    world.run()
    world.leave(subject)


def test_our_own_revocation_is_ours_even_when_the_delivery_still_stands(world: World) -> None:
    subject = world.trader("ours")
    world.settle()
    serial = world.facts(subject)["serial"]
    store.mark(world.client, world.estate, serial, {"subject": str(subject), "reason": "r" * 900})
    revoke_by_hand(world, serial)
    assert world.facts(subject)["revoked"] == "ours"
    world.settle()
    assert world.facts(subject)["revoked"] == "no"


TAMPERING = {
    "a new version": ("POST", "data", {"data": {"certificate": "x"}}),
    "a deleted version": ("DELETE", "data", None),
    "destroyed versions": ("POST", "destroy", {"versions": [1, 2]}),
    "a deleted entry": ("DELETE", "metadata", None),
    "vanishing versions": ("POST", "metadata", {"delete_version_after": "1h"}),
    "another profile": ("POST", "metadata", {"custom_metadata": {"profile": "x"}}),
}


@pytest.mark.parametrize("name", TAMPERING)
def test_an_altered_delivery_shows_and_is_repaired(world: World, name: str) -> None:
    subject = world.trader("altered")
    world.settle()
    serial = world.facts(subject)["serial"]
    method, part, body = TAMPERING[name]
    path = f"{world.estate.mounts.kv}/{part}/certificates/trader.altered.mtls"
    if method == "DELETE":
        world.client.delete(path)
    else:
        world.client.write(path, body or {})
    assert [c.subject for c in world.plan() if c.type == "ca.certificate"] != []
    world.settle()
    entry = store.read_entry(world.client, world.estate, "trader.altered.mtls")
    assert entry.intact
    data = store.delivered(world.client, world.estate, "trader.altered.mtls")
    assert read_certificate(data["certificate"]).serial == entry.serial == serial
    assert live_orphans(world) == []


def test_an_undeleted_delivery_is_what_it_was(world: World) -> None:
    subject = world.trader("undeleted")
    world.settle()
    path = f"{world.estate.mounts.kv}/%s/certificates/trader.undeleted.mtls"
    world.client.delete(path % "data")
    assert [c.action for c in world.plan()] == ["update"]
    world.client.write(path % "undelete", {"versions": [1]})
    assert world.plan() == []
    assert world.facts(subject)["revoked"] == "no"


def test_an_entry_that_names_another_subjects_serial_does_not_get_that_one_revoked(world: World) -> None:
    thief, victim = world.trader("thief"), world.trader("victim")
    world.settle()
    stolen = world.facts(victim)["serial"]
    path = f"{world.estate.mounts.kv}/metadata/certificates/trader.thief.mtls"
    custom = dict(store.read_entry(world.client, world.estate, "trader.thief.mtls").custom) | {"serial": stolen}
    world.client.write(path, {"custom_metadata": custom})
    assert world.facts(thief)["serials"] == []
    world.settle()
    assert world.facts(victim)["revoked"] == "no"
    world.leave(thief)
    world.settle()
    assert world.facts(victim)["serials"] == [stolen]


def test_a_changed_entity_is_written_down_without_a_new_certificate(world: World) -> None:
    subject = world.trader("moved")
    world.settle()
    before = world.facts(subject)["serial"]
    name = "trader.moved.mtls"
    path = f"{world.estate.mounts.kv}/metadata/certificates/{name}"
    custom = {**store.read_entry(world.client, world.estate, name).custom, "entity": "gone"}
    world.client.write(path, {"custom_metadata": custom})
    assert [c.action for c in world.run()] == ["update"]
    assert store.read_entry(world.client, world.estate, name).custom["entity"] == "id-of-moved"
    assert world.facts(subject)["serial"] == before


def test_dates_that_somebody_wrote_count_for_no_more_than_the_certificate_allows(world: World) -> None:
    subject, name = world.trader("dated"), "trader.dated.mtls"
    world.settle()
    world.wanted[subject] = new_key_and_csr("ignored")[1]
    world.settle()
    first = world.facts(subject)
    path = f"{world.estate.mounts.kv}/metadata/certificates/{name}"
    far = {
        "key_since": "2099-01-01T00:00:00Z",
        "issued_at": "2099-01-01T00:00:00Z",
        "previous_until": "2099-01-01T00:00:00Z",
    }
    custom = {**store.read_entry(world.client, world.estate, name).custom, **far}
    world.client.write(path, {"custom_metadata": custom})

    (change,) = world.run()

    assert (change.action, change.before and change.before["record"]) == ("update", "altered")
    mended = world.facts(subject)
    assert (mended["serial"], mended["previous"]) == (first["serial"], first["previous"])
    assert mended["key_since"] == mended["issued_at"] == mended["not_before"]
    assert mended["previous_until"] <= first["previous_until"]
    assert world.plan() == []


def test_an_older_date_that_somebody_wrote_makes_a_key_no_younger(world: World) -> None:
    subject, name = world.trader("older"), "trader.older.mtls"
    world.settle()
    path = f"{world.estate.mounts.kv}/metadata/certificates/{name}"
    custom = {**store.read_entry(world.client, world.estate, name).custom, "key_since": "2020-01-01T00:00:00Z"}
    world.client.write(path, {"custom_metadata": custom})
    world.settle()
    assert world.facts(subject)["key_since"] == "2020-01-01T00:00:00Z"


# ---- leaving ------------------------------------------------------------------------------------------------


def test_a_leaver_loses_every_live_certificate_and_the_delivery(world: World) -> None:
    subject = world.trader("gone")
    world.settle()
    world.wanted[subject] = new_key_and_csr("x")[1]
    world.settle()
    serials = world.facts(subject)["serials"]
    world.leave(subject)
    world.settle()
    assert len(serials) == 2
    assert set(serials) <= set(world.client.list(f"{world.estate.mounts.pki}/certs/revoked").keys)
    assert not store.names(world.client, world.estate, subject)
    assert world.actual().resources["ca.crl"].fields == {"fresh": True, "in_step": True}


def test_told_twice_the_writer_does_each_thing_once(world: World) -> None:
    world.settle()
    subject = world.trader("idempotent")
    for change in world.plan():
        first = world.writer().apply(change, {})
        second = world.writer().apply(change, {})
        assert first["serial"] == second["serial"]
    assert world.plan() == []
    world.leave(subject)
    for change in world.plan():
        world.writer().apply(change, {})
        world.writer().apply(change, {})
    assert world.plan() == []


def test_a_certificate_that_the_ca_did_not_keep_is_revoked_from_its_delivery(world: World) -> None:
    subject = world.trader("unkept")
    world.settle()
    tamper(world, no_store=True)
    body = {
        "csr": world.wanted[subject],
        "common_name": subject.principal,
        "uri_sans": f"spiffe://acme.test/{subject}",
        "exclude_cn_from_sans": True,
    }
    signed = world.client.write(f"{world.estate.mounts.pki}/sign/{PROFILE.name}", body).data
    pem = join_pem(signed["certificate"])
    made = read_certificate(pem)
    standing = store.read_entry(world.client, world.estate, "trader.unkept.mtls")
    said = {**standing.custom, **{n: getattr(made, n) for n in ("serial", "fingerprint", "not_after")}}
    data = {"certificate": pem, "chain": pem}
    store.deliver(world.client, world.estate, "trader.unkept.mtls", standing, data, said)
    assert world.facts(subject)["serials"] == [made.serial]
    world.leave(subject)
    world.settle()
    assert made.serial in world.client.list(f"{world.estate.mounts.pki}/certs/revoked").keys
    assert world.actual().resources["ca.crl"].fields["in_step"]
