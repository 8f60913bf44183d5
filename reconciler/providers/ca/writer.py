"""Changes the CA's part of the target, one change at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from reconciler.clock import rfc3339, stamp
from reconciler.errors import Rejected
from reconciler.model.change import Change
from reconciler.model.estate import Estate
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Fields, Resource
from reconciler.providers.ca import store
from reconciler.providers.ca.authority import PEM, issuer
from reconciler.providers.ca.issuing import Issued, Issuing
from reconciler.providers.ca.resources import BACKDATE, INTACT, READ_ONLY, issuer_role
from reconciler.providers.ca.revocation import CrlKeeper
from reconciler.providers.ca.revoker import Revoker
from reconciler.providers.ca.runtime import live_named, role_seen, runtime_address
from reconciler.providers.protocol import Clients, KeyRequest, Known, desired_of, no_keys
from reconciler.x509 import Certificate


class CaWriter:
    """Reads as plan, signs and stores as grant, revokes as contain, writes roles as govern. Thread-safe."""

    def __init__(
        self,
        clients: Clients,
        estate: Estate,
        run_id: str,
        clock: Callable[[], str] = stamp,
        request: KeyRequest = no_keys,
    ) -> None:
        """`request` asks a key in an HSM token for a certificate request."""
        self._clients, self._estate, self._clock, self._request = clients, estate, clock, request
        self._revoker = Revoker(clients, estate, run_id, clock)
        self._issuing = Issuing(clients, estate, self._revoker, clock)
        self._crl = CrlKeeper(clients, estate)
        self._known_authority = ""

    def apply(self, change: Change, known: Known) -> Fields:
        """Do it, read it back, and say with which serials and versions. Raises `IdacError`."""
        match change.type, change.action:
            case "ca.profile" | "ca.issuer", "delete":
                return self._delete_role(change)
            case "ca.profile" | "ca.issuer", _:
                return self._write_role(change)
            case "ca.crl", _:
                return self._crl.refresh(self._authority())
            case "ca.certificate", "revoke":
                return self._revoke(change)
            case "ca.certificate", "create" | "update" | "rotate":
                return self._certify(change, known)
        raise Rejected(f"the CA cannot {change.action} {change.address}")

    def _write_role(self, change: Change) -> Fields:
        desired = desired_of(change)
        path = self._role(change)
        there = self._clients("plan").read(path)
        before = role_seen(there.data) if there.found else None
        if before not in (change.actual.fields if change.actual is not None else None, desired.fields):
            raise Rejected(f"{path}: it changed since it was observed", remedy="plan again")
        body = {name: value for name, value in desired.fields.items() if name != READ_ONLY}
        self._clients("govern").write(path, body)
        standing = role_seen(self._clients("plan").read(path).data)
        wrong = sorted(n for n, value in desired.fields.items() if standing.get(n) != value)
        if wrong:
            raise Rejected(f"{path} does not say what was written: {', '.join(wrong)}", remedy="plan again")
        return {"role": path}

    def _delete_role(self, change: Change) -> Fields:
        """As govern, but for what takes power from a bot."""
        path = self._role(change)
        self._clients("contain" if change.phase == "contain" else "govern").delete(path)
        if self._clients("plan").read(path).found:
            raise Rejected(f"{path} is still there after its deletion", remedy="plan again")
        return {"role": path}

    def _role(self, change: Change) -> str:
        name = change.address.removeprefix("ca.profile/")
        if change.subject is not None:  # a bot's issuer: a profile belongs to nobody
            name = issuer_role(self._estate, change.subject)
        return f"{self._estate.mounts.pki}/roles/{name}"

    # ---- certificates ---------------------------------------------------------------------------------------

    def _certify(self, change: Change, known: Known) -> Fields:
        """Create, rotate, adopt or redeliver: sign unless there is something good to deliver, then store it."""
        desired = _with_key(desired_of(change), known)
        authority = self._authority()
        name = _delivery(change)
        standing = store.read_entry(self._clients("plan"), self._estate, name)
        planned = change.actual.facts["serial"] if change.actual is not None else ""
        candidate = planned if change.action == "update" else standing.serial
        if planned:
            self._issuing.require_good(change.address, planned)
        reused = None
        # A create or rotate that finds another serial than planned was told before, and got that far.
        if candidate and (change.action == "update" or candidate != planned):
            reused = self._issuing.reuse(desired, candidate, authority)
        if reused is None and change.action == "rotate":
            self._retire(change)  # before a new one is signed, which a failure would leave unexplained
        return self._store(change, known, standing, reused or self._sign(desired, authority))

    def _sign(self, desired: Resource, authority: str) -> Issued:
        """For a key in an HSM token the request is made now: that the token signs it proves the key is there."""
        key = str(desired.facts.get("key") or "")
        csr = self._request(key, desired.fields["spki"]) if key else str(desired.facts["csr"])
        return self._issuing.sign(desired, csr, authority)

    def _retire(self, change: Change) -> None:
        """Of one credential two certificates are good at most. The plan revoked an older one; see to it."""
        facts = change.actual.facts if change.actual is not None else {}
        older = [s for s in facts.get("serials") or () if s != facts.get("serial")]
        alive = [s for s in older if facts.get("serial") in facts["serials"] and not self._revoker.is_revoked(s)]
        for serial in alive:
            self._revoker.revoke(serial, str(change.subject), "superseded twice within its overlap")
        if alive:
            self._crl.refresh(self._authority(), full=False)

    def _store(self, change: Change, known: Known, standing: store.Entry, issued: Issued) -> Fields:
        desired, certificate = desired_of(change), issued.certificate
        said = {
            "subject": str(desired.subject),
            "profile": desired.fields["profile"],
            "profile_digest": desired.fields["profile_digest"],
            "entity": _learned(desired.fields["entity"], known),
            "serial": certificate.serial,
            "fingerprint": certificate.fingerprint,
            "spki": certificate.spki,
            "key": str(desired.facts.get("key") or ""),
            "not_before": certificate.not_before,
            "not_after": certificate.not_after,
            **self._history(change, issued),
        }
        data = {"certificate": issued.pem, "chain": issued.chain}
        name = _delivery(change)
        made = store.deliver(self._clients("grant"), self._estate, name, standing, data, said)
        self._check_stored(name, made, data)
        shown = ("serial", "fingerprint", "spki", "not_before", "not_after", "previous", "previous_until")
        return {n: made.custom[n] for n in shown if n in made.custom} | {"version": made.version}

    def _history(self, change: Change, issued: Issued) -> dict[str, str]:
        """Since when the key is used, and which certificate stays good for the overlap."""
        facts = change.actual.facts if change.actual is not None else {}
        certificate, now = issued.certificate, self._clock()
        if facts.get("serial") == certificate.serial:
            return _kept(change, certificate)
        same_key = change.actual is not None and change.actual.fields.get("spki") == certificate.spki
        said = {"issued_at": now, "key_since": _key_since(change) if same_key else now}
        live, previous = facts.get("serials") or (), facts.get("previous")
        if change.action != "rotate" or facts.get("serial") not in live:
            # Whatever becomes of the present one, one in its overlap stays explained.
            overlap = {"previous": str(previous), "previous_until": str(facts.get("previous_until") or "")}
            return said | overlap if previous in live else said
        until = datetime.fromisoformat(now) + timedelta(seconds=desired_of(change).facts["overlap"])
        return said | {"previous": facts["serial"], "previous_until": min(rfc3339(until), facts["not_after"])}

    def _check_stored(self, name: str, made: store.Entry, data: dict[str, str]) -> None:
        if store.whole(self._clients("plan"), self._estate, name) != (made, data):
            raise Rejected(f"the delivery {name} does not say what was written", remedy="plan again")

    def _revoke(self, change: Change) -> Fields:
        """Every serial that the change names; then, unless a good one stays, the delivery is withdrawn."""
        if change.subject is not None and change.address == runtime_address(change.subject):
            return self._revoke_fetched(change, change.subject)
        facts = change.actual.facts if change.actual is not None else {}
        orphan = change.address.startswith("ca.certificate/orphan/")
        name = "" if orphan else _delivery(change)
        serials = list((change.before or {}).get("serials") or ())
        subject = str(change.subject) if change.subject is not None else ""
        ended = [s for s in serials if not self._revoker.revoke(s, subject, change.reason, lost=self._pem(name))]
        stays = set(facts.get("serials") or ()) - set(serials)
        evidence: dict[str, Any] = {"serials": serials, "expired": ended}
        if orphan or stays:
            return evidence
        store.withdraw(self._clients("contain"), self._estate, name)
        if store.read_entry(self._clients("plan"), self._estate, name) != store.Entry({}):
            raise Rejected(f"the delivery {name} is still there after it was withdrawn", remedy="plan again")
        return {**evidence, "withdrawn": name}

    def _revoke_fetched(self, change: Change, subject: SubjectRef) -> Fields:
        """All that the bot fetched, as it is now: it may have fetched more since the plan was made."""
        serials = live_named(self._clients("plan"), self._estate, subject, self._clock())
        ended = [s for s in serials if not self._revoker.revoke(s, str(subject), change.reason)]
        return {"serials": serials, "expired": ended}

    def _pem(self, name: str) -> Callable[[], str]:
        """How to get at the PEM in a delivery, should the CA have lost the certificate."""
        plan, estate = self._clients("plan"), self._estate
        return lambda: store.delivered(plan, estate, name).get(PEM, "") if name else ""

    def _authority(self) -> str:
        """The issuing certificate, asked for once a run: what another one signs fails every check against it."""
        if not self._known_authority:
            self._known_authority = issuer(self._clients("plan"), self._estate)
        return self._known_authority


def _trusted(change: Change) -> bool:
    return change.actual is None or change.actual.fields.get("record", INTACT) == INTACT


def _key_since(change: Change) -> str:
    """Since when the key is used. Where somebody rewrote the record, the certificate says when at the latest."""
    facts = change.actual.facts if change.actual is not None else {}
    begin = str(facts.get("not_before") or "")
    said = str(facts.get("key_since") or begin)
    return said if _trusted(change) or not begin else min(said, begin)


def _kept(change: Change, certificate: Certificate) -> dict[str, str]:
    """The history of a certificate that stays, or is adopted; of an altered record only what can be true."""
    facts = change.actual.facts if change.actual is not None else {}
    begin = certificate.not_before
    said = {"issued_at": facts.get("issued_at") or begin, "key_since": _key_since(change)}
    previous, until = facts.get("previous"), facts.get("previous_until") or ""
    if _trusted(change):
        return said | {"previous": previous or "", "previous_until": until}
    said["issued_at"] = begin
    if previous not in (facts.get("serials") or ()):
        return said
    longest = timedelta(seconds=desired_of(change).facts["overlap"] + BACKDATE)
    latest = rfc3339(datetime.fromisoformat(begin) + longest)
    return said | {"previous": str(previous), "previous_until": min(until or latest, latest)}


def _delivery(change: Change) -> str:
    """`ca.certificate/trader/jdoe/mtls` -> `trader.jdoe.mtls`."""
    return change.address.removeprefix("ca.certificate/").replace("/", ".")


def _with_key(desired: Resource, known: Known) -> Resource:
    """The same with its key's SPKI, which a plan cannot tell of a key that was yet to be made."""
    return replace(desired, fields={**desired.fields, "spki": _learned(desired.fields["spki"], known)})


def _learned(value: Any, known: Known) -> str:
    """An entity's id, a key's SPKI: as planned, or as an earlier change of this run learned it."""
    if not isinstance(value, dict):
        return str(value)
    address, _, fact = str(value.get("ref", "")).rpartition("#")
    learned = known.get(address, {}).get(fact)
    if not learned:
        raise Rejected(f"{address} has no {fact} yet", remedy="plan again once it stands")
    return str(learned)
