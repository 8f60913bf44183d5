"""The client against a server that means harm: an error by name, no secret in it, an end in bounded time.

That these tests end shows the bound: where nothing but time can end it, patience is a fraction of a second.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from reconciler.errors import IdacError, InvalidInput, Overloaded, Rejected, TargetError, Unreachable
from reconciler.model.secret import Secret
from reconciler.providers.vault import listing, wire
from reconciler.providers.vault.client import HttpClient
from reconciler.providers.vault.listing import FEW, PAGE
from reconciler.providers.vault.patience import Patience
from reconciler.providers.vault.reader import VaultReader
from reconciler.providers.vault.transport import BATCH, Transport
from reconciler.providers.vault.wire import Pool
from tests.integration.hostile import Hostile, Script, Talk, always, answer, hostile
from tests.openbao import make_estate

TOKEN = "s.canary-3f1c"
CALM = Patience(first_pause=0.01, longest_pause=0.02, tries=2)
HASTE = Patience(answer=0.2, total=0.4, first_pause=0.01, longest_pause=0.02, tries=2)
BOUNDS = (wire.MAX_ANSWER, wire.MAX_HEADERS)
GOOD = answer(b'{"data": {"a": 1}}')


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer may be a mebibyte here, so that a flood is soon too much."""
    monkeypatch.setattr(wire, "MAX_ANSWER", 2**20)


@contextmanager
def talking(script: Script, patience: Patience = CALM) -> Iterator[tuple[HttpClient, Hostile]]:
    with hostile(script) as server:
        transport = Transport(Pool(server.address), patience)
        try:
            yield HttpClient(transport, Secret(TOKEN), who="plan"), server
        finally:
            transport.close()


def drip(piece: bytes, pause: float = 0.05) -> Script:
    """An answer that never ends, a little at a time."""

    def script(talk: Talk) -> None:
        talk.request()
        talk.say(b"HTTP/1.1 200 OK\r\n")
        while not talk.wait(pause):
            talk.say(piece)

    return script


def flood(start: bytes, piece: bytes) -> Script:
    """An answer that never ends, as fast as it can."""

    def script(talk: Talk) -> None:
        talk.request()
        talk.say(start)
        while not talk.wait(0):
            talk.say(piece)

    return script


def once(*pieces: bytes) -> Script:
    """One request is answered with these bytes, and the connection is closed."""

    def script(talk: Talk) -> None:
        talk.request()
        for piece in pieces:
            talk.say(piece)

    return script


def silence(talk: Talk) -> None:
    """No answer, until the test is over."""
    talk.request()
    talk.wait(60)


