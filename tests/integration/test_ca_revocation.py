"""Revocation lists and proofs, against the real CA and real cert-auth logins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from reconciler.errors import Rejected, Unreachable
from reconciler.model.change import Change
from reconciler.model.manifest import SubjectRef
from reconciler.model.outcome import Proof
from reconciler.model.secret import Secret
from reconciler.providers.ca import store
from reconciler.providers.ca.authority import issuer
from reconciler.providers.ca.prover import CaProver
from reconciler.providers.ca.revocation import DELTA, FULL, CrlKeeper, accepted, published
from reconciler.providers.protocol import Answer
from reconciler.x509 import join_pem, new_key_and_csr
from tests.integration.ca_world import World, a_world
from tests.openbao import Server

pytestmark = pytest.mark.openbao
SYSTEMS = {"ca.crl", "ca.login", "ca.ocsp", "ca.delivery", "ca.probe"}


@pytest.fixture(scope="module")
def world(shared_openbao: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with a_world(shared_openbao, tmp_path_factory.mktemp("ca-revocation")) as made:
        made.settle()
        yield made


def prover(world: World) -> CaProver:
    return CaProver(world.clients, world.estate, world.login)


def by_system(proofs: tuple[Proof, ...]) -> dict[str, str]:
    return {p.system: p.status for p in proofs}


def role_for(world: World, subject: SubjectRef) -> None:
    """A login role like the Vault provider's, bound to this subject."""
    authority = issuer(world.client, world.estate)
    body = {"certificate": authority, "allowed_common_names": subject.principal, "token_ttl": 60}
    world.client.write(f"auth/{world.estate.mounts.cert}/certs/{subject.principal}", body)


def log_in(world: World, subject: SubjectRef) -> Answer:
    data = store.delivered(world.client, world.estate, f"{subject.principal}.mtls")
    chain = join_pem(data["certificate"], data["chain"])
    return world.login(chain, world.keys[subject], subject.principal)


def held_chain(world: World, subject: SubjectRef) -> str:
    data = store.delivered(world.client, world.estate, f"{subject.principal}.mtls")
    return join_pem(data["certificate"], data["chain"])


def test_a_leaver_is_refused_at_login_and_every_proof_holds(world: World) -> None:
    subject = world.trader("leaver")
    world.settle()
    role_for(world, subject)
    assert log_in(world, subject).status == 200
    chain = held_chain(world, subject)
    world.leave(subject)
    changes = world.run()
    assert world.login(chain, world.keys[subject], subject.principal).status >= 400
    proofs = prover(world).prove([c for c in changes if c.type == "ca.certificate"], {})
    assert by_system(proofs) == dict.fromkeys(SYSTEMS, "proved")
    assert all(p.subject == subject for p in proofs)
    assert world.plan() == []


def test_without_the_push_the_proofs_fail_and_say_so(world: World) -> None:
    subject = world.trader("unpushed")
    world.settle()
    world.leave(subject)
    revocations = [c for c in world.plan() if c.type == "ca.certificate"]
    for change in revocations:
        world.writer().apply(change, {})
    proofs = by_system(prover(world).prove(revocations, {}))
    assert {s: proofs[s] for s in ("ca.crl", "ca.login")} == {"ca.crl": "failed", "ca.login": "failed"}
    world.settle()


def test_the_next_run_proves_what_an_earlier_run_revoked(world: World) -> None:
    subject = world.trader("later")
    world.settle()
    world.leave(subject)
    world.run()
    closing = Change(f"vault.entity/{subject}", subject, "delete", "contain", "its manifest was deleted")
    assert by_system(prover(world).prove([closing], {})) == dict.fromkeys(SYSTEMS, "proved")


def test_a_delivery_that_was_left_behind_fails_its_proof(world: World) -> None:
    subject = world.trader("behind")
    world.settle()
    world.leave(subject)
    changes = [c for c in world.run() if c.type == "ca.certificate"]
    store.deliver(world.client, world.estate, f"{subject.principal}.other", store.Entry({}), {"x": "y"}, {})
    assert by_system(prover(world).prove(changes, {}))["ca.delivery"] == "failed"
    store.withdraw(world.client, world.estate, f"{subject.principal}.other")


