"""A command killed in a child process, before or after any one of its writing calls."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from reconciler.cli.context import Context
from reconciler.model.change import Change
from reconciler.model.delivery import Delivery
from reconciler.model.estate import Estate
from reconciler.model.manifest import SubjectRef
from reconciler.model.outcome import Proof
from reconciler.model.resource import Hold
from reconciler.providers.protocol import AnswerHook, CallHook, Connection, Prover, Reader, RunLock, Writer
from tests.firm import Firm


@dataclass(slots=True)
class Deadly:
    """A connection whose writing calls are counted; at the n-th the process is killed, before or after it."""

    inner: Connection
    at: int
    side: str
    calls: int = field(default=0)

    def __enter__(self) -> Self:
        self.inner.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self.inner.__exit__(*exc)

    def readers(self) -> Sequence[Reader]:
        return self.inner.readers()

    def provers(self) -> Sequence[Prover]:
        return self.inner.provers()

    def lock(self, run_id: str) -> RunLock:
        return self.inner.lock(run_id)

    def holds(self) -> Sequence[Hold]:
        return self.inner.holds()

    def delivery(self, subject: SubjectRef, credential: str) -> Delivery:
        return self.inner.delivery(subject, credential)

    def use_plan(self, plan_id: str, run_id: str) -> None:
        self.inner.use_plan(plan_id, run_id)

    def ledger_head(self) -> tuple[int, str] | None:
        return self.inner.ledger_head()

    def note_ledger_head(self, seq: int, sha256: str) -> None:
        self.inner.note_ledger_head(seq, sha256)

    def writers(self, before: CallHook, after: AnswerHook) -> Mapping[str, Writer]:
        def deadly_before(method: str, path: str) -> None:
            before(method, path)
            self.calls += 1
            if self.side == "before" and self.calls == self.at:
                os.kill(os.getpid(), signal.SIGKILL)

        def deadly_after(method: str, path: str, status: int) -> None:
            if self.side == "after" and self.calls == self.at:
                os.kill(os.getpid(), signal.SIGKILL)
            after(method, path, status)

        return self.inner.writers(deadly_before, deadly_after)

    def second_factor(self, tier: str) -> Proof:
        return self.inner.second_factor(tier)

    def subjects(self) -> frozenset[SubjectRef]:
        return self.inner.subjects()

    def sign_in(self, change: Change) -> Proof:
        return self.inner.sign_in(change)


APPLY = ("apply", "--auto-approve")


def killed(firm: Firm, at: int, side: str, command: Sequence[str] = APPLY) -> bool:
    """One command in a child process that dies at that call. False when the run ended before it got there."""
    child = os.fork()
    if child == 0:
        honest = Context.connection

        def deadly(self: Context, estate: Estate) -> Connection:
            return Deadly(honest(self, estate), at, side)

        Context.connection = deadly  # type: ignore[method-assign]  # in this child process alone
        try:
            firm.idac("-q", *command)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)
