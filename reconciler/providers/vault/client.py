"""One authenticated door to the server: paths and JSON in, Answers or errors for people out.

Tells a write from a read, and never repeats one. No request body and no token is ever in an error.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

from reconciler.errors import Denied, InvalidInput, Overloaded, Rejected, TargetError, Unreachable
from reconciler.model.secret import Secret
from reconciler.providers.dialect import harmless, ignored
from reconciler.providers.protocol import Answer, AnswerHook, CallHook
from reconciler.providers.vault import listing
from reconciler.providers.vault.answers import UNLIKE, are_names, document, errors
from reconciler.providers.vault.transport import Request, Transport, is_sealed
from reconciler.providers.vault.wire import Raw

REFUSALS = (400, 403, 404, 422)  # an answer to a question, not a failure
# A standby answers 429 to a plain question after its health, which would pass for overload.
_QUERIES = {"sys/health": "?standbyok=true&perfstandbyok=true"}
_NOTHING = Answer(404, {"errors": []})
_ANEW = "run again for a new login; if it is refused again, `idac bootstrap` restores the policies"
_DENIED = {"administrator": "give the token of an administrator, in VAULT_TOKEN"}
_NO_ROUTE = ("no handler for route", "route entry not found")


def _unpaged(answer: Answer) -> bool:
    """Whether the endpoint says that it knows no `limit`: then it answers 200 for nothing, and not 404."""
    warnings = [str(one) for one in answer.body.get("warnings") or ()]
    return bool(warnings) and all("limit" in ignored(one) for one in warnings)


class HttpClient:
    """Implements `providers.protocol.Client`. Thread-safe. `counts` counts what was sent."""

    def __init__(
        self,
        transport: Transport,
        token: Secret | None = None,
        *,
        who: str = "nobody",
        namespace: str = "",
        before: CallHook | None = None,
        after: AnswerHook | None = None,
    ) -> None:
        """`who` names the login in messages. The hooks run around every `write` and `delete`."""
        for text in (token.reveal() if token is not None else "", namespace):
            if not (text.isascii() and text.isprintable()):
                raise InvalidInput(f"the token or namespace of the {who} login holds characters that none has")
        self.who = who
        self.namespace = namespace
        self._transport = transport
        self._token = token
        self._before = before
        self._after = after

    @property
    def counts(self) -> Counter[tuple[str, str]]:
        """Requests sent, by (method, first two segments of the path); shared by the clients of one run."""
        return self._transport.counts

    def watched(self, before: CallHook | None, after: AnswerHook | None) -> HttpClient:
        """The same door with hooks around its writing calls."""
        return HttpClient(
            self._transport, self._token, who=self.who, namespace=self.namespace, before=before, after=after
        )

    def read(self, path: str) -> Answer:
        """GET one path. See `Client.read`."""
        request = self._request("GET", path, query=_QUERIES.get(path, ""))
        return self._seen(request, self._transport.repeatable([request])[0])

    def list(self, path: str, *, stored: Callable[[str], str] = str) -> Answer:
        """LIST one path, all its pages in one Answer, `key_info` included. See `Client.list`."""
        return listing.everything(partial(self._page, path), stored)

    def keys_under(self, path: str, prefix: str) -> Sequence[str]:
        """The keys that begin with `prefix`. See `Client.keys_under`."""
        return listing.under(partial(self._page, path), prefix)

    def read_many(self, paths: Iterable[str]) -> Iterator[tuple[str, Answer]]:
        """GET many paths, pipelined, in order. See `Client.read_many`."""
        for request, raw in self._transport.stream(self._request("GET", path) for path in paths):
            yield request.path, self._seen(request, raw)

    def ask_many(self, path: str, bodies: Iterable[Mapping[str, Any]]) -> Iterator[Answer]:
        """POST many harmless questions. See `Client.ask_many`."""
        for request, raw in self._transport.stream(self._request("POST", path, body) for body in bodies):
            yield self._asked(request, raw)

    def write(
        self, path: str, body: Mapping[str, Any], *, method: str = "POST", tolerate: Sequence[str] = ()
    ) -> Answer:
        """Change something, once. `tolerate` holds beginnings of warnings that are expected."""
        answer = self._once(self._request(method, path, body), tolerate)
        if not answer.found:
            raise Rejected(f"{method} {path} was refused: nothing is there", remedy="run `idac bootstrap` again")
        return answer

    def attempt(self, path: str, body: Mapping[str, Any]) -> Answer:
        """POST once, where a refusal (4xx) is an answer too: a probe's login."""
        request = self._request("POST", path, body)
        return self._asked(request, self._transport.once(request))

    def delete(self, path: str) -> Answer:
        """DELETE one path; nothing there is no error. See `Client.delete`."""
        return self._once(self._request("DELETE", path))

    def fetch(self, path: str, *, body: bytes | None = None, content_type: str = "") -> bytes:
        """Raw bytes of an unauthenticated endpoint. See `Client.fetch`."""
        headers = f"Content-Type: {content_type}\r\n" if content_type else ""
        request = self._raw_request("GET" if body is None else "POST", path, body, headers)
        raw = self._transport.repeatable([request])[0]
        if raw.status != 200:
            self._answer(request, raw)
            raise Rejected(f"{request.method} {path} was answered with {raw.status}, not with the data asked for")
        return raw.body

    def _page(self, path: str, after: str, limit: int) -> Answer:
        start = f"&after={quote(after, safe='')}" if after else ""
        request = self._request("LIST", path, query=f"?limit={limit}{start}")
        answer = self._seen(request, self._transport.repeatable([request])[0])
        if not answer.found:
            return answer if answer.body.get("errors") or answer.body.get("warnings") else _NOTHING
        if not answer.data and _unpaged(answer):
            return _NOTHING
        keys, info = answer.data.get("keys"), answer.data.get("key_info") or {}
        if not isinstance(keys, list) or not isinstance(info, dict) or not are_names(keys):
            raise Rejected(f"LIST {path}: the answer is not a list of different names", remedy=UNLIKE)
        return Answer(answer.status, {**answer.body, "data": {**answer.data, "keys": keys, "key_info": info}})

    def _once(self, request: Request, tolerate: Sequence[str] = ()) -> Answer:
        if self._before is not None:
            self._before(request.method, request.path)
        raw = self._transport.once(request)
        if self._after is not None:
            self._after(request.method, request.path, raw.status)
        answer = self._answer(request, raw)
        warnings = [str(w) for w in answer.body.get("warnings") or ()]
        unexpected = [w for w in warnings if not harmless(w) and not any(w.startswith(t) for t in tolerate)]
        if unexpected:
            raise Rejected(
                f"{request.method} {request.path} was answered with a warning: {self._clean(unexpected)}",
                remedy="an answer that is not understood grants nothing; see whether this server is supported",
            )
        return answer

    def _request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, query: str = ""
    ) -> Request:
        headers = "X-Vault-Request: true\r\n"
        if self._token is not None:
            headers += f"X-Vault-Token: {self._token.reveal()}\r\n"
        if body is None:
            return self._raw_request(method, path, None, headers, query)
        data = json.dumps(body, separators=(",", ":")).encode()
        return self._raw_request(method, path, data, f"{headers}Content-Type: application/json\r\n", query)

    def _raw_request(self, method: str, path: str, body: bytes | None, headers: str, query: str = "") -> Request:
        if not path.isprintable() or path.startswith("/") or ".." in path.split("/"):
            raise InvalidInput(f"refused to ask for the path {path!r}: it is not a plain API path")
        pool = self._transport.pool
        host = f"[{pool.host}]" if ":" in pool.host else pool.host
        lines = f"{method} /v1/{quote(path, safe='/:')}{query} HTTP/1.1\r\nHost: {host}:{pool.port}\r\n{headers}"
        if self.namespace:
            lines += f"X-Vault-Namespace: {self.namespace}\r\n"
        if body is not None:
            lines += f"Content-Length: {len(body)}\r\n"
        return Request(method, path, f"{lines}\r\n".encode("latin-1") + (body or b""))

    def _asked(self, request: Request, raw: Raw) -> Answer:
        return Answer(raw.status, document(request, raw)) if raw.status in REFUSALS else self._answer(request, raw)

    def _seen(self, request: Request, raw: Raw) -> Answer:
        """The answer to a read. "Nothing to say" (204) would pass for "nothing there", so it is refused."""
        answer = self._answer(request, raw)
        if answer.found and (raw.status != 200 or not answer.body):
            raise Rejected(
                f"{request.method} {request.path}: the answer ({raw.status}) is empty or in part", remedy=UNLIKE
            )
        return answer

    def _answer(self, request: Request, raw: Raw) -> Answer:
        """The meaning of an answer. Raises for everything but success and plain absence."""
        if 200 <= raw.status < 300:
            body = document(request, raw) if raw.body else {}
            if body.get("errors"):
                said = self._clean(errors(raw))
                raise Rejected(f"{request.method} {request.path} was answered with success and errors: {said}")
            return Answer(raw.status, body)
        if raw.status == 404:
            body = document(request, raw)
            if any(mark in str(e) for e in body.get("errors") or () for mark in _NO_ROUTE):
                raise Rejected(
                    f"{request.method} {request.path}: nothing is mounted there",
                    remedy="run `idac bootstrap`, or see that address and namespace are right",
                )
            return Answer(404, body)
        raise self._error(request, raw)

    def _error(self, request: Request, raw: Raw) -> TargetError:
        what = f"{request.method} {request.path}"
        if is_sealed(raw):
            return Unreachable(f"{self._transport.pool.address} is sealed", remedy="unseal it and run again")
        said = self._clean(errors(raw)) or "no reason given"
        if raw.status == 403:
            return Denied(
                f"the {self.who} login may not {what}: {said}; {self._standing(request)}",
                remedy=_DENIED.get(self.who, _ANEW),
            )
        if 300 <= raw.status < 400:
            return Rejected(
                f"{what} was answered with a redirect, which is never followed",
                remedy="set the address to the active node's",
            )
        if raw.status >= 500 or raw.status == 429:
            return Overloaded(f"{what} failed on the server ({raw.status}): {said}", remedy="see the server's log")
        return Rejected(f"{what} was refused ({raw.status}): {said}")

    def _clean(self, texts: Sequence[str]) -> str:
        """What a server says, fit for people and logs: printable, short, and without the token it was sent."""
        token = self._token.reveal() if self._token is not None else ""
        hidden = [text.replace(token, "…") if token else text for text in texts[:5]]
        return "; ".join("".join(c if c.isprintable() else " " for c in text)[:500] for text in hidden)

    def _standing(self, request: Request) -> str:
        """Whether a refused login is still alive, so that the message can tell policy from expiry."""
        if self._token is None:
            return "it is not logged in"
        probe = self._request("GET", "auth/token/lookup-self")
        try:
            alive = self._transport.repeatable([probe])[0].status == 200
        except TargetError:
            alive = False
        if alive:
            return "it is alive, so its policy does not allow this"
        return "it has expired or was revoked, or its policy does not allow this"
