"""A small estate on the real OpenBao: its CA, its deliveries, cert auth, and the ways to change them."""

from __future__ import annotations

import http.client
import json
import ssl
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import urllib3

from reconciler.diff import diff
from reconciler.errors import Denied, Rejected
from reconciler.model.change import Change
from reconciler.model.estate import Estate, EstateSpec
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Actual, Desired, Fields, Observation, Resource
from reconciler.model.secret import Secret
from reconciler.observe import observe
from reconciler.providers.ca.bootstrap import bootstrap_ca
from reconciler.providers.ca.reader import CaReader
from reconciler.providers.ca.resources import PROBE_NAME, Profile, certificate, crl, profile
from reconciler.providers.ca.writer import CaWriter
from reconciler.providers.protocol import Answer, Client, Identity
from reconciler.x509 import new_key_and_csr, read_csr, rfc3339
from tests.openbao import Raw, Server

PROFILE = Profile("trader-mtls", ("trader",), 12 * 3600, organization=("Acme",), ou=("fx",))


class Killed(BaseException):
    """The process died here."""


class RawClient:
    """The `Client` protocol over plain calls, with a list of the calls and a place to die."""

    def __init__(self, raw: Raw) -> None:
        self._raw = raw
        self._pool = urllib3.PoolManager(ca_certs=str(raw.ca_cert), retries=False, timeout=30.0)
        self.calls: list[str] = []
        self.die: Callable[[int, str], None] = lambda n, when: None  # n counts writing calls from 0
        self._writes = 0

    def close(self) -> None:
        self._pool.clear()

    def _answer(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        self.calls.append(f"{method} {path}")
        reply = self._raw.call(method, path, body)
        if reply.status == 403:
            raise Denied(f"{method} {path}: {reply.errors}")
        if reply.status >= 400 and (reply.status != 404 or reply.errors):
            raise Rejected(f"{method} {path}: {reply.status} {reply.errors}")
        return Answer(reply.status, reply.body)

    def read_many(self, paths: Iterable[str]) -> Iterator[tuple[str, Answer]]:
        return ((path, self.read(path)) for path in paths)

    def ask_many(self, path: str, bodies: Iterable[Mapping[str, Any]]) -> Iterator[Answer]:
        replies = (self._raw.call("POST", path, body) for body in bodies)
        return (Answer(reply.status, reply.body) for reply in replies)

    def arm(self, index: int, when: str) -> None:
        """Die before or after the index-th writing call from now on."""
        self._writes = 0

        def die(n: int, now: str) -> None:
            if (n, now) == (index, when):
                raise Killed(f"{when} call {n}")

        self.die = die

    def disarm(self) -> None:
        self.die = lambda n, when: None

    def read(self, path: str) -> Answer:
        return self._answer("GET", path)

    def list(self, path: str) -> Answer:
        return self._answer("LIST", path)

    def write(
        self, path: str, body: Mapping[str, Any], *, method: str = "POST", tolerate: Sequence[str] = ()
    ) -> Answer:
        answer = self._dying(method, path, body)
        warnings = [w for w in answer.body.get("warnings") or () if not any(t in w for t in tolerate)]
        if warnings:
            raise Rejected(f"{method} {path}: {warnings}")
        return answer

    def delete(self, path: str) -> Answer:
        return self._dying("DELETE", path)

    def _dying(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        n, self._writes = self._writes, self._writes + 1
        self.die(n, "before")
        answer = self._answer(method, path, body)
        self.die(n, "after")
        return answer

    def fetch(self, path: str, *, body: bytes | None = None, content_type: str = "") -> bytes:
        self.calls.append(f"FETCH {path}")
        headers = {"Content-Type": content_type} if content_type else {}
        method = "GET" if body is None else "POST"
        answer = self._pool.request(method, f"{self._raw.address}/v1/{path}", body=body, headers=headers)
        if answer.status >= 400:
            raise Rejected(f"{path}: {answer.status}")
        return answer.data


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


@dataclass(slots=True)
class World:
    """One estate, and what its manifests say."""

    server: Server
    estate: Estate
    client: RawClient
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
        return CaReader(client or self.client, self.estate, lambda: rfc3339(self.now()))

    def actual(self) -> Actual:
        return observe([self.reader(), Entities(tuple(self.wanted))])

    def plan(self) -> list[Change]:
        changes = diff(self.desired(), self.actual(), self.now())
        return sorted((c for c in changes if c.type.startswith("ca.")), key=lambda c: c.order)

    def clients(self, identity: Identity) -> Client:
        return self.client

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


def make_world(server: Server, raw: Raw, name: str, directory: Path) -> World:
    """An estate with its CA, KV and cert auth, and the probe's login role."""
    estate = make_estate(name, directory)
    client = RawClient(raw)
    bootstrap_ca(client, estate, server.address)
    raw.ok("POST", f"sys/mounts/{estate.mounts.kv}", {"type": "kv", "options": {"version": "2"}})
    raw.ok("POST", f"sys/auth/{estate.mounts.cert}", {"type": "cert"})
    authority = client.read(f"{estate.mounts.pki}/issuer/default").data["certificate"]
    body = {"certificate": authority, "allowed_common_names": PROBE_NAME, "token_ttl": 60}
    raw.ok("POST", f"auth/{estate.mounts.cert}/certs/{PROBE_NAME}", body)
    deadline = time.monotonic() + 10
    while raw.read(f"{estate.mounts.kv}/config").status != 200:  # a new KV v2 mount makes its keys first
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return World(server, estate, client)


def make_estate(name: str, directory: Path) -> Estate:
    spec = EstateSpec.model_validate({"trustDomain": "acme.test"})
    return Estate(name=name, root=str(directory), spec=spec, configuration_digest="0", policy_digest="0")


@contextmanager
def a_world(server: Server, name: str, directory: Path) -> Iterator[World]:
    """A world, and the end of its connections."""
    raw = server.raw()
    world = make_world(server, raw, name, directory)
    yield world
    world.client.close()
    raw.close()
