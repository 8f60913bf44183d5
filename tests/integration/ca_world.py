"""A small estate on the real OpenBao: its CA, its deliveries, cert auth, and the ways to change them."""

from __future__ import annotations

import http.client
import json
import ssl
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from reconciler.clock import rfc3339
from reconciler.diff import diff
from reconciler.model.change import Change
from reconciler.model.estate import Estate
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Actual, Desired, Fields, Observation, Resource
from reconciler.model.secret import Secret
from reconciler.observe import observe
from reconciler.providers.ca.reader import CaReader
from reconciler.providers.ca.resources import Profile, certificate, crl, profile
from reconciler.providers.ca.writer import CaWriter
from reconciler.providers.protocol import Answer, Client, Identity
from reconciler.providers.vault.client import HttpClient
from reconciler.providers.vault.transport import Transport
from reconciler.providers.vault.wire import Pool
from reconciler.x509 import new_key_and_csr, read_csr
from tests.keys import TOKENS
from tests.openbao import Server, fresh_estate, log_in
from tests.workloads import WorkloadIssuer

PROFILE = Profile("trader-mtls", ("trader",), 12 * 3600, organization=("Acme",), ou=("fx",))


class Killed(BaseException):
    """The process died here."""


@dataclass(slots=True)
class Watch:
    """What all clients of a world sent, and the place where they die."""

    calls: list[str] = field(default_factory=list)
    writes: int = 0  # writing calls so far
    die: Callable[[int, str], None] = lambda n, when: None

    def arm(self, index: int, when: str) -> None:
        """Die before or after the index-th writing call from now on."""
        self.writes = 0

        def die(n: int, now: str) -> None:
            if (n, now) == (index, when):
                raise Killed(f"{when} call {n}")

        self.die = die

    def disarm(self) -> None:
        self.die = lambda n, when: None


class Watched:
    """A real client whose calls are noted, and which can die at one of them."""

    def __init__(self, client: Client, watch: Watch) -> None:
        self.client, self.watch = client, watch

    def read(self, path: str) -> Answer:
        self.watch.calls.append(f"GET {path}")
        return self.client.read(path)

    def list(self, path: str, *, stored: Callable[[str], str] = str) -> Answer:
        self.watch.calls.append(f"LIST {path}")
        return self.client.list(path, stored=stored)

    def keys_under(self, path: str, prefix: str) -> Sequence[str]:
        self.watch.calls.append(f"LIST {path}")
        return self.client.keys_under(path, prefix)

    def read_many(self, paths: Iterable[str]) -> Iterator[tuple[str, Answer]]:
        for path, answer in self.client.read_many(paths):
            self.watch.calls.append(f"GET {path}")
            yield path, answer

    def ask_many(self, path: str, bodies: Iterable[Mapping[str, Any]]) -> Iterator[Answer]:
        return self.client.ask_many(path, bodies)

    def write(
        self, path: str, body: Mapping[str, Any], *, method: str = "POST", tolerate: Sequence[str] = ()
    ) -> Answer:
        send = partial(self.client.write, path, body, method=method, tolerate=tolerate)
        return self._dying(f"{method} {path}", send)

    def delete(self, path: str) -> Answer:
        return self._dying(f"DELETE {path}", partial(self.client.delete, path))

    def _dying(self, call: str, send: Callable[[], Answer]) -> Answer:
        n, self.watch.writes = self.watch.writes, self.watch.writes + 1
        self.watch.die(n, "before")
        self.watch.calls.append(call)
        answer = send()
        self.watch.die(n, "after")
        return answer

    def fetch(self, path: str, *, body: bytes | None = None, content_type: str = "") -> bytes:
        self.watch.calls.append(f"FETCH {path}")
        return self.client.fetch(path, body=body, content_type=content_type)


@dataclass(slots=True)
class Entities:
    """What the Vault reader would say of the subjects' entities."""

    subjects: Sequence[SubjectRef]
    name: str = "vault"

    def observe(self) -> Observation:
        fields = {"name": "n", "policies": [], "aliases": [], "disabled": False, "state": "active"}
        return Observation(
            tuple(Resource(f"vault.entity/{s}", s, fields, {"id": f"id-of-{s.name}"}) for s in self.subjects)
        )

    def observe_subject(self, subject: SubjectRef) -> Observation:
        return Observation(tuple(r for r in self.observe().resources if r.subject == subject))


