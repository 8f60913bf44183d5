"""The four identities' logins: made when first needed, given back at the end."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import RLock
from typing import Self

from reconciler.errors import Denied, Rejected, TargetError
from reconciler.model.estate import Estate, Login
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

    def __init__(self, estate: Estate, environ: Mapping[str, str]) -> None:
        """Connects to nothing yet. Raises `InvalidInput` when no server can be told, or a setting is not one."""
        self._estate, self._environ = estate, environ
        self.server = find_server(estate, environ)
        self._patience = patience_of(environ)
        self._transport = Transport(Pool(self.server.address, self.server.ca_cert), self._patience)
        self._held: dict[Identity, _Held] = {}
        self._lock = RLock()
        # Told the accessor of every writing login before that login is used: the run lock's fence.
        self.on_writer: Callable[[str], None] = lambda accessor: None

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
                self._held[identity] = held
                if identity in WRITERS:
                    self.on_writer(held.accessor)
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

    def close(self) -> None:
        """Give back the writing tokens that this run took, and close the connections."""
        with self._lock:
            for identity in WRITERS:
                held = self._held.pop(identity, None)
                if held is not None and held.own:
                    try:
                        held.client.write("auth/token/revoke-self", {}, tolerate=("",))
                    except TargetError:
                        continue  # it is short-lived, and an error here would hide the run's own
            self._held.clear()
        self._transport.close()

    def _log_in(self, identity: Identity) -> _Held:
        if identity == "plan" and self._environ.get("VAULT_TOKEN"):
            self.server.require_named_outside("VAULT_TOKEN")
            return self._given(identity, Secret(self._environ["VAULT_TOKEN"].strip()))
        login: Login | None = getattr(self._estate.spec.target.logins, identity)
        if login is None:
            noted = noted_login(self._estate, identity, self.server)
            role_id, secret_id = Secret(noted["role_id"]), Secret(noted["secret_id"])
            return self._approle(identity, noted["mount"], role_id, secret_id)
        if login.method == "token":
            return self._given(identity, self._resolve(login, "token", identity))
        if login.method == "jwt":
            jwt = self._resolve(login, "token", identity)
            return self._ask(identity, login.mount or "jwt", {"role": login.role, "jwt": jwt.reveal()})
        role_id, secret_id = (self._resolve(login, name, identity) for name in ("role_id", "secret_id"))
        return self._approle(identity, login.mount or self._estate.mounts.run, role_id, secret_id)

    def _resolve(self, login: Login, name: str, identity: str) -> Secret:
        self.server.require_named_outside(f"{name} of target.logins.{identity}")
        return resolve(getattr(login, name), self._estate, self._environ, f"{name} of target.logins.{identity}")

    def _approle(self, identity: Identity, mount: str, role_id: Secret, secret_id: Secret) -> _Held:
        return self._ask(identity, mount, {"role_id": role_id.reveal(), "secret_id": secret_id.reveal()})

    def _ask(self, identity: Identity, mount: str, body: Mapping[str, str]) -> _Held:
        try:
            auth = self.anonymous().write(f"auth/{mount}/login", body, tolerate=("",)).body.get("auth")
        except (Rejected, Denied) as error:
            raise Denied(
                f"the {identity} login was refused: {error.message}",
                remedy="see that its credentials are right and not expired, or run `idac bootstrap` again",
            ) from None
        if not isinstance(auth, dict) or not auth.get("client_token"):
            raise Denied(f"the {identity} login was answered without a token")
        client = self._made(identity, Secret(str(auth["client_token"])))
        return _Held(client, str(auth.get("accessor", "")), own=True)

    def _given(self, identity: Identity, token: Secret) -> _Held:
        client = self._made(identity, token)
        accessor = client.read("auth/token/lookup-self").data.get("accessor", "") if identity != "plan" else ""
        return _Held(client, str(accessor), own=False)

    def _made(self, identity: Identity, token: Secret) -> HttpClient:
        return HttpClient(self._transport, token, who=identity, namespace=self.server.namespace)


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
