"""`apply` killed before and after every single writing call: the next run converges, with no orphan credential,
no double issue, and a record that says the run was interrupted."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import pytest

from reconciler.cli.context import Context
from reconciler.model.estate import Estate
from reconciler.providers.protocol import AnswerHook, CallHook, Connection, Prover, Reader, RunLock, Writer
from tests.firm import Firm

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


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

    def use_plan(self, plan_id: str, run_id: str) -> None:
        self.inner.use_plan(plan_id, run_id)

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


def killed(firm: Firm, at: int, side: str) -> bool:
    """Apply in a child process that dies at that call. False when the run ended before it got there."""
    child = os.fork()
    if child == 0:
        honest = Context.connection

        def deadly(self: Context, estate: Estate) -> Connection:
            return Deadly(honest(self, estate), at, side)

        Context.connection = deadly  # type: ignore[method-assign]  # in this child process alone
        try:
            firm.idac("-q", "apply", "--auto-approve")
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def live_serials(firm: Firm) -> dict[str, int]:
    """How many unrevoked certificates each common name has at the CA."""
    pki, admin = firm.estate.mounts.pki, firm.admin
    gone = set(admin.list(f"{pki}/certs/revoked").keys)
    details = admin.list(f"{pki}/certs/detailed").data.get("key_info") or {}
    counted: dict[str, int] = {}
    for serial, facts in details.items():
        if serial not in gone and facts["common_name"].startswith("trader."):
            counted[facts["common_name"]] = counted.get(facts["common_name"], 0) + 1
    return counted


@pytest.mark.parametrize("side", ["before", "after"])
def test_killed_at_every_call_it_converges(firm: Firm, side: str) -> None:
    deaths = at = 0
    number = 0
    while True:
        at += 1
        joiner, leaver = f"j{number}", f"j{number - 1}"
        if number == 0:
            firm.trader(leaver.replace("-", "x"))
            leaver = leaver.replace("-", "x")
            firm.apply()
        holder = firm.holder(leaver)
        assert holder.login() == 200
        firm.trader(joiner)
        firm.leave(leaver)
        died = killed(firm, at, side)
        deaths += died
        firm.apply()
        assert firm.plan()["changes"] == []
        assert live_serials(firm) == {f"trader.{joiner}": 1}, f"killed {side} call {at}"
        assert (holder.read(), holder.renew()) == (403, 403)
        assert holder.login() >= 400
        assert firm.holder(joiner).login() == 200
        number += 1
        if not died:
            break
    assert deaths >= 15  # a joiner and a leaver take more calls than that
    listed = firm.idac("--format", "json", "records", "list", code=0).json["records"]
    assert sum(1 for r in listed if r["status"] == "interrupted") == deaths
    firm.idac("records", "verify", code=0)
