"""Asks every token afresh whether a contained subject's keys are gone, or sign no more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from reconciler.errors import IdacError
from reconciler.model.change import Change
from reconciler.model.estate import Estate
from reconciler.model.manifest import SubjectRef
from reconciler.model.outcome import Proof
from reconciler.providers.hsm.backend import Token
from reconciler.providers.hsm.resources import prefix
from reconciler.providers.hsm.seen import UNKNOWN
from reconciler.providers.protocol import Known


class HsmProver:
    """One proof for each subject and token. Never raises for one of them."""

    def __init__(
        self, tokens: Mapping[str, Token], estate: Estate, left: Callable[[], Mapping[str, Token]] = dict
    ) -> None:
        """`left` gives the tokens that idac.yaml names no more: a key of the subject may be in one of them."""
        self._tokens, self._estate, self._left = tokens, estate, left

    def prove(self, contained: Sequence[Change], known: Known) -> tuple[Proof, ...]:
        """Of whoever loses everything no key signs; of whoever stays, those that were to go are gone."""
        subjects: dict[SubjectRef, list[Change]] = {}
        for change in contained:
            if change.subject is not None:
                subjects.setdefault(change.subject, []).append(change)
        proofs = [
            proof
            for subject, changes in subjects.items()
            for token in self._tokens.values()
            for proof in self._subject(subject, changes, token)
        ]
        whole = [s for s, changes in subjects.items() if s.kind != UNKNOWN and any(c.whole for c in changes)]
        left = self._left() if whole else {}
        return (*proofs, *(self._forgotten(subject, token) for subject in whole for token in left.values()))

    def _forgotten(self, subject: SubjectRef, token: Token) -> Proof:
        """In a token that nobody looks after nothing is taken; a key that signs there is not kept quiet."""
        system, remedy = f"hsm.{token.name}", "put the token back into `hsmTokens`, and contain again"
        try:
            wrong, good, asked = self._ask(subject, (), token, whole=True)
        except IdacError as error:
            detail = f"no token in `hsmTokens` stands for it, so a key may be left that signs ({error}): {remedy}"
            return Proof(subject, system, "not-covered", detail)
        if wrong:
            return Proof(subject, system, "failed", f"{'; '.join(wrong)}: {remedy}", {"keys": asked})
        return Proof(subject, system, "proved", good, {"keys": asked})

    def _subject(self, subject: SubjectRef, changes: Sequence[Change], token: Token) -> Iterator[Proof]:
        own = [c for c in changes if c.type == "hsm.key" and c.address.endswith(f"/{token.name}")]
        whole = any(c.whole for c in changes)
        if not own and not whole:
            return
        system = f"hsm.{token.name}"
        try:
            wrong, good, asked = self._ask(subject, own, token, whole=whole)
        except IdacError as error:
            yield Proof(subject, system, "failed", f"it could not be asked: {error}")
            return
        detail = "; ".join(wrong) or good
        yield Proof(subject, system, "failed" if wrong else "proved", detail, {"keys": asked})

    def _ask(
        self, subject: SubjectRef, own: Sequence[Change], token: Token, *, whole: bool
    ) -> tuple[list[str], str, list[str]]:
        """What is still there, what there is to say if that is nothing, and which keys were asked about."""
        changed = {str(c.actual.fields["name"]): c for c in own if c.actual is not None}
        names = set(changed)
        if whole and subject.kind != UNKNOWN:
            names |= set(token.names(prefix(self._estate, subject)))
        wrong: list[str] = []
        left = 0
        for name in sorted(names):
            key, change = token.read(name), changed.get(name)
            if key is None:
                continue
            left += 1
            newest = (change.after or {}).get("version") if change is not None else None
            if change is not None and change.action == "delete":
                wrong.append(f"key {name} is still there")
            elif newest is not None and not whole:
                older = [version.name for version in key.versions if version.name != newest]
                wrong += [f"key {name} still has version {version}" for version in older]
            elif key.active:
                wrong.append(f"key {name} still signs")
        good = "no key is there" if not left else "no key signs" if whole else "what was to go is gone"
        return wrong, good, sorted(names)
