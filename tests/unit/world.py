"""A world in memory: states to compare, and what each change would do to them.

It is a model of the target systems for testing `diff` alone. The real systems are tested in
tests/contract and tests/integration; nothing here stands in for them there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from reconciler.model.change import Change
from reconciler.model.manifest import Lifecycle, SubjectRef
from reconciler.model.resource import Actual, Desired, Hold, Resource, Revocation, ref

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SERIALS = count(1)


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def entity(
    subject: SubjectRef, policies: Iterable[str] = ("p1",), *, disabled: bool = False, state: str = "active",
    id: str | None = "", aliases: Iterable[str] | None = None,
) -> Resource:  # fmt: skip
    fields = {
        "name": f"idac-t-{subject.principal}",
        "estate": "t",
        "subject": str(subject),
        "policies": sorted(policies),
        "aliases": list(aliases) if aliases is not None else [f"idac-t-cert:{subject.principal}"],
        "disabled": disabled,
        "state": state,
    }
    facts = {"id": id or f"id-{subject.principal}"} if id is not None else {}
    return Resource(f"vault.entity/{subject}", subject, fields, facts)


def login(subject: SubjectRef, credential: str = "mtls", **changed: Any) -> Resource:
    fields = {
        "allowed_common_names": [subject.principal],
        "allowed_uri_sans": [f"spiffe://t.test/{subject}"],
        "token_policies": [],
        "token_ttl": 900,
        **changed,
    }
    return Resource(f"vault.login/{subject}/{credential}", subject, fields)


def certificate(subject: SubjectRef, credential: str = "mtls", spki: str = "", **facts: Any) -> Resource:
    """A desired certificate."""
    return Resource(
        f"ca.certificate/{subject}/{credential}",
        subject,
        {
            "profile": "mtls",
            "profile_digest": "d1",
            "spki": spki or f"key-{subject.name}-{credential}",
            "common_name": subject.principal,
            "uri_san": f"spiffe://t.test/{subject}",
            "entity": ref(f"vault.entity/{subject}", "id"),
            "delivery": "intact",
            "record": "intact",
        },
        {"csr": "PEM", "ttl": 86400, "renew_before": 28800, "max_key_age": None, "overlap": 3600, **facts},
    )


def issued(
    wanted: Resource, *, age: timedelta = timedelta(0), life: timedelta = timedelta(days=1), **more: Any
) -> Resource:
    """The actual certificate that issuing a desired one gives."""
    serial = f"{next(SERIALS):02x}:aa"
    facts = {
        "serial": serial,
        "serials": [serial],
        "not_before": stamp(NOW - age),
        "not_after": stamp(NOW - age + life),
        "fingerprint": f"f-{serial}",
        "key_since": stamp(NOW - age),
        "issued_at": stamp(NOW - age),
        "revoked": "no",
        "previous": None,
        "previous_until": None,
        **more,
    }
    fields = {**wanted.fields, "entity": f"id-{wanted.subject.principal}" if wanted.subject else ""}
    return Resource(wanted.address, wanted.subject, fields, facts)


def orphan(wanted: Resource, serial: str = "0f:f0", **facts: Any) -> Resource:
    names = {n: wanted.fields[n] for n in ("spki", "common_name", "uri_san")}
    dates = {"not_before": stamp(NOW), "not_after": stamp(NOW + timedelta(days=1))}
    return Resource(
        f"ca.certificate/orphan/{serial}", wanted.subject, {}, {"serial": serial, **names, **dates, **facts}
    )


def foreign(there: Resource, at: str = "2026-11-24T11:00:00Z") -> Revocation:
    """What the CA says when somebody else revoked this certificate."""
    return Revocation(there.facts["serial"], there.subject, there.fields["spki"], at)


def key(subject: SubjectRef, credential: str = "signing", token: str = "trade", **facts: Any) -> Resource:
    """A desired key in an HSM token."""
    name = f"idac-t-{subject.principal}.{credential}"
    fields = {"name": name, "token": token, "algorithm": "ec-p256", "state": "active", "exportable": False}
    made = {"backend": "transit", "custody": "software", "max_age": None, **facts}
    return Resource(f"hsm.key/{subject}/{credential}/{token}", subject, fields, made)


def stored(
    wanted: Resource,
    *,
    versions: int = 1,
    age: timedelta = timedelta(0),
    burnt: Iterable[str] = (),
    **changed: Any,
) -> Resource:
    """The actual key that making (and renewing) a desired one gives; its newest version is of that age."""
    pairs = {str(n): f"spki-{wanted.address}-{n}" for n in range(1, versions + 1)}
    facts = {
        "backend": "transit",
        "custody": "software",
        "spki": pairs[str(versions)],
        "version": str(versions),
        "versions": pairs,
        "created": stamp(NOW - age),
        "burnt": list(burnt),
    }
    return Resource(wanted.address, wanted.subject, {**wanted.fields, **changed}, facts)


def certified(subject: SubjectRef, behind: Resource, credential: str = "signing", **facts: Any) -> Resource:
    """A desired certificate over a key in an HSM token."""
    wanted = certificate(subject, credential, key=behind.address, **facts)
    return replace(wanted, fields={**wanted.fields, "spki": ref(behind.address, "spki")})


def held_by(wanted: Resource, there: Resource, version: str = "", **more: Any) -> Resource:
    """The actual certificate over a version of a standing key, the newest by default."""
    made = issued(wanted, key=there.address, **more)
    return replace(
        made, fields={**made.fields, "spki": there.facts["versions"][version or there.facts["version"]]}
    )


def crl(*, fresh: bool = True, in_step: bool = True) -> Resource:
    return Resource("ca.crl", None, {"fresh": fresh, "in_step": in_step}, {"number": "1"})


def policy(name: str, document: str = "{}") -> Resource:
    return Resource(f"vault.policy/role/{name}", None, {"name": f"idac-t-role-{name}", "document": document})


def desired(resources: Iterable[Resource], lifecycles: Mapping[SubjectRef, Lifecycle], **more: Any) -> Desired:
    return Desired({r.address: r for r in (*resources, crl())}, dict(lifecycles), **more)


def actual(resources: Iterable[Resource], holds: Iterable[Hold] = (), **more: Any) -> Actual:
    return Actual({r.address: r for r in (crl(), *resources)}, {h.subject: h for h in holds}, **more)


def advance(state: Actual, changes: Iterable[Change]) -> Actual:
    """The state after these changes, as the writers' contract has it."""
    for change in sorted(changes, key=lambda c: c.order):
        state = _advance_key(state, change) if change.type == "hsm.key" else _advance(state, change)
    return state


