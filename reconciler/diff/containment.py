"""Taking power away from one subject, in the order that leaves no gap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.diff.holds import CUT_OFF, MISSING, Held
from reconciler.diff.issuers import contain_issuer, is_fetched
from reconciler.diff.keys import deactivate, destroy
from reconciler.model.change import Change
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Fields, Hold, Resource

UNEXPLAINED = "no manifest explains it"


def contain(
    subject: SubjectRef | None,
    resources: Sequence[Resource],
    why: str,
    *,
    remove: bool,
    sealed: bool,
    reopened: bool = False,
    destroying: bool = True,
) -> Iterator[Change]:
    """Disable the entity, delete logins, revoke certificates and tokens; last, delete or seal the entity.

    A bot that fetches its own certificates loses the role for that before they are revoked.

    `remove` deletes the entity at the end (a leaver); otherwise it stays disabled with its state sealed as
    `contained` (suspension, hold), which apply writes only once every proof holds. `sealed` is false when
    a system could not be seen: then the last step waits for a later plan. `reopened`: a hold is about to be
    written on the entity, so it must be sealed again. Keys are destroyed where `remove` is and `destroying` is not
    denied, and deactivated otherwise: that cannot be undone, so no doubt may be left that somebody is gone.
    """
    entity = next((r for r in resources if r.type == "vault.entity"), None)
    settled = entity is not None and entity.fields["disabled"] and entity.fields["state"] == "contained"
    work: list[Change] = []
    if entity is not None and not (entity.fields["disabled"] and entity.fields["state"] != "active"):
        work.append(_disable(subject, entity, why))
    work += [_delete_login(subject, r, why) for r in resources if r.type == "vault.login"]
    if subject is not None:
        work += contain_issuer(subject, {r.address: r for r in resources}, why)
    kept = [r for r in resources if r.type == "ca.certificate" and not is_fetched(r)]
    work += [c for r in kept for c in revoke(subject, r, why)]
    for key in (r for r in resources if r.type == "hsm.key"):
        work += [destroy(subject, key, why)] if remove and destroying else deactivate(subject, key, why)
    if entity is not None and (work or remove or reopened or not settled):
        work.append(_revoke_tokens(subject, entity, why))
        if sealed:
            work.append(_delete_entity(subject, entity, why) if remove else _seal(subject, entity, why))
    yield from work


def revoke(
    subject: SubjectRef | None, certificate: Resource, why: str, shown: Fields | None = None
) -> Iterator[Change]:
    """Revoke every live serial of one credential, and withdraw its delivery. `shown`: more to say of what was."""
    orphan = certificate.address.startswith("ca.certificate/orphan/")
    serials = [certificate.facts["serial"]] if orphan else list(certificate.facts.get("serials") or ())
    yield Change(
        certificate.address,
        subject,
        "revoke",
        "contain",
        why,
        before={**(shown or {}), "serials": serials, "not_after": certificate.facts.get("not_after")},
        after={"revoked": True},
        actual=certificate,
    )


def drop_alias(alias: Resource) -> Iterator[Change]:
    """Take from an entity that is not ours the alias on our mount, and the tokens that it was given for it."""
    why = f"the entity {alias.fields['holder']}, which is not ours, holds it"
    yield Change(alias.address, None, "delete", "contain", why, before=dict(alias.fields), actual=alias)
    yield _revoke_tokens(None, alias, why)


def hold(subject: SubjectRef, held: Held, standing: Hold | None, entity: Resource | None) -> Change:
    """Mark the subject so that nothing is granted to it until somebody releases it.

    What is known of the person is noted with it, so that the hold follows them under another name.
    """
    revoked = [{"serial": r.serial, "spki": r.spki, "at": r.at} for r in held.revoked if r.spki]
    # The writer looks again: an entity that another run was just making is no emergency.
    missing = "entity" if held.reason in (MISSING, CUT_OFF) else ""
    whose = {"person": held.hold.person, "keys": sorted(held.hold.keys), "by": held.hold.by}
    noted = {"missing": missing, **whose, "revoked": revoked}
    return Change(
        f"vault.entity/{subject}",
        subject,
        "hold",
        "contain",
        held.reason,
        before={"hold": standing.reason if standing is not None else None},
        after={"hold": held.reason, **{name: value for name, value in noted.items() if value}},
        actual=entity,
    )


def _disable(subject: SubjectRef | None, entity: Resource, why: str) -> Change:
    before = {"disabled": entity.fields["disabled"], "state": entity.fields["state"]}
    return Change(
        entity.address,
        subject,
        "update",
        "contain",
        why,
        before=before,
        after={"disabled": True, "state": "containing"},
        actual=entity,
    )


def _seal(subject: SubjectRef | None, entity: Resource, why: str) -> Change:
    return Change(
        entity.address,
        subject,
        "update",
        "contain",
        f"{why}; proved, so sealed",
        before={"state": "containing"},
        after={"disabled": True, "state": "contained"},
        actual=entity,
    )


def _delete_entity(subject: SubjectRef | None, entity: Resource, why: str) -> Change:
    before = {"name": entity.fields["name"], "policies": list(entity.fields["policies"])}
    return Change(entity.address, subject, "delete", "contain", why, before=before, after=None, actual=entity)


def _delete_login(subject: SubjectRef | None, login: Resource, why: str) -> Change:
    binding = ("allowed_common_names", "allowed_uri_sans", "bound_subject", "bound_claims")
    before = {n: login.fields[n] for n in binding if n in login.fields}
    return Change(login.address, subject, "delete", "contain", why, before=before, after=None, actual=login)


def end_tokens(
    subject: SubjectRef, entity: Resource, credential: str, why: str, *, login: bool, serials: Sequence[str]
) -> Change:
    """Revoke the tokens that somebody who stays got by logging in with what was taken: a token outlives its
    certificate. `login`: all that came through the credential's login role; else those of these certificates.
    """
    before = {"entity": entity.facts["id"], "serials": sorted(serials)} | (
        {"credential": credential} if login else {}
    )
    return Change(
        f"vault.token/{subject}/{credential}",
        subject,
        "revoke",
        "contain",
        why,
        before=before,
        after={"live": 0},
        actual=entity,
    )


def _revoke_tokens(subject: SubjectRef | None, entity: Resource, why: str) -> Change:
    path = entity.address.split("/", 1)[1]
    return Change(
        f"vault.token/{path}",
        subject,
        "revoke",
        "contain",
        why,
        before={"entity": entity.facts["id"]},
        after={"live": 0},
        actual=entity,
    )
