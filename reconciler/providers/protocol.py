"""What a provider is. A provider never imports another provider, nor a kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, Self

from reconciler.errors import Rejected
from reconciler.model.change import Change
from reconciler.model.delivery import Delivery
from reconciler.model.manifest import Finding, SubjectRef
from reconciler.model.outcome import Proof
from reconciler.model.resource import Address, Fields, Hold, Observation, Resource
from reconciler.model.secret import Secret

# Facts learned before a change: from the observation, then from the evidence of changes already applied.
Known = Mapping[Address, Fields]


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's answer. `found` is false for a 404 with an empty error list (nothing there, nothing wrong)."""

    status: int
    body: Mapping[str, Any]

    @property
    def found(self) -> bool:
        """Whether there is something at that path."""
        return self.status != 404

    @property
    def data(self) -> Mapping[str, Any]:
        """The `data` member, empty when absent, or when it is no object."""
        data = self.body.get("data")
        return data if isinstance(data, Mapping) else {}

    @property
    def keys(self) -> Sequence[str]:
        """What a LIST found; empty for nothing."""
        return tuple(self.data.get("keys") or ())

    @property
    def said(self) -> str:
        """What the server says was wrong; its status where it says nothing."""
        return "; ".join(map(str, self.body.get("errors") or ())) or f"status {self.status}"


class Client(Protocol):
    """One authenticated door to the server. Paths carry no leading `/v1/`. Thread-safe.

    Raises `Unreachable`, `Denied`, `Overloaded` or `Rejected`; a 404 for "no handler for route" is
    `Rejected`, any other 404 an Answer that is not `found`. Warnings in an answer to a write raise
    `Rejected`, but for those named in `tolerate`.
    """

    def read(self, path: str) -> Answer:
        """GET one path."""
        ...

    def list(self, path: str, *, stored: Callable[[str], str] = str) -> Answer:
        """LIST one path, all pages. `stored` spells a key as the server stores it, where it shows another."""
        ...

    def keys_under(self, path: str, prefix: str) -> Sequence[str]:
        """LIST only the keys that begin with `prefix`: no more than those are asked of a server that pages."""
        ...

    def read_many(self, paths: Iterable[str]) -> Iterator[tuple[str, Answer]]:
        """GET many paths, pipelined; answers come in the order of `paths`."""
        ...

    def ask_many(self, path: str, bodies: Iterable[Mapping[str, Any]]) -> Iterator[Answer]:
        """POST many harmless questions to one path (such as token look-ups); may be repeated on failure.

        A 4xx is an Answer here, not an exception: "no such accessor" is what is being asked.
        """
        ...

    def write(
        self, path: str, body: Mapping[str, Any], *, method: str = "POST", tolerate: Sequence[str] = ()
    ) -> Answer:
        """Change something. Never repeated by the client after the request was sent."""
        ...

    def delete(self, path: str) -> Answer:
        """DELETE one path; nothing there is no error."""
        ...

    def fetch(self, path: str, *, body: bytes | None = None, content_type: str = "") -> bytes:
        """Raw bytes of an unauthenticated endpoint (CRL, OCSP)."""
        ...


class Reader(Protocol):
    """Sees one provider's part of the target. Cannot write: it holds the planner's client."""

    name: str

    def observe(self) -> Observation:
        """Everything that is there: complete, or an error of the `TargetError` tree."""
        ...

    def observe_subject(self, subject: SubjectRef) -> Observation:
        """All that stands for one subject, in a number of requests that does not grow with the estate.

        Complete, or an error of the `TargetError` tree. A resource without a subject in it is one that holds
        something of this subject's. What is ours besides is not looked at.
        """
        ...


class Writer(Protocol):
    """Carries out one change at a time. Idempotent: told twice, it does the thing once.

    Before writing it checks that what it found at plan time still holds. After writing it reads back
    and raises if the system does not say what was asked. Returns public evidence.
    """

    def apply(self, change: Change, known: Known) -> Fields:
        """Do it, verify it, and say with which serials, ids and versions. Raises `IdacError`."""
        ...


class Prover(Protocol):
    """Asks the live system afresh whether a contained subject still has power."""

    def prove(self, contained: Sequence[Change], known: Known) -> tuple[Proof, ...]:
        """One Proof per subject and system. Never raises for one subject's failure: that is a `failed` Proof."""
        ...