def test_a_probe_that_is_not_let_in_before_proves_nothing(world: World) -> None:
    subject = world.trader("control")
    world.settle()
    world.leave(subject)
    changes = [c for c in world.run() if c.type == "ca.certificate"]

    def refuses(chain: str, key: Secret, role: str) -> Answer:
        return Answer(400, {"errors": ["invalid certificate"]})

    proofs = CaProver(world.clients, world.estate, refuses).prove(changes, {})
    (probe,) = [p for p in proofs if p.system == "ca.probe"]
    assert probe.status == "failed"
    assert "nothing is proved" in probe.detail


def test_a_probe_whose_login_gets_no_answer_fails_and_is_revoked_all_the_same(world: World) -> None:
    subject = world.trader("silent")
    world.settle()
    world.leave(subject)
    changes = [c for c in world.run() if c.type == "ca.certificate"]
    before = set(world.client.list(f"{world.estate.mounts.pki}/certs/revoked").keys)

    def silent(chain: str, key: Secret, role: str) -> Answer:
        raise Unreachable("no answer")

    proofs = CaProver(world.clients, world.estate, silent).prove(changes, {})
    assert by_system(proofs)["ca.probe"] == "failed"
    assert len(set(world.client.list(f"{world.estate.mounts.pki}/certs/revoked").keys) - before) == 1
    assert world.plan() == []


def test_nobody_contained_means_nothing_asked(world: World) -> None:
    world.watch.calls.clear()
    assert prover(world).prove([], {}) == ()
    assert world.watch.calls == []


def test_a_stranger_without_subject_is_proved_under_its_own_address(world: World) -> None:
    body = {
        "csr": new_key_and_csr("x")[1],
        "common_name": "trader.stray",
        "uri_sans": "spiffe://acme.test/trader/a",
    }
    path = f"{world.estate.mounts.pki}/sign/{world.profile.name}"
    serial = world.client.write(path, {**body, "exclude_cn_from_sans": True}).data["serial_number"]
    changes = [c for c in world.run() if c.type == "ca.certificate"]
    proofs = prover(world).prove(changes, {})
    assert {str(p.subject) for p in proofs} == {f"orphan/{serial}"}
    assert by_system(proofs)["ca.crl"] == "proved"


# ---- the lists ----------------------------------------------------------------------------------------------


def revoked_by_hand(world: World) -> str:
    body = {"csr": new_key_and_csr("x")[1], "common_name": "idac-probe", "exclude_cn_from_sans": True}
    serial = str(world.client.write(f"{world.estate.mounts.pki}/sign/idac-probe", body).data["serial_number"])
    world.client.write(f"{world.estate.mounts.pki}/revoke", {"serial_number": serial})
    return serial


def test_a_push_never_forgets_for_a_moment_what_was_refused_before(world: World) -> None:
    authority = issuer(world.client, world.estate)
    keeper = CrlKeeper(world.clients, world.estate)
    serials = [revoked_by_hand(world)]
    keeper.refresh(authority, full=False)
    # The CA rebuilds its full list by itself: from then on the delta no longer has the first serial.
    world.client.write(f"{world.estate.mounts.pki}/crl/rotate", {}, method="GET")
    seen: list[bool] = []

    def watch(n: int, when: str) -> None:
        refused = frozenset[str]().union(*accepted(world.client, world.estate).values())
        seen.append(serials[0] in refused)

    world.watch.die = watch
    serials.append(revoked_by_hand(world))
    keeper.refresh(authority, full=False)
    keeper.refresh(authority)
    world.watch.disarm()
    assert all(seen)
    assert len(seen) > 6
    assert set(serials) <= published(world.client, world.estate, authority).serials


def test_the_delta_alone_stops_a_login(world: World) -> None:
    subject = world.trader("delta")
    world.settle()
    role_for(world, subject)
    assert log_in(world, subject).status == 200
    world.client.write(f"{world.estate.mounts.pki}/revoke", {"serial_number": world.facts(subject)["serial"]})
    evidence = CrlKeeper(world.clients, world.estate).refresh(issuer(world.client, world.estate), full=False)
    assert evidence["delta_number"] > evidence["number"]
    assert log_in(world, subject).status >= 400
    world.leave(subject)
    world.settle()


