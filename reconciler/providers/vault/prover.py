"""Asks Vault afresh whether a contained subject still has power there, and names what nobody asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.errors import IdacError
from reconciler.model.change import Change
from reconciler.model.estate import Estate
from reconciler.model.manifest import SubjectRef
from reconciler.model.outcome import Proof
from reconciler.providers.protocol import Clients, Known
from reconciler.providers.vault.resources import login_name
from reconciler.providers.vault.tokens import GONE

NOT_COVERED = (
    ("open connections", "sessions opened before now end when their own systems look again"),
    ("venue passwords", "a password shared with a venue is changed there, by hand"),
    ("orders in the market", "resting orders are cancelled by the desk or the venue's kill switch"),
)


class VaultProver:
    """One proof per subject for each of: entity, login roles, tokens. Never raises for one subject."""

    def __init__(self, clients: Clients, estate: Estate) -> None:
        self._clients, self._estate = clients, estate

    def prove(self, contained: Sequence[Change], known: Known) -> tuple[Proof, ...]:
        """Proofs about every subject that lost something. A failure to ask is a `failed` Proof."""
        subjects: dict[SubjectRef, list[Change]] = {}
        for change in contained:
            if change.subject is not None:
                subjects.setdefault(change.subject, []).append(change)
        return tuple(p for s, changes in subjects.items() for p in self._subject(s, changes, known))

    def _subject(self, subject: SubjectRef, changes: Sequence[Change], known: Known) -> Iterator[Proof]:
        whole = [c for c in changes if c.type in ("vault.entity", "vault.token")]
        asked = [("vault.login", self._logins)]
        if whole:
            asked = [("vault.entity", self._entity), *asked, ("vault.token", self._tokens)]
        for system, ask in asked:
            try:
                yield from ask(subject, changes, known)
            except IdacError as error:
                yield Proof(subject, system, "failed", f"it could not be asked: {error}")
        for system, detail in NOT_COVERED if whole else ():
            yield Proof(subject, system, "not-covered", detail)

    def _entity(self, subject: SubjectRef, changes: Sequence[Change], known: Known) -> Iterator[Proof]:
        ids = sorted(
            {str(c.actual.facts["id"]) for c in changes if c.actual is not None and "id" in c.actual.facts}
        )
        for id_ in ids:
            answer = self._clients("plan").read(f"identity/entity/id/{id_}")
            said = {"id": id_}
            if not answer.found:
                yield Proof(subject, "vault.entity", "proved", "the entity is gone", said)
            elif answer.data.get("disabled") is True:
                yield Proof(subject, "vault.entity", "proved", "the entity is disabled", said)
            else:
                yield Proof(subject, "vault.entity", "failed", "the entity is enabled", said)

    def _logins(self, subject: SubjectRef, changes: Sequence[Change], known: Known) -> Iterator[Proof]:
        gone = [c for c in changes if c.type == "vault.login" and c.action == "delete"]
        base = f"auth/{self._estate.mounts.cert}/certs"
        names = {login_name(subject, c.address.rsplit("/", 1)[-1]) for c in gone}
        if any(c.type in ("vault.entity", "vault.token") for c in changes):
            names |= set(self._clients("plan").keys_under(base, f"{subject.principal}."))
        standing = [n for n in sorted(names) if self._clients("plan").read(f"{base}/{n}").found]
        if standing:
            yield Proof(subject, "vault.login", "failed", f"login roles still stand: {', '.join(standing)}")
        elif names or any(c.type != "ca.certificate" for c in changes):
            yield Proof(subject, "vault.login", "proved", "no login role is there", {"asked": sorted(names)})

    def _tokens(self, subject: SubjectRef, changes: Sequence[Change], known: Known) -> Iterator[Proof]:
        """`sys/capabilities-accessor` refuses a token that is revoked, or whose entity is disabled."""
        accessors = [a for c in changes if c.type == "vault.token" for a in _accessors(c, known)]
        if not any(c.type == "vault.token" for c in changes):
            return
        questions = ({"accessor": a, "path": "sys/mounts"} for a in accessors)
        answers = self._clients("contain").ask_many("sys/capabilities-accessor", questions)
        live = sum(1 for answer in answers if answer.status not in GONE)
        said = {"found": len(accessors)}
        if live:
            yield Proof(subject, "vault.token", "failed", f"{live} of {len(accessors)} tokens still answer", said)
        else:
            yield Proof(subject, "vault.token", "proved", f"none of {len(accessors)} tokens answers", said)


def _accessors(change: Change, known: Known) -> Sequence[str]:
    return known.get(change.address, {}).get("_accessors") or ()
