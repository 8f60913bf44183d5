"""The four identities' logins: made when first needed, given back at the end."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from threading import RLock
from typing import Self

from reconciler.errors import Denied, IdacError, Overloaded, Rejected, TargetError
from reconciler.model.estate import Estate, Login
from reconciler.model.issuers import IdentityProvider
from reconciler.model.secret import Secret
from reconciler.providers.protocol import Answer, AnswerHook, CallHook, Identity
from reconciler.providers.vault.client import HttpClient
from reconciler.providers.vault.patience import patience_of
from reconciler.providers.vault.server import find_server, noted_login, resolve
from reconciler.providers.vault.transport import Transport
from reconciler.providers.vault.wire import Pool

WRITERS: tuple[Identity, ...] = ("contain", "grant", "govern")


@dataclass(frozen=True, slots=True)
class _Held:
    client: HttpClient
    accessor: str
    own: bool  # we took it, so we give it back


class Logins:
    """Clients of one run against one server. Thread-safe. A context manager."""

    def __init__(
        self, estate: Estate, environ: Mapping[str, str], waiting: Callable[[str], None] = lambda words: None
    ) -> None:
        """Connects to nothing yet; `waiting` is told when the server keeps somebody waiting.

        Raises `InvalidInput` when no server can be told, or a setting is not one.
        """
        self._estate, self._environ = estate, environ
        self.server = find_server(estate, environ)
        self._patience = patience_of(environ)
        pool, remedy = Pool(self.server.address, self.server.ca_cert), self.server.remedy
        self._transport = Transport(pool, self._patience, waiting=waiting, remedy=remedy)
        self._held: dict[Identity, _Held] = {}
        self._lock = RLock()
        # Told the accessors of all writing logins before a new one is used: the run lock's fence. What it raises
        # keeps that login from being used. It must ask nothing of these logins: they wait for it.
        self.on_writer: Callable[[tuple[str, ...]], None] = lambda accessors: None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def counts(self) -> Counter[tuple[str, str]]:
        """Requests sent by all clients, by (method, first two segments of the path)."""
        return self._transport.counts

    @property
    def writer_accessors(self) -> tuple[str, ...]:
        """Accessors of the writing logins made so far."""
        with self._lock:
            return tuple(self._held[i].accessor for i in WRITERS if i in self._held)

    def client(
        self, identity: Identity, before: CallHook | None = None, after: AnswerHook | None = None
    ) -> HttpClient:
        """The client of one identity; logs in on first use. Hooks run around its writing calls.

        Raises `InvalidInput` when nothing says how to log in, `Denied` when the login is refused.
        """
        with self._lock:
            held = self._held.get(identity)
            if held is None:
                held = self._log_in(identity)
                if identity in WRITERS:
                    self._fence(identity, held)
                self._held[identity] = held
        return held.client.watched(before, after) if before or after else held.client

    def given(self, token: Secret) -> HttpClient:
        """A client with an administrator's own token, for `bootstrap`."""
        return HttpClient(self._transport, token, who="administrator", namespace=self.server.namespace)

    def anonymous(self) -> HttpClient:
        """A client without a token, for what needs none."""
        return HttpClient(self._transport, who="anonymous", namespace=self.server.namespace)

    def certificate_login(self, chain: str, key: Secret, role: str) -> Answer:
        """Log in on the estate's cert-auth mount with a probe's key. A refusal (4xx) is an Answer."""
        pool = Pool(self.server.address, self.server.ca_cert)
        _present(pool, chain, key)
        transport = Transport(pool, self._patience)
        client = HttpClient(transport, who="probe", namespace=self.server.namespace)
        try:
            return client.attempt(f"auth/{self._estate.mounts.cert}/login", {"name": role})
        finally:
            transport.close()

    def test_account(self, provider: IdentityProvider) -> Secret:
        """The ID token of a provider's test account. Raises `InvalidInput` when it cannot be had."""
        what = f"probe of identity provider {provider.name}"
        self.server.require_named_outside(what)
        return resolve(provider.probe, self._estate, self._environ, what, lasting=False)

    def close(self) -> None:
        """Give back the writing tokens that this run took, and close the connections."""
        with self._lock:
            for identity in WRITERS:
                held = self._held.pop(identity, None)
                if held is not None:
                    _give_back(held)
            self._held.clear()
        self._transport.close()

    def _fence(self, identity: Identity, held: _Held) -> None:
        """Have the lock's fence know a new writing login. Without that it is given back, and never used."""
        try:
            if not held.accessor:
                raise Denied(
                    f"the {identity} login has a token without an accessor, which nobody could revoke",
                    remedy="let its role give service tokens, not batch tokens",
                )
            self.on_writer((*self.writer_accessors, held.accessor))
        except IdacError:
            _give_back(held)
            raise

    def _log_in(self, identity: Identity) -> _Held:
        if identity == "plan" and (token := self._environ.get("VAULT_TOKEN", "").strip()):
            self.server.require_named_outside("VAULT_TOKEN")
            return self._given(identity, Secret(token))
        login: Login | None = getattr(self._estate.spec.target.logins, identity)
        if login is None:
            noted = noted_login(self._estate, identity, self.server)
            role_id, secret_id = Secret(noted["role_id"]), Secret(noted["secret_id"])
            return self._approle(identity, noted["mount"], role_id, secret_id)
        if login.method == "token":
            return self._given(identity, self._resolve(login, "token", identity))
        if login.method == "jwt":
            jwt = self._resolve(login, "token", identity, lasting=False)
            return self._ask(identity, login.mount or "jwt", {"role": login.role, "jwt": jwt.reveal()})
        role_id, secret_id = (self._resolve(login, name, identity) for name in ("role_id", "secret_id"))
        return self._approle(identity, login.mount or self._estate.mounts.run, role_id, secret_id)

    def _resolve(self, login: Login, name: str, identity: str, *, lasting: bool = True) -> Secret:
        what = f"{name} of target.logins.{identity}"
        self.server.require_named_outside(what)
        return resolve(getattr(login, name), self._estate, self._environ, what, lasting=lasting)

    def _approle(self, identity: Identity, mount: str, role_id: Secret, secret_id: Secret) -> _Held:
        return self._ask(identity, mount, {"role_id": role_id.reveal(), "secret_id": secret_id.reveal()})

    def _ask(self, identity: Identity, mount: str, body: Mapping[str, str]) -> _Held:
        try:
            auth = self.anonymous().write(f"auth/{mount}/login", body, tolerate=("",)).body.get("auth")
        except (Rejected, Denied) as error:
            raise Denied(
                f"the {identity} login was refused: {_without(error.message, body)}",
                remedy="see that its credentials are right and not expired, or run `idac bootstrap` again",
            ) from None
        except Overloaded as error:
            raise Overloaded(_without(error.message, body), remedy=error.remedy) from None
        if isinstance(auth, dict) and auth.get("mfa_requirement"):
            raise Denied(
                f"the {identity} login was answered without a token: it was asked for a second factor",
                remedy=f"take auth/{mount} out of the login enforcement that names it",
            )
        token, accessor = (auth.get("client_token"), auth.get("accessor")) if isinstance(auth, dict) else ("", "")
        if not (isinstance(token, str) and token and isinstance(accessor, str)):
            raise Denied(f"the {identity} login was answered without a token")
        return _Held(self._made(identity, Secret(token)), accessor, own=True)

    def _given(self, identity: Identity, token: Secret) -> _Held:
        client = self._made(identity, token)
        accessor = client.read("auth/token/lookup-self").data.get("accessor") if identity != "plan" else ""
        return _Held(client, accessor if isinstance(accessor, str) else "", own=False)

    def _made(self, identity: Identity, token: Secret) -> HttpClient:
        return HttpClient(self._transport, token, who=identity, namespace=self.server.namespace)


def _give_back(held: _Held) -> None:
    if held.own:
        with suppress(TargetError):  # it is short-lived, and an error here would hide the run's own
            held.client.write("auth/token/revoke-self", {}, tolerate=("",))


def _without(text: str, secrets: Mapping[str, str]) -> str:
    """A message in which a server may have repeated the secrets it was sent."""
    for name, secret in secrets.items():
        text = text if name == "role" else text.replace(secret, "…")
    return text


def _present(pool: Pool, chain: str, key: Secret) -> None:
    """Have a pool's connections present a certificate. The key is on disk for one call, readable by us alone."""
    with tempfile.TemporaryDirectory(prefix="idac-") as directory:
        paths = []
        for name, text in (("chain", chain), ("key", key.reveal())):
            paths.append(os.path.join(directory, name))
            with os.fdopen(os.open(paths[-1], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(text)
        try:
            pool.present(*paths)
        except ssl.SSLError:
            raise Rejected("the certificate and its key do not fit together") from None