@pytest.mark.parametrize("name", [FULL, DELTA])
def test_a_list_emptied_by_somebody_else_shows_and_is_pushed_again(world: World, name: str) -> None:
    subject = world.trader("emptied")
    world.settle()
    world.leave(subject)
    world.run()
    other = f"{world.estate.mounts.root}"
    empty = world.client.fetch(f"{other}/crl/pem").decode()
    for each in (FULL, DELTA):
        world.client.write(f"auth/{world.estate.mounts.cert}/crls/{each}", {"crl": empty})
    (change,) = world.plan()
    assert (change.address, change.routine, change.phase) == ("ca.crl", False, "contain")
    assert change.before == {"in_step": False}
    world.writer().apply(change, {})
    assert world.plan() == []


def forged_list(serial: str) -> str:
    """A revocation list by nobody: cert auth takes it all the same."""
    now = datetime.now(UTC)
    revoked = x509.RevokedCertificateBuilder().serial_number(int(serial.replace(":", ""), 16)).revocation_date(now)
    builder = x509.CertificateRevocationListBuilder().issuer_name(x509.Name([])).last_update(now)
    made = builder.next_update(now + timedelta(days=1)).add_revoked_certificate(revoked.build())
    signed = made.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def test_a_good_certificate_that_somebody_had_refused_is_revoked_and_not_let_in_again(
    world: World,
) -> None:
    subject = world.trader("locked-out")
    world.settle()
    role_for(world, subject)
    serial = world.facts(subject)["serial"]
    path = f"auth/{world.estate.mounts.cert}/crls/{DELTA}"
    world.client.write(path, {"crl": forged_list(serial)})
    assert log_in(world, subject).status >= 400
    seen = world.actual()
    assert seen.resources["ca.crl"].facts["extra"] == [serial]
    assert [(r.serial, r.subject, r.at) for r in seen.revocations if r.subject == subject] == [
        (serial, subject, "")
    ]
    chain = held_chain(world, subject)
    assert [(c.action, c.address) for c in world.run()] == [
        ("revoke", world.address(subject)),
        ("update", "ca.crl"),
    ]
    assert world.login(chain, world.keys[subject], subject.principal).status >= 400
    assert serial in published(world.client, world.estate, issuer(world.client, world.estate)).serials
    world.leave(subject)
    world.settle()


def test_a_strange_list_in_cert_auth_is_named_and_counts_for_nothing(world: World) -> None:
    subject = world.trader("strange")
    world.settle()
    path = f"auth/{world.estate.mounts.cert}/crls/strange"
    world.client.write(path, {"crl": forged_list(world.facts(subject)["serial"])})
    assert world.actual().unmanaged == (path,)
    assert world.plan() == []
    world.client.delete(path)
    world.leave(subject)
    world.settle()


def test_a_list_near_its_end_is_no_longer_fresh(world: World) -> None:
    assert world.actual().resources["ca.crl"].fields["fresh"]
    world.later(days=4)
    (change,) = [c for c in world.plan() if c.address == "ca.crl"]
    assert (change.routine, change.reason) == (True, "it is close to its end")
    world.later()


def test_the_prover_says_when_the_ca_cannot_be_asked(world: World) -> None:
    broken = replace_estate(world)
    change = Change("ca.certificate/trader/x/mtls", SubjectRef("trader", "x"), "revoke", "contain", "r")
    (proof,) = CaProver(world.clients, broken.estate, world.login).prove([change], {})
    assert (proof.system, proof.status) == ("ca", "failed")


def replace_estate(world: World) -> World:
    """An estate that nobody bootstrapped."""
    return replace(world, estate=world.estate.model_copy(update={"name": "nowhere"}))


def test_a_lost_push_is_an_error_and_no_silence(world: World) -> None:
    keeper = CrlKeeper(world.clients, world.estate)
    revoked_by_hand(world)
    authority = issuer(world.client, world.estate)
    empty = world.client.fetch(f"{world.estate.mounts.root}/crl/pem").decode()
    path = f"auth/{world.estate.mounts.cert}/crls"

    def undo(n: int, when: str) -> None:
        if when == "after":
            for name in (FULL, DELTA):
                world.client.write(f"{path}/{name}", {"crl": empty})

    world.watch.die = undo
    with pytest.raises(Rejected, match="does not refuse"):
        keeper.refresh(authority)
    world.watch.disarm()
    world.settle()