def chunked(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body


HEAD = b"HTTP/1.1 200 OK\r\n"
NONSENSE: dict[str, tuple[Script, type[IdacError], str]] = {
    "an endless body": (flood(chunked(b""), b"10000\r\n" + b"x" * 0x10000 + b"\r\n"), Rejected, "larger than"),
    "a body longer than it may be": (flood(HEAD + b"Content-Length: 9999999999\r\n\r\n", b"x" * 65536), Rejected,
                                     "larger than"),
    "one endless header": (flood(HEAD + b"A: ", b"x" * 65536), Rejected, "headers are larger"),
    "endless headers": (flood(HEAD, b"A: b\r\n" * 5000), Rejected, "headers are larger"),
    "endless trailers": (flood(chunked(b"0\r\n"), b"A: b\r\n" * 5000), Rejected, "headers are larger"),
    "an endless chunk extension": (flood(chunked(b"5;"), b"x" * 65536), Rejected, "headers are larger|not HTTP"),
    "endless interim answers": (flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000), Rejected, "headers are"),
    "a header at a time": (drip(b"A: b\r\n"), Unreachable, "no answer within"),
    "a chunk at a time": (drip(b"Transfer-Encoding: chunked\r\n\r\n"), IdacError, "not HTTP|no answer within"),
    "silence": (silence, Unreachable, "no answer within"),
    "a goodbye": (once(), Unreachable, "cut off"),
    "half a head": (once(HEAD), Unreachable, "cut off"),
    "half a body": (once(GOOD[:-3]), Unreachable, "cut off"),
    "half a chunk": (once(chunked(b"ff\r\nabc")), Unreachable,
                     "cut off"),
    "a bad chunk size": (always(chunked(b"zz\r\n{}\r\n0\r\n\r\n")), Rejected, "not HTTP"),
    "a negative chunk size": (always(chunked(b"-1\r\n")), Rejected, "not HTTP"),
    "a huge chunk size": (always(chunked(b"fffffffffffffffff\r\n")), Rejected, "not HTTP"),
    "too short a length": (always(answer(b'{"a": 1}').replace(b"Length: 8", b"Length: 4")), Rejected, "not HTTP"),
    "too long a length": (always(answer(b"{}").replace(b"Length: 2", b"Length: 9")), Unreachable, "no answer"),
    "a negative length": (always(answer(b"{}").replace(b"Length: 2", b"Length: -2")), Rejected, "not HTTP"),
    "two lengths": (always(answer(b"{}", "200 OK", "Content-Length: 3")), Rejected, "not HTTP"),
    "length and chunks": (always(answer(b"0\r\n\r\n", "200 OK", "Transfer-Encoding: chunked")), Rejected,
                          "not HTTP"),
    "another protocol": (always(b"SSH-2.0-OpenSSH_9.6\r\n"), Rejected, "not HTTP"),
    "an upgrade": (always(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"),
                   Rejected, "another protocol"),
    "zeros": (always(bytes(4096)), Rejected, "not HTTP"),
    "two answers": (always(GOOD + GOOD), Rejected, "nobody asked"),
    "HTML": (always(answer(b"<html>log in</html>")), Rejected, "not JSON"),
    "no JSON at all": (always(answer(b"\xff\xfe\x00")), Rejected, "not JSON"),
    "a list": (always(answer(b"[]")), Rejected, "not JSON of Vault's form"),
    "text as data": (always(answer(b'{"data": "x"}')), Rejected, "not JSON of Vault's form"),
    "deep nesting": (always(answer(b"[" * 200_000)), Rejected, "not JSON"),
    "deep nesting inside": (always(answer(b'{"data": {"a": ' + b"[" * 200_000 + b"]" * 200_000 + b"}}")), Rejected,
                            "not JSON"),
    "no number": (always(answer(b'{"data": {"a": NaN}}')), Rejected, "not JSON"),
    "no end": (always(answer(b'{"data": {"a": -Infinity}}')), Rejected, "not JSON"),
    "an integer of many digits": (always(answer(b'{"data": {"a": ' + b"9" * 9999 + b"}}")), Rejected, "not JSON"),
    "half a surrogate pair": (always(answer(b'{"data": {"a": "\\ud800"}}')), Rejected, "not JSON"),
    "half a surrogate pair as a name": (always(answer(b'{"data": {"\\uDFFF": 1}}')), Rejected, "not JSON"),
    "errors that are no list": (always(answer(b'{"errors": {"a": 1}}', "400 Bad Request")), Rejected, "no reason"),
    "success with errors": (always(answer(b'{"data": {"a": 1}, "errors": ["disk full"]}')), Rejected, "disk full"),
    "nothing where data is due": (always(b"HTTP/1.1 204 No Content\r\n\r\n"), Rejected, r"\(204\) is empty"),
    "an empty success": (always(answer(b"")), Rejected, r"\(200\) is empty"),
    "an empty object": (always(answer(b"{}")), Rejected, "empty"),
    "part of it": (always(answer(b'{"data": {}}', "206 Partial Content")), Rejected, "206.*in part"),
    "accepted for later": (always(answer(b'{"data": {}}', "202 Accepted")), Rejected, r"\(202\) is empty"),
    "an error without a word": (always(answer(b"", "400 Bad Request")), Rejected, "no reason given"),
    "absence that is no JSON": (always(answer(b"not found", "404 Not Found")), Rejected, "not JSON"),
    "a status of none": (always(answer(b"{}", "999 Whatever")), Overloaded, "999"),
    "a redirect elsewhere": (always(answer(b"", "307 Temporary Redirect", "Location: http://127.0.0.1:9/v1/x")),
                             Rejected, "redirect"),
    "a token in the error": (always(answer(json.dumps({"errors": [f"{TOKEN}\x1b[2J\u202e" * 900]}).encode(),
                                           "400 Bad Request")), Rejected, "refused"),
    "a long wait": (always(answer(b"{}", "429 Too Many", f"Retry-After: {'9' * 400}")), Overloaded, "429"),
}  # fmt: skip


@pytest.mark.parametrize(("script", "expected", "words"), NONSENSE.values(), ids=NONSENSE)
def test_an_answer_that_is_none_is_refused_by_name(script: Script, expected: type[IdacError], words: str) -> None:
    with talking(script, HASTE if "no answer" in words else CALM) as (door, server):
        with pytest.raises(expected, match=words) as caught:
            door.read("identity/entity/id/x")
        assert all(line == "GET /v1/identity/entity/id/x" for line in server.lines)
    harmless(caught.value)


def harmless(error: IdacError) -> None:
    """Short, printable, and without the token."""
    text = str(error)
    assert TOKEN not in text
    assert len(text) < 1000
    assert text.isprintable()


@pytest.mark.parametrize("ask", ["list", "read_many", "ask_many", "write", "delete", "attempt", "fetch"])
@pytest.mark.parametrize("kind", ["half a body", "a redirect elsewhere", "an upgrade"])
def test_every_way_of_asking_refuses_it(ask: str, kind: str) -> None:
    with talking(NONSENSE[kind][0]) as (door, _), pytest.raises(TargetError) as caught:
        match ask:
            case "read_many":
                list(door.read_many(["a", "b"]))
            case "ask_many":
                list(door.ask_many("a", [{}]))
            case "write" | "attempt":
                getattr(door, ask)("a", {"b": 1})
            case _:
                getattr(door, ask)("a")
    harmless(caught.value)


@pytest.mark.parametrize("method", ["write", "delete"])
@pytest.mark.parametrize(
    "script",
    [
        once(),
        once(GOOD[:-3]),
        silence,
        always(answer(b"{}", "500 Internal Server Error")),
        always(answer(b"{}", "307 Temporary Redirect", "Location: /v1/elsewhere")),
        always(GOOD + GOOD),
    ],
)
def test_a_write_is_sent_once_whatever_comes_of_it(script: Script, method: str) -> None:
    with talking(script, HASTE if script is silence else CALM) as (door, server):
        with pytest.raises(TargetError):
            door.write("a", {"b": TOKEN}) if method == "write" else door.delete("a")
        assert len(server.seen) == 1


def test_a_write_that_was_turned_away_unheard_is_sent_again_until_patience_ends() -> None:
    with talking(always(answer(b"{}", "429 Too Many Requests"))) as (door, server):
        with pytest.raises(Overloaded, match="429 2 times"):
            door.write("a", {})
        assert len(server.seen) == 2


@pytest.mark.parametrize("warnings", [b'["odd field"]', b"[{}]", b"[null]"])
@pytest.mark.parametrize("method", ["write", "delete"])
def test_a_warning_is_an_error_unless_it_was_expected(warnings: bytes, method: str) -> None:
    with talking(always(answer(b'{"warnings": ' + warnings + b"}"))) as (door, _):
        with pytest.raises(Rejected, match="with a warning"):
            door.write("a", {}) if method == "write" else door.delete("a")
        assert door.write("a", {}, tolerate=("odd", "{", "None")).found


def test_a_warning_with_the_token_in_it_is_not_repeated() -> None:
    with talking(always(answer(json.dumps({"warnings": [f"{TOKEN}\x1b[2J" * 900]}).encode()))) as (door, _):
        with pytest.raises(Rejected, match="with a warning") as caught:
            door.write("a", {})
        harmless(caught.value)


@pytest.mark.parametrize("warnings", [b'"odd"', b"5", b'{"a": 1}'])
def test_warnings_that_are_no_list_are_refused(warnings: bytes) -> None:
    with talking(always(answer(b'{"warnings": ' + warnings + b"}"))) as (door, _):
        with pytest.raises(Rejected, match="not JSON of Vault's form"):
            door.write("a", {})


def test_an_answer_that_leaves_out_what_is_due_is_refused_by_its_name() -> None:
    with talking(always(GOOD)) as (door, _):
        found = door.read("sys/auth").data
        assert (found["a"], found.get("b")) == (1, None)
        with pytest.raises(Rejected, match="GET sys/auth: the answer does not say 'b'"):
            found["b"]


# -- LISTs that lie ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "keys",
    [
        '"abc"',
        '{"a": 1}',
        "null",
        "[1]",
        "[null]",
        '[["a"]]',
        '[""]',
        '["a", "a"]',
        '[".."]',
        '["a/../b"]',
        '["."]',
    ],
)
def test_a_list_of_what_are_no_different_names_is_refused(keys: str) -> None:
    with talking(always(answer(f'{{"data": {{"keys": {keys}}}}}'.encode()))) as (door, _):
        with pytest.raises(Rejected, match="not a list of different names"):
            door.list("identity/entity/id")


