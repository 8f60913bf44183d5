"""Asks Vault afresh whether a contained subject still has power there, and names what nobody asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reconciler.errors import IdacError
from reconciler.model.change import Change
from reconciler.model.estate import Estate
from reconciler.model.manifest import SubjectRef
from reconciler.model.outcome import Proof, ProofStatus
from reconciler.providers.protocol import Clients, Known
from reconciler.providers.vault.issuers import mounted
from reconciler.providers.vault.resources import entity_name, login_path
from reconciler.providers.vault.seen import entity_at
from reconciler.providers.vault.tokens import is_gone

CAPABILITIES = "sys/capabilities-accessor"
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
            if change.subject is not None and not change.asks:
                subjects.setdefault(change.subject, []).append(change)
        return tuple(p for s, changes in subjects.items() for p in self._subject(s, changes, known))

    def _subject(self, subject: SubjectRef, changes: Sequence[Change], known: Known) -> Iterator[Proof]:
        whole = any(c.whole for c in changes)
        asked = [("vault.login", self._logins), ("vault.token", self._tokens)]
        if whole:
            asked = [("vault.entity", self._entity), *asked]
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
        name = entity_name(self._estate, subject)
        taken = False
        for id_ in ids:
            found = self._read(f"identity/entity/id/{id_}")
            state = "gone" if found is None else "disabled" if found["disabled"] else "enabled"
            status: ProofStatus = "failed" if state == "enabled" else "proved"
            taken = taken or (found is not None and found["name"] == name)
            yield Proof(subject, "vault.entity", status, f"the entity is {state}", {"id": id_})
        other = None if taken else self._read(f"identity/entity/name/{name}")
        if other is not None and not other["disabled"]:
            detail = f"another entity, enabled, has the name {name}"
            yield Proof(subject, "vault.entity", "failed", detail, {"id": other["id"]})

    def _read(self, path: str) -> Mapping[str, Any] | None:
        return entity_at(path, self._clients("plan").read(path))

    def _logins(self, subject: SubjectRef, changes: Sequence[Change], known: Known) -> Iterator[Proof]:
        plan = self._clients("plan")
        paths = {
            login_path(self._estate, c.address)
            for c in changes
            if c.type == "vault.login" and c.action == "delete"
        }
        whole = any(c.whole for c in changes)
        for base in self._login_folders() if whole else ():
            paths |= {f"{base}/{name}" for name in plan.keys_under(base, f"{subject.principal}.")}
        standing = sorted(_last(path) for path in paths if plan.read(path).found)
        if standing:
            yield Proof(subject, "vault.login", "failed", f"login roles still stand: {', '.join(standing)}")
        elif paths or whole:
            asked = {"asked": sorted(map(_last, paths))}
            yield Proof(subject, "vault.login", "proved", "no login role is there", asked)

    def _login_folders(self) -> tuple[str, ...]:
        """Where subjects' login roles may stand: cert auth, and the JWT mounts there are."""
        there = mounted(self._clients("plan"), self._estate) if self._estate.spec.token_issuers else {}
        return (f"auth/{self._estate.mounts.cert}/certs", *(f"auth/{mount}/role" for mount in there))

    def _tokens(self, subject: SubjectRef, changes: Sequence[Change], known: Known) -> Iterator[Proof]:
        """`sys/capabilities-accessor` refuses a token that is revoked, or whose entity is disabled."""
        revoked = [known.get(c.address, {}).get("_accessors") for c in changes if c.type == "vault.token"]
        if not revoked:
            return
        if None in revoked:
            detail = "which tokens there were was not found out"
            yield Proof(subject, "vault.token", "failed", detail)
            return
        accessors = [a for found in revoked for a in found or ()]
        questions = ({"accessor": a, "path": "sys/mounts"} for a in accessors)
        answers = self._clients("contain").ask_many(CAPABILITIES, questions)
        live = sum(1 for answer in answers if not is_gone(answer, CAPABILITIES))
        said = {"found": len(accessors)}
        if live:
            yield Proof(subject, "vault.token", "failed", f"{live} of {len(accessors)} tokens still answer", said)
        elif accessors:
            yield Proof(subject, "vault.token", "proved", f"none of {len(accessors)} tokens answers", said)
        else:
            detail = "no token of the entity was found among all that the server lists"
            yield Proof(subject, "vault.token", "proved", detail, said)


def _last(path: str) -> str:
    return path.rsplit("/", 1)[-1]
