"""Requests to one server: what may be repeated is repeated with patience, what may not is sent once."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, islice
from threading import Event, Lock
from time import monotonic

from reconciler.errors import Overloaded, TargetError, Unreachable
from reconciler.providers.vault.patience import Patience
from reconciler.providers.vault.wire import NotSent, Pool, Raw

BUSY = (429, 500, 502, 503, 504)
WORKERS = 6  # connections that pipeline side by side; measured, more gain nothing on small servers
BATCH = 64  # requests pipelined on one connection
SILENT = 2.0  # seconds that may pass before somebody is told why nothing happens


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `data` is everything on the wire, the token included, so it shows in no repr."""

    method: str
    path: str
    data: bytes = field(repr=False)

    @property
    def key(self) -> tuple[str, str]:
        """(method, the first two segments of the path)."""
        return self.method, "/".join(self.path.split("?", 1)[0].split("/", 2)[:2])


class Transport:
    """Thread-safe. `counts` says how many requests were sent, by method and first path segments."""

    def __init__(
        self,
        pool: Pool,
        patience: Patience | None = None,
        *,
        waiting: Callable[[str], None] = lambda words: None,
        remedy: str = "see that the server is up and reachable",
    ) -> None:
        """`waiting` is told once, in words, that there is no answer yet; `remedy` is for when none came at all."""
        self.pool = pool
        self.counts: Counter[tuple[str, str]] = Counter()
        self._patience = patience or Patience()
        self._remedy = remedy
        self._waiting = waiting
        self._told = Event()
        self._lock = Lock()
        self._executor: ThreadPoolExecutor | None = None
        self._closed = Event()
        self._given_up = Event()  # set from one request's end of patience to the next good answer

    def repeatable(self, requests: Sequence[Request]) -> list[Raw]:
        """Answers to harmless requests, in order. Tries again after failures and 429 and 5xx.

        Raises `Unreachable` when no answer came in time, `Overloaded` when the server stays busy. A
        sealed server's answer is returned: waiting does not unseal it.
        """
        results: dict[int, Raw] = {}
        left = list(range(len(requests)))
        waits = self._waits()
        while left:
            answers, failure = self._round([requests[i] for i in left])
            final = {i: raw for i, raw in zip(left, answers, strict=False) if not _again(raw)}
            results.update(final)
            busy = next((raw for raw in answers if _again(raw)), None)
            left = [i for i in left if i not in results]
            if left and (failure or busy or not final):
                waits.pause(requests[left[0]], failure, busy, moved=bool(final))
        return [results[i] for i in range(len(requests))]

    def once(self, request: Request) -> Raw:
        """Answer to a request that must not be repeated once it may have been carried out.

        Tried again only when no connection could be made, or when the server turned it away unheard (429).
        """
        waits = self._waits()
        while True:
            try:
                answers, failure = self._send([request])
            except NotSent as error:
                waits.pause(request, error, None, moved=False)
                continue
            if failure is not None:
                raise Unreachable(
                    f"{request.method} {request.path} was sent to {self.pool.address}, but {failure.message}; "
                    "whether it was carried out is not known",
                    remedy="run again: every step checks first what stands",
                )
            if answers[0].status != 429:
                return answers[0]
            waits.pause(request, None, answers[0], moved=False)

    def stream(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Raw]]:
        """Many harmless requests, pipelined on several connections, in order, with bounded look-ahead."""
        source = iter(requests)
        first = list(islice(source, BATCH))
        if len(first) < BATCH:  # one batch needs no workers
            yield from zip(first, self.repeatable(first), strict=True)
            return
        source = chain(first, source)
        pending: deque[tuple[list[Request], Future[list[Raw]]]] = deque()
        executor = self._workers()
        try:
            while True:
                while len(pending) < 2 * WORKERS and (batch := list(islice(source, BATCH))):
                    pending.append((batch, executor.submit(self.repeatable, batch)))
                if not pending:
                    return
                sent, future = pending.popleft()
                yield from zip(sent, future.result(), strict=True)
        finally:
            for _, future in pending:
                future.cancel()

    def close(self) -> None:
        """End the connections and the workers."""
        self._closed.set()
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)
        self.pool.close()

    def _waits(self) -> _Waits:
        return _Waits(self._patience, self._closed, self._given_up, self._tell, self._remedy)

    def _tell(self, why: str) -> None:
        """Once, however many requests wait."""
        if not self._told.is_set():
            self._told.set()
            address = self.pool.address
            self._waiting(f"waiting for {address}: {why.removeprefix(address).lstrip()}")

    def _workers(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._executor is None:
                self._executor = ThreadPoolExecutor(WORKERS, thread_name_prefix="vault")
            return self._executor

    def _round(self, requests: Sequence[Request]) -> tuple[list[Raw], Unreachable | None]:
        try:
            return self._send(requests)
        except NotSent as error:
            return [], error

    def _send(self, requests: Sequence[Request]) -> tuple[list[Raw], Unreachable | None]:
        wire = self.pool.take()
        with self._lock:
            for request in requests:
                self.counts[request.key] += 1
        try:
            answers, failure = wire.exchange([r.data for r in requests], self._patience.answer)
        finally:
            self.pool.give(wire)
        if self._given_up.is_set() and not all(_again(raw) for raw in answers):
            self._given_up.clear()
        return answers, failure


class _Waits:
    """Pauses between tries: growing, capped, obeying Retry-After, and bounded in sum.

    A server that has outlasted one request's patience gets only a second try from the requests after it, so that
    an outage costs a run its patience once and not once a request.
    """

    def __init__(
        self, patience: Patience, closed: Event, given_up: Event, tell: Callable[[str], None], remedy: str
    ) -> None:
        self._begun = monotonic()
        self._tell, self._remedy = tell, remedy
        self._patience = patience
        self._closed = closed
        self._given_up = given_up
        self._allowed = min(2, patience.tries) if given_up.is_set() else patience.tries
        self._deadline = monotonic() + patience.total
        self._tries = 0

    def pause(self, request: Request, failure: TargetError | None, busy: Raw | None, *, moved: bool) -> None:
        """Wait before the next try. Raises when patience is at an end. Progress renews it."""
        if moved:
            self._tries, self._allowed = 0, self._patience.tries
            self._deadline = monotonic() + self._patience.total
        self._tries += 1
        wait = min(self._patience.first_pause * 2 ** (self._tries - 1), self._patience.longest_pause)
        if busy is not None and busy.retry_after is not None:
            wait = max(wait, busy.retry_after)
        if self._tries >= self._allowed or monotonic() + wait > self._deadline:
            self._given_up.set()
            _give_up(request, failure, busy, self._tries, self._remedy)
        if monotonic() + wait - self._begun > SILENT:
            self._tell(_why(failure, busy))
        if self._closed.wait(wait):
            raise Unreachable("the connection was closed while it waited for the server")


def _again(raw: Raw) -> bool:
    return raw.status in BUSY and not is_sealed(raw)


def is_sealed(raw: Raw) -> bool:
    """Whether the server says that it is sealed."""
    return raw.status == 503 and b"sealed" in raw.body.lower()


def _why(failure: TargetError | None, busy: Raw | None) -> str:
    if busy is not None:
        return f"it answers with {busy.status}"
    return failure.message if failure is not None else "no answer came"


def _give_up(request: Request, failure: TargetError | None, busy: Raw | None, tries: int, remedy: str) -> None:
    what = f"{request.method} {request.path}"
    if busy is not None:
        raise Overloaded(
            f"{what} was answered with {busy.status} {tries} times",
            remedy="the server is overloaded or failing; see its log and try again later",
        )
    raise Unreachable(f"{what} was tried {tries} times: {_why(failure, None)}", remedy=remedy)