@pytest.mark.parametrize("info", ["[]", '[["a", 1]]', '"x"', "5"])
def test_details_that_are_none_are_refused_or_nothing(info: str) -> None:
    with talking(always(answer(f'{{"data": {{"keys": ["a"], "key_info": {info}}}}}'.encode()))) as (door, _):
        if info == "[]":
            assert door.list("a").data["key_info"] == {}
        else:
            with pytest.raises(Rejected, match="not a list"):
                door.list("a")


def test_names_with_slashes_are_names_and_are_asked_for_as_they_are() -> None:
    with talking(always(answer(b'{"data": {"keys": ["team/x", "folder/", "a b?c#d%2e%2e", "\\u00fc"]}}'))) as (
        door,
        server,
    ):
        keys = door.list("sys/policies/acl").keys
        list(door.read_many(f"sys/policies/acl/{key}" for key in keys[2:]))
        assert server.lines[1:] == [
            "GET /v1/sys/policies/acl/a%20b%3Fc%23d%252e%252e",
            "GET /v1/sys/policies/acl/%C3%BC",
        ]


def test_a_list_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MOST", 3 * PAGE)

    def script(talk: Talk) -> None:
        page = 0
        while talk.request():
            keys = [f"{page}-{number}" for number in range(PAGE)]
            page += 1
            talk.say(answer(json.dumps({"data": {"keys": keys}}).encode()))

    with talking(script) as (door, server):
        with pytest.raises(Rejected, match="does not end"):
            door.list("auth/token/accessors")
        assert len(server.seen) == 4