def _advance_key(state: Actual, change: Change) -> Actual:
    if change.action in ("update", "delete"):
        return _advance(state, change)
    there = state.resources.get(change.address)
    return replace(state, resources={**state.resources, change.address: _kept_key(change, there)})


def _advance(state: Actual, change: Change) -> Actual:
    resources, holds = dict(state.resources), dict(state.holds)
    there = resources.get(change.address)
    match change.type, change.action:
        case "vault.entity", "hold":
            return _held(state, change)
        case "vault.entity", "release":
            assert change.subject is not None and change.after is not None
            holds.pop(change.subject, None)
            state = replace(state, answered={**state.answered, change.subject: change.after["answered"]})
        case "vault.token", _:
            pass
        case "ca.crl", _:
            resources["ca.crl"] = crl()
        case "ca.certificate", "revoke":
            _revoke(resources, there, change)
        case "ca.certificate", "update" if change.actual is not None and "/orphan/" in change.actual.address:
            assert change.desired is not None
            resources.pop(change.actual.address)
            serial = change.actual.facts["serial"]
            resources[change.address] = issued(change.desired, serial=serial, serials=[serial])
        case "ca.certificate", "create" | "rotate":
            assert change.desired is not None
            new = _over_its_key(issued(change.desired, key=change.desired.facts.get("key", "")), resources)
            if there is not None and change.action == "rotate":
                old = there.facts["serial"]
                more = {"previous": old, "previous_until": stamp(NOW + timedelta(hours=1))}
                new = replace(new, facts={**new.facts, **more, "serials": [new.facts["serial"], old]})
            resources[change.address] = new
        case _, "delete":
            resources.pop(change.address)
        case _:
            base = there.fields if there is not None else {}
            made = {**base, **(change.after or {})}
            facts = (
                there.facts
                if there is not None
                else {"id": f"id-{change.subject.principal}"}
                if change.subject
                else {}
            )
            resources[change.address] = Resource(change.address, change.subject, made, facts)
    return replace(state, resources=resources, holds=holds)


def _revoke(resources: dict[str, Resource], there: Resource | None, change: Change) -> None:
    if there is None:
        assert "/runtime/" in change.address  # whatever a bot fetched meanwhile
        return
    gone = set((change.before or {}).get("serials") or ())
    left = [s for s in there.facts.get("serials") or () if s not in gone]
    if "/orphan/" in there.address or not left:
        resources.pop(there.address)
        return
    facts = {**there.facts, "serials": left, "previous": None, "previous_until": None}
    resources[there.address] = replace(there, facts=facts)


def _over_its_key(made: Resource, resources: Mapping[str, Resource]) -> Resource:
    """With the SPKI of the key that stands by then."""
    spki = made.fields["spki"]
    if isinstance(spki, dict):
        spki = resources[spki["ref"].partition("#")[0]].facts["spki"]
    return replace(made, fields={**made.fields, "spki": spki})


def _kept_key(change: Change, there: Resource | None) -> Resource:
    if there is None:
        assert change.desired is not None
        return stored(change.desired)
    versions = dict(there.facts["versions"])
    if change.action == "rotate":
        return stored(there, versions=int(there.facts["version"]) + 1)
    after = change.after or {}
    if "version" in after:
        return replace(there, facts={**there.facts, "versions": {after["version"]: versions[after["version"]]}})
    return replace(there, fields={**there.fields, "state": "deactivated"})


def _held(state: Actual, change: Change) -> Actual:
    assert change.subject is not None and change.after is not None
    said, there = change.after, state.resources.get(change.address)
    keys = frozenset(said.get("keys", ()))
    made = Hold(change.subject, change.reason, "test", stamp(NOW), said.get("person", ""), keys)
    resources = dict(state.resources)
    if there is not None:
        fields = {**there.fields, "disabled": True, "state": "containing"}
        resources[change.address] = replace(there, fields=fields)
    distrusted = {**state.distrusted, **{r["spki"]: r["at"] for r in said.get("revoked", ())}}
    holds = {**state.holds, change.subject: made}
    return replace(state, resources=resources, holds=holds, distrusted=distrusted)