class RunLock(Protocol):
    """One run at a time. Whoever takes a stale lock has revoked the old runner's logins first."""

    def acquire(self) -> None:
        """Take the lock. Raises `Refused` when a live run holds it."""
        ...

    def alive(self) -> None:
        """Renew the lock when that is due. Raises `Refused` when it was lost: nothing more may be written."""
        ...

    def release(self) -> None:
        """Give the lock back; nothing when it was lost."""
        ...


class Connection(Protocol):
    """A target system with its four logins, each made only when it is needed.

    A context manager: leaving it gives back the tokens it took and closes what it opened.
    """

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

    def readers(self) -> Sequence[Reader]:
        """All readers, as planner."""
        ...

    def writers(self, before_write: CallHook, after_write: AnswerHook) -> Mapping[str, Writer]:
        """Writers by provider name. The hooks run around every writing call (the journal's)."""
        ...

    def provers(self) -> Sequence[Prover]:
        """All provers, as contain."""
        ...

    def lock(self, run_id: str) -> RunLock:
        """The estate's run lock, for this run."""
        ...

    def holds(self) -> Sequence[Hold]:
        """The holds as they stand now, as planner. Raises a `TargetError` when they cannot be read."""
        ...

    def subjects(self) -> frozenset[SubjectRef]:
        """Whose entities stand, by their names, as planner: one LIST. Raises a `TargetError`."""
        ...

    def delivery(self, subject: SubjectRef, credential: str) -> Delivery:
        """A credential's certificate as delivered. Raises `InvalidInput` for none, `Refused` if altered."""
        ...

    def second_factor(self, tier: str) -> Proof:
        """Whether the server refuses a login under that MFA tier without its code: a probe tries. Never raises."""
        ...

    def sign_in(self, change: Change) -> Proof:
        """Whether the server refuses tokens that lack what this login by ID token asks for: a probe tries, where
        there is one. Never raises."""
        ...

    def use_plan(self, plan_id: str, run_id: str) -> None:
        """Note on the server that this plan is being applied. Raises `Stale` if it ever was."""
        ...

    def ledger_head(self) -> tuple[int, str] | None:
        """Number and SHA-256 of the newest record that a run noted on the server; None before the first."""
        ...

    def note_ledger_head(self, seq: int, sha256: str) -> None:
        """Note it, under the lock. Never raises: what is noted is then an earlier one."""
        ...


Identity = Literal["plan", "contain", "grant", "govern"]
Clients = Callable[[Identity], Client]  # one of the four identities; logs in on first use
# (certificate chain PEM, private key, role name) -> the answer of a cert-auth login on the estate's mount; a
# refusal (4xx) is an Answer. Used only with keys of the tool's own probe.
CertificateLogin = Callable[[str, Secret, str], Answer]
# (address of a standing key in an HSM token, its SPKI) -> a certificate request that it signed (PEM).
KeyRequest = Callable[[Address, str], str]
CallHook = Callable[[str, str], None]  # (method, path), before a writing call is sent
AnswerHook = Callable[[str, str, int], None]  # (method, path, status), after it was answered


def no_keys(address: Address, spki: str) -> str:
    """The `KeyRequest` of a target without HSM tokens. Always raises `Rejected`."""
    raise Rejected(f"{address}: there is no HSM token to ask", remedy="see `hsmTokens` in idac.yaml")


def deviation(what: str) -> Finding:
    """F02: something that bootstrap lays and that is otherwise now. `what` says what, and in which respect."""
    remedy = "if nobody changed idac.yaml, an administrator must look into it; `idac bootstrap` lays it anew"
    return Finding("F02", "error", f"{what} — {remedy}")


def desired_of(change: Change) -> Resource:
    """What the change wants. Raises `Rejected` when it does not say."""
    if change.desired is None:
        raise Rejected(f"{change.address}: the change does not say what is desired")
    return change.desired


def actual_of(change: Change) -> Resource:
    """What was observed. Raises `Rejected` when the change does not say."""
    if change.actual is None:
        raise Rejected(f"{change.address}: the change does not say what was there")
    return change.actual