def test_one_subject_s_keys_that_never_end_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MOST_OF_ONE", 3 * FEW)

    def script(talk: Talk) -> None:
        numbers = itertools.count()
        while talk.request():
            keys = [f"trader.a.{number:09}" for number in itertools.islice(numbers, FEW)]
            talk.say(answer(json.dumps({"data": {"keys": keys}}).encode()))

    with talking(script) as (door, server):
        with pytest.raises(Rejected, match="does not end"):
            door.keys_under("auth/cert/certs", "trader.a.")
        assert len(server.seen) == 4


def test_a_collection_that_grows_while_it_is_listed_loses_nothing() -> None:
    """The server does not page, and a name was added before it was asked again."""
    keys = [f"k{number}" for number in range(PAGE)]
    pages = iter([keys, ["k-new", *keys]])

    def script(talk: Talk) -> None:
        while talk.request():
            talk.say(answer(json.dumps({"data": {"keys": next(pages)}}).encode()))

    with talking(script) as (door, _):
        assert list(door.list("a").keys) == [*keys, "k-new"]


def test_a_server_that_does_not_page_is_believed_once() -> None:
    keys = [str(number) for number in range(PAGE)]
    with talking(always(answer(json.dumps({"data": {"keys": keys}}).encode()))) as (door, server):
        assert list(door.list("a").keys) == keys
        assert len(server.seen) == 2


# -- answers to another question -----------------------------------------------------------------------


def entity(id: str) -> bytes:
    return answer(json.dumps({"data": {"id": id, "name": f"n-{id}", "disabled": False}}).encode())


def reader(door: HttpClient, tmp_path: Any) -> VaultReader:
    return VaultReader(door, make_estate(tmp_path, "hostile"))


