"""The providers there are, and how they share one server. Explicit: a stray folder never becomes live code."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Self

from reconciler.clock import stamp
from reconciler.errors import InvalidInput
from reconciler.model.change import Change
from reconciler.model.delivery import Delivery
from reconciler.model.estate import Estate
from reconciler.model.manifest import SubjectRef
from reconciler.model.outcome import Proof
from reconciler.model.resource import Hold
from reconciler.model.secret import Secret
from reconciler.providers.ca.bootstrap import bootstrap_ca
from reconciler.providers.ca.delivery import delivery
from reconciler.providers.ca.probe import sign_tier_probe
from reconciler.providers.ca.prover import CaProver
from reconciler.providers.ca.reader import CaReader
from reconciler.providers.ca.writer import CaWriter
from reconciler.providers.hsm.bootstrap import bootstrap_hsm
from reconciler.providers.hsm.prover import HsmProver
from reconciler.providers.hsm.reader import HsmReader, MountsReader
from reconciler.providers.hsm.tokens import left_behind, tokens
from reconciler.providers.hsm.writer import HsmWriter
from reconciler.providers.protocol import (
    AnswerHook,
    CallHook,
    Client,
    Connection,
    Identity,
    Prover,
    Reader,
    RunLock,
    Writer,
)
from reconciler.providers.vault.bootstrap import bootstrap
from reconciler.providers.vault.closure import subjects_named
from reconciler.providers.vault.dev import DevServer
from reconciler.providers.vault.devfiles import alone
from reconciler.providers.vault.head import note_head, noted_head
from reconciler.providers.vault.lock import KvLock, use_plan
from reconciler.providers.vault.login import Logins
from reconciler.providers.vault.prover import VaultProver
from reconciler.providers.vault.reader import VaultReader
from reconciler.providers.vault.secondfactor import SecondFactor
from reconciler.providers.vault.signinprobe import SignInProbe
from reconciler.providers.vault.writer import VaultWriter

Told = Callable[[str], None]


def _quiet(words: str) -> None:
    """Whoever does not want to be told."""


class ServerConnection:
    """`providers.protocol.Connection` over one Vault or OpenBao that holds identities and the CA."""

    def __init__(self, estate: Estate, environ: Mapping[str, str], waiting: Told = _quiet) -> None:
        """Connects to nothing yet. Raises `InvalidInput` when no server can be told."""
        self._estate = estate
        self._logins = Logins(estate, environ, waiting)
        self._run_id = ""
        self._lock: KvLock | None = None
        ask, login = self._logins.anonymous().attempt, self._logins.certificate_login
        self._mfa = SecondFactor(self._logins.client, estate, login, self._tier_probe, ask)
        self._signing_in = SignInProbe(self._logins.client, estate, self._logins.test_account, ask)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._logins.close()

    def readers(self) -> Sequence[Reader]:
        """All readers, as planner."""
        client = self._logins.client("plan")
        held = tokens(self._estate, self._logins.client).values()
        return (
            VaultReader(client, self._estate),
            CaReader(client, self._estate),
            MountsReader(client, self._estate),
            *(HsmReader(token, self._estate) for token in held),
        )

    def writers(self, before_write: CallHook, after_write: AnswerHook) -> Mapping[str, Writer]:
        """Writers by provider name; every writing call goes through the hooks."""

        def after(method: str, path: str, status: int) -> None:
            if status == 403 and self._lock is not None:
                self._lock.doubt()
            after_write(method, path, status)

        def clients(identity: Identity) -> Client:
            return self._logins.client(identity, before_write, after)

        hsm = HsmWriter(tokens(self._estate, clients), self._estate)
        return {
            "vault": VaultWriter(clients, self._estate, self._run_id, stamp),
            "ca": CaWriter(clients, self._estate, self._run_id, request=hsm.request),
            "hsm": hsm,
        }

    def provers(self) -> Sequence[Prover]:
        """All provers, as planner and contain."""
        clients, login = self._logins.client, self._logins.certificate_login
        return (
            VaultProver(clients, self._estate),
            CaProver(clients, self._estate, login),
            HsmProver(tokens(self._estate, clients), self._estate, partial(left_behind, self._estate, clients)),
            self._mfa,
            self._signing_in,
        )

    def lock(self, run_id: str) -> RunLock:
        """The estate's run lock, for this run."""
        self._run_id = run_id
        self._lock = KvLock(self._logins, self._estate, run_id)
        return self._lock

    def holds(self) -> Sequence[Hold]:
        """The holds as they stand now, as planner."""
        return VaultReader(self._logins.client("plan"), self._estate).holds()

    def subjects(self) -> frozenset[SubjectRef]:
        """Whose entities stand, by their names, as planner."""
        return subjects_named(self._logins.client("plan"), self._estate)

    def delivery(self, subject: SubjectRef, credential: str) -> Delivery:
        """A credential's certificate as delivered."""
        return delivery(self._logins.client("plan"), self._estate, subject, credential, stamp())

    def second_factor(self, tier: str) -> Proof:
        """Whether an MFA tier really holds; asked once a run."""
        return self._mfa.holds(tier)

    def sign_in(self, change: Change) -> Proof:
        """Whether ID tokens without what a login asks for are refused; asked once a run."""
        return self._signing_in.holds(change)

    def _tier_probe(self) -> tuple[str, Secret]:
        """A certificate for the probe of MFA tiers, and its key."""
        return sign_tier_probe(self._logins.client("contain"), self._estate)

    def use_plan(self, plan_id: str, run_id: str) -> None:
        """Note on the server that this plan is being applied. Raises `Stale` if it ever was."""
        use_plan(self._logins, self._estate, plan_id, run_id)

    def ledger_head(self) -> tuple[int, str] | None:
        """The newest record that a run noted."""
        return noted_head(self._logins, self._estate)

    def note_ledger_head(self, seq: int, sha256: str) -> None:
        """Note it."""
        note_head(self._logins, self._estate, seq, sha256)


def open_connection(estate: Estate, environ: Mapping[str, str], waiting: Told = _quiet) -> Connection:
    """The estate's server, not yet spoken to. `waiting` is told, in words, when it keeps somebody waiting."""
    return ServerConnection(estate, environ, waiting)


def dev_server(directory: Path) -> DevServer:
    """The trial server of the estate in this directory."""
    return DevServer(directory / ".idac")


def bootstrap_estate(estate: Estate, environ: Mapping[str, str], waiting: Told = _quiet) -> tuple[str, ...]:
    """Prepare the server for this estate, as administrator; what was made or mended, in words.

    The administrator's token is `VAULT_TOKEN`, or the trial server's root token under `.idac/`. Raises
    `InvalidInput` when there is neither, or when only idac.yaml says where it would go, and `TargetError`.
    """
    noted = Path(estate.root) / ".idac" / "root-token"
    token = environ.get("VAULT_TOKEN") or (noted.read_text().strip() if noted.exists() else "")
    if not token:
        raise InvalidInput("bootstrap needs an administrator's token", remedy="set VAULT_TOKEN")
    with alone(Path(estate.root) / ".idac"), Logins(estate, environ, waiting) as logins:
        if environ.get("VAULT_TOKEN"):
            logins.server.require_named_outside("VAULT_TOKEN")
        admin = logins.given(Secret(token))
        bootstrap_ca(admin, estate, logins.server.address)
        laid = bootstrap_hsm(admin, estate)
        return (*laid, *bootstrap(admin, estate, logins.server.address))
