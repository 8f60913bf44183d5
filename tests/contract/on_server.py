"""The providers on the real OpenBao."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from reconciler.clock import now, stamp
from reconciler.errors import TargetError, Unreachable
from reconciler.model.estate import Estate
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Address
from reconciler.providers.ca.prover import CaProver
from reconciler.providers.ca.reader import CaReader
from reconciler.providers.ca.writer import CaWriter
from reconciler.providers.hsm.prover import HsmProver
from reconciler.providers.hsm.reader import HsmReader
from reconciler.providers.hsm.resources import key_name
from reconciler.providers.hsm.tokens import tokens
from reconciler.providers.hsm.writer import HsmWriter
from reconciler.providers.protocol import Answer, Client, Identity, Prover, Reader, Writer
from reconciler.providers.vault.prover import VaultProver
from reconciler.providers.vault.reader import VaultReader
from reconciler.providers.vault.writer import VaultWriter
from tests.integration.ca_world import World


@dataclass(slots=True)
class Deaf:
    """A client one of whose questions is answered with an error: the `nth`, or every one."""

    client: Client
    error: TargetError
    nth: int | None = None
    asked: int = 0

    def _ask(self) -> None:
        here, self.asked = self.asked, self.asked + 1
        if self.nth is None or here == self.nth:
            raise self.error

    def read(self, path: str) -> Answer:
        self._ask()
        return self.client.read(path)

    def list(self, path: str, *, stored: Callable[[str], str] = str) -> Answer:
        self._ask()
        return self.client.list(path, stored=stored)

    def keys_under(self, path: str, prefix: str) -> Sequence[str]:
        self._ask()
        return self.client.keys_under(path, prefix)

    def read_many(self, paths: Iterable[str]) -> Iterator[tuple[str, Answer]]:
        for path in paths:
            self._ask()
            yield from self.client.read_many([path])

    def ask_many(self, path: str, bodies: Iterable[Mapping[str, Any]]) -> Iterator[Answer]:
        self._ask()
        return self.client.ask_many(path, bodies)

    def write(
        self, path: str, body: Mapping[str, Any], *, method: str = "POST", tolerate: Sequence[str] = ()
    ) -> Answer:
        self._ask()
        return self.client.write(path, body, method=method, tolerate=tolerate)

    def delete(self, path: str) -> Answer:
        self._ask()
        return self.client.delete(path)

    def fetch(self, path: str, *, body: bytes | None = None, content_type: str = "") -> bytes:
        self._ask()
        return self.client.fetch(path, body=body, content_type=content_type)


@dataclass(slots=True)
class Remembering:
    """A client that puts each question once, and gives its answer to whoever asks the same again."""

    client: Client
    said: dict[tuple[Any, ...], Any] = field(default_factory=dict)

    def _once(self, question: tuple[Any, ...], ask: Callable[[], Any]) -> Any:
        if question not in self.said:
            try:
                self.said[question] = ask()
            except TargetError as refusal:
                self.said[question] = refusal
        if isinstance(self.said[question], TargetError):
            raise self.said[question]
        return self.said[question]

    def read(self, path: str) -> Answer:
        answer: Answer = self._once(("read", path), lambda: self.client.read(path))
        return answer

    def list(self, path: str, *, stored: Callable[[str], str] = str) -> Answer:
        answer: Answer = self._once(("list", path, stored), lambda: self.client.list(path, stored=stored))
        return answer

    def keys_under(self, path: str, prefix: str) -> Sequence[str]:
        keys: Sequence[str] = self._once(("under", path, prefix), lambda: self.client.keys_under(path, prefix))
        return keys

    def read_many(self, paths: Iterable[str]) -> Iterator[tuple[str, Answer]]:
        for path in paths:
            yield from self._once(("many", path), partial(self._one, path))

    def _one(self, path: str) -> Sequence[tuple[str, Answer]]:
        return list(self.client.read_many([path]))

    def ask_many(self, path: str, bodies: Iterable[Mapping[str, Any]]) -> Iterator[Answer]:
        asked = list(bodies)
        yield from self._once(("ask", path, repr(asked)), lambda: [*self.client.ask_many(path, asked)])

    def write(
        self, path: str, body: Mapping[str, Any], *, method: str = "POST", tolerate: Sequence[str] = ()
    ) -> Answer:
        return self.client.write(path, body, method=method, tolerate=tolerate)

    def delete(self, path: str) -> Answer:
        return self.client.delete(path)

    def fetch(self, path: str, *, body: bytes | None = None, content_type: str = "") -> bytes:
        fetched: bytes = self._once(
            ("fetch", path, body), lambda: self.client.fetch(path, body=body, content_type=content_type)
        )
        return fetched


@dataclass(slots=True)
class OnServer:
    """`stage.Target` over a real server."""

    world: World
    samples: int = 0  # of the questions that are left without an answer in turn; 0: each of them
    estate: Estate = field(init=False)
    _writers: Mapping[str, Writer] = field(init=False)

    def __post_init__(self) -> None:
        self.estate = self.world.estate
        keys = HsmWriter(tokens(self.estate, self.world.clients), self.estate)
        self._writers = {
            "vault": VaultWriter(self.world.clients, self.estate, "run-1", stamp),
            "ca": CaWriter(self.world.clients, self.estate, "run-1", request=keys.request),
            "hsm": keys,
        }

    def readers(self) -> Mapping[str, Reader]:
        return self._readers(self.world.clients("plan"))

    def _readers(self, client: Client) -> Mapping[str, Reader]:
        (token,) = tokens(self.estate, lambda identity: client).values()
        return {
            "vault": VaultReader(client, self.estate),
            "ca": CaReader(client, self.estate),
            "hsm": HsmReader(token, self.estate),
        }

    def writers(self) -> Mapping[str, Writer]:
        """As one run has them; the sweep over all tokens is made afresh."""
        return {**self._writers, "vault": VaultWriter(self.world.clients, self.estate, "run-1", stamp)}

    def provers(self) -> Mapping[str, Prover]:
        return self._provers(self.world.clients)

    def _provers(self, clients: Callable[[Identity], Client]) -> Mapping[str, Prover]:
        return {
            "vault": VaultProver(clients, self.estate),
            "ca": CaProver(clients, self.estate, self.world.login),
            "hsm": HsmProver(tokens(self.estate, clients), self.estate),
        }

    def now(self) -> datetime:
        return now()

    def writes(self) -> int:
        return self.world.watch.writes

    def deaf(self, name: str, error: type[TargetError]) -> Iterator[Reader]:
        client = Remembering(
            self.world.clients("plan")
        )  # nothing changes meanwhile, and each reader asks all again
        counting = Deaf(client, error("counting"), nth=-1)
        self._readers(counting)[name].observe()
        step = max(1, counting.asked // self.samples) if self.samples else 1
        for nth in range(0, counting.asked, step):
            yield self._readers(Deaf(client, error("no answer"), nth))[name]

    def silence(self) -> Mapping[str, Prover]:
        return self._provers(lambda identity: Deaf(self.world.clients(identity), Unreachable("no answer")))

    def meddle(self, address: Address) -> None:
        kind, _, rest = address.partition("/")
        admin, mounts = self.world.client, self.estate.mounts
        dotted = rest.replace("/", ".")
        match kind:
            case "vault.entity":
                body: dict[str, Any] = {"policies": ["theirs"]}
                admin.write(f"identity/entity/name/{self.estate.prefix}{dotted}", body)
            case "vault.login":
                body = {"certificate": self._authority(), "token_policies": "theirs"}
                admin.write(f"auth/{mounts.cert}/certs/{dotted}", body)
            case "vault.policy":
                name = f"{self.estate.prefix}{rest.replace('/', '-')}"
                admin.write(f"sys/policies/acl/{name}", {"policy": "# theirs"})
            case "hsm.key":
                subject, credential, token = rest.rsplit("/", 2)
                name = key_name(self.estate, SubjectRef(*subject.split("/")), credential)
                key = f"{self.estate.hsm_mount(token)}/keys/{name}"
                if not admin.read(key).found:
                    admin.write(key, {"type": "ed25519"})
                admin.write(f"{key}/config", {"auto_rotate_period": 3600})
            case "ca.issuer":
                role = f"{mounts.pki}/roles/{self.estate.prefix}{dotted}"
                admin.write(role, {"allow_any_name": True, "key_type": "any"}, tolerate=("",))
            case "ca.profile":
                admin.write(
                    f"{mounts.pki}/roles/{rest}", {"allow_any_name": True, "key_type": "any"}, tolerate=("",)
                )
            case "ca.certificate":
                admin.write(f"{mounts.kv}/data/certificates/{dotted}", {"data": {"certificate": "theirs"}})
            case _:
                raise AssertionError(f"nobody meddles with {address}")

    def _authority(self) -> str:
        return str(self.world.client.read(f"{self.estate.mounts.pki}/issuer/default").data["certificate"])