def test_answers_in_another_order_are_not_taken_for_each_other_s(tmp_path: Any) -> None:
    def script(talk: Talk) -> None:
        talk.request()
        talk.say(answer(b'{"data": {"keys": ["a", "b"]}}'))
        talk.request(), talk.request()
        talk.say(entity("b") + entity("a"))

    with talking(script) as (door, _), pytest.raises(Rejected, match="about another entity"):
        list(reader(door, tmp_path)._read_entities())


@pytest.mark.parametrize(
    "shown",
    [
        {},
        {"id": "a"},
        {"id": "a", "name": 5, "disabled": False},
        {"id": "a", "name": "n"},
        {"id": "a", "name": "n", "disabled": "false"},
        {"id": "a", "name": "n", "disabled": False, "policies": "root"},
        {"id": "a", "name": "n", "disabled": False, "policies": [1]},
        {"id": "a", "name": "n", "disabled": False, "metadata": []},
        {"id": "a", "name": "n", "disabled": False, "metadata": {"idac_estate": 7}},
        {"id": "a", "name": "n", "disabled": False, "aliases": {}},
        {"id": "a", "name": "n", "disabled": False, "aliases": ["x"]},
        {"id": "a", "name": "n", "disabled": False, "aliases": [{"id": "i", "name": None, "mount_accessor": "m"}]},
    ],
)
def test_what_is_no_entity_is_refused(tmp_path: Any, shown: dict[str, Any]) -> None:
    def script(talk: Talk) -> None:
        talk.request()
        talk.say(answer(b'{"data": {"keys": ["a"]}}'))
        talk.request()
        talk.say(answer(json.dumps({"data": shown}).encode()))

    with talking(script) as (door, _), pytest.raises(Rejected, match="not an entity"):
        list(reader(door, tmp_path)._read_entities())


def test_an_answer_that_was_not_asked_for_is_not_the_next_one_s(tmp_path: Any) -> None:
    def script(talk: Talk) -> None:
        while talk.request():
            talk.say(GOOD)
            if not talk.wait(0.1):
                talk.say(answer(b'{"data": {"a": "smuggled"}}'))

    with talking(script) as (door, _):
        for _ in range(3):
            assert door.read("a").data == {"a": 1}
            door._transport._closed.wait(0.2)  # the second answer arrives while the connection rests


def test_an_answer_that_announces_the_end_of_its_connection_is_the_last_one() -> None:
    with talking(always(answer(b'{"data": {"a": 1}}', "200 OK", "Connection: close"))) as (door, server):
        for _ in range(3):
            assert door.read("a").data == {"a": 1}
        assert len(server.threads) == 3


def test_fewer_answers_than_questions_are_asked_for_again() -> None:
    def script(talk: Talk) -> None:
        talk.request()
        talk.say(GOOD)

    with talking(script) as (door, server):
        found = list(door.read_many(f"p{number}" for number in range(5)))
    assert [path for path, _ in found] == [f"p{number}" for number in range(5)]
    assert server.lines.count("GET /v1/p0") == 1


def test_many_questions_to_a_server_that_answers_none_end(tmp_path: Any) -> None:
    with talking(silence, HASTE) as (door, _), pytest.raises(Unreachable):
        list(door.read_many(f"p{number}" for number in range(3 * BATCH)))


# -- paths ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/sys/seal", "a/../sys/seal", "..", "a\r\nX-Evil: 1", "a\x00b", "a/..", "\ud800"]
)
def test_a_path_that_leads_elsewhere_is_never_sent(path: str) -> None:
    with talking(always(GOOD)) as (door, server):
        with pytest.raises(InvalidInput, match="not a plain API path"):
            door.read(path)
        assert not server.seen


def test_the_token_is_sent_as_a_header_and_shows_nowhere() -> None:
    with talking(always(GOOD)) as (door, server):
        door.read("a")
        assert f"X-Vault-Token: {TOKEN}\r\n".encode() in server.seen[0]
        assert b"X-Vault-Request: true\r\n" in server.seen[0]
        request = door._request("GET", "a")
        assert TOKEN not in repr(request) + repr(door)
        assert re.search(rb"Host: 127\.0\.0\.1:\d+\r\n", server.seen[0])


def test_the_bounds_are_what_they_are_said_to_be() -> None:
    assert BOUNDS == (64 * 1024 * 1024, 256 * 1024)