@dataclass(slots=True)
class World:
    """One estate, and what its manifests say."""

    server: Server
    estate: Estate
    client: Client  # the administrator's, for preparing and tampering
    identities: Mapping[Identity, Client]
    watch: Watch
    profile: Profile = PROFILE
    wanted: dict[SubjectRef, str] = field(default_factory=dict)  # subject -> CSR
    keys: dict[SubjectRef, Secret] = field(default_factory=dict)
    ends: dict[SubjectRef, str] = field(default_factory=dict)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)  # of the reader and the diff

    def trader(self, name: str, end: str | None = None) -> SubjectRef:
        """A new trader with one mTLS certificate."""
        subject = SubjectRef("trader", name)
        self.keys[subject], self.wanted[subject] = new_key_and_csr("ignored")
        if end is not None:
            self.ends[subject] = end
        return subject

    def leave(self, subject: SubjectRef) -> None:
        del self.wanted[subject]

    def address(self, subject: SubjectRef) -> str:
        return f"ca.certificate/{subject}/mtls"

    def desired(self) -> Desired:
        made = [profile(self.estate, self.profile), crl()]
        for subject, csr in self.wanted.items():
            made.append(
                certificate(
                    self.estate,
                    subject,
                    "mtls",
                    self.profile,
                    csr=csr,
                    spki=read_csr(csr).spki,
                    renew_before=4 * 3600,
                    max_key_age=None,
                    end=self.ends.get(subject),
                )
            )
        return Desired({r.address: r for r in made}, {s: "active" for s in self.wanted})

    def later(self, **delta: float) -> None:
        """The reader and the diff believe that it is later; the server and the writer know better."""
        self.now = lambda: datetime.now(UTC) + timedelta(**delta)

    def reader(self, client: Client | None = None) -> CaReader:
        return CaReader(client or self.identities["plan"], self.estate, lambda: rfc3339(self.now()))

    def actual(self) -> Actual:
        return observe([self.reader(), Entities(tuple(self.wanted))])

    def plan(self) -> list[Change]:
        changes = diff(self.desired(), self.actual(), self.now())
        return sorted((c for c in changes if c.type.startswith("ca.")), key=lambda c: c.order)

    def clients(self, identity: Identity) -> Client:
        return self.identities[identity]

    def writer(self, clock: Callable[[], str] = lambda: rfc3339(datetime.now(UTC))) -> CaWriter:
        return CaWriter(self.clients, self.estate, "run-1", clock)

    def run(self) -> list[Change]:
        """Plan, apply; the changes."""
        changes = self.plan()
        for change in changes:
            self.writer().apply(change, {})
        return changes

    def settle(self, rounds: int = 4) -> int:
        """Plan and apply until nothing is to be done; how many rounds that took."""
        for n in range(rounds):
            if not self.run():
                return n
        raise AssertionError(f"still to do after {rounds} rounds: {[c.address for c in self.plan()]}")

    def facts(self, subject: SubjectRef) -> Fields:
        return self.actual().resources[self.address(subject)].facts

    def pem(self, serial: str) -> str:
        return str(self.client.read(f"{self.estate.mounts.pki}/cert/{serial}").data["certificate"]) + "\n"

    def login(self, chain: str, key: Secret, role: str) -> Answer:
        """A cert-auth login with a client certificate over TLS."""
        host, port = self.server.address.removeprefix("https://").rsplit(":", 1)
        with tempfile.TemporaryDirectory() as directory:
            chain_file, key_file = Path(directory, "chain.pem"), Path(directory, "key.pem")
            chain_file.write_text(chain)
            key_file.write_text(key.reveal())
            context = ssl.create_default_context(cafile=str(self.server.ca_cert))
            context.load_cert_chain(chain_file, key_file)
        connection = http.client.HTTPSConnection(host, int(port), context=context, timeout=30)
        try:
            connection.request(
                "POST", f"/v1/auth/{self.estate.mounts.cert}/login", json.dumps({"name": role}).encode()
            )
            answer = connection.getresponse()
            return Answer(answer.status, json.loads(answer.read() or b"{}"))
        finally:
            connection.close()


IDENTITIES: tuple[Identity, ...] = ("plan", "contain", "grant", "govern")


@contextmanager
def a_world(server: Server, directory: Path, address: str = "") -> Iterator[World]:
    """A bootstrapped estate with its four logins, and the end of its connections.

    `address` is where the clients reach the server, if not at its own.
    """
    estate = fresh_estate(server, directory, trustDomain="acme.test", hsmTokens=TOKENS, **WorkloadIssuer().spec)
    transport = Transport(Pool(address or server.address, str(server.ca_cert)))
    watch = Watch()
    clients: dict[Identity, Client] = {}
    for identity in IDENTITIES:
        raw = log_in(server, estate, identity)
        clients[identity] = Watched(HttpClient(transport, Secret(raw.token), who=identity), watch)
        raw.close()
    admin = HttpClient(transport, Secret(server.root_token), who="admin")
    yield World(server, estate, admin, clients, watch)
    transport.close()
