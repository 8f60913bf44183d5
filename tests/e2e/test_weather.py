"""Bad weather: each has a clear message, the right exit code, and nothing half-done unsaid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.firm import Firm
from tests.openbao import Server
from tests.weather import SEALED, Weather, weather


@pytest.fixture
def sky(openbao: Server) -> Iterator[Weather]:
    with weather(openbao) as relay:
        yield relay


def under(firm: Firm, sky: Weather) -> Firm:
    """The same firm, reached through the relay."""
    firm.environ = {"VAULT_ADDR": sky.address, "VAULT_MAX_RETRIES": "2"}
    return firm


def direct(firm: Firm) -> Firm:
    """Without the relay. It ends TLS, so a probe's certificate never arrives through it, and nothing is proved."""
    firm.environ = {"VAULT_ADDR": firm.server.address, "VAULT_CACERT": str(firm.server.ca_cert)}
    return firm


def test_fair_weather_changes_nothing(firm: Firm, sky: Weather) -> None:
    under(firm, sky).trader("anna")
    firm.apply()
    assert firm.plan()["changes"] == []


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"status": 503, "body": SEALED}, "sealed"),
        ({"status": 403}, "may not"),
        ({"status": 429, "headers": {"Retry-After": "0"}}, "429"),
        ({"status": 500}, "500"),
        ({"cut": True}, "answer"),
        ({"status": 200, "body": "<html>hello</html>"}, "JSON"),
        ({"status": 302, "headers": {"Location": "http://127.0.0.1:1/v1/x"}}, "redirect"),
    ],
)
def test_a_server_that_answers_nothing_right_is_named_and_nothing_is_written(
    firm: Firm, sky: Weather, fault: dict[str, object], words: str
) -> None:
    under(firm, sky).trader("anna")
    sky.fault("(GET|LIST) ", **fault)
    done = firm.idac("plan")
    assert done.code in (1, 5), done.out
    assert words in done.out + done.err
    assert not [line for line in sky.lines if line.startswith(("PUT", "DELETE"))]
    assert firm.idac("apply", "--auto-approve").code in (1, 3, 5)
    sky.faults.clear()
    assert [c["action"] for c in firm.plan()["changes"]].count("create") == 3 + governed(firm)


def governed(firm: Firm) -> int:
    return sum(1 for c in firm.plan()["changes"] if c["phase"] == "govern" and c["action"] == "create")


def test_an_unreachable_server_is_named(firm: Firm) -> None:
    firm.environ = {"VAULT_ADDR": "http://127.0.0.1:9", "VAULT_MAX_RETRIES": "1"}
    done = firm.idac("plan", code=1)
    assert "127.0.0.1:9" in done.err
    assert "tried 2 times" in done.err


def test_a_server_that_fails_everything_costs_a_run_its_patience_once(firm: Firm, sky: Weather) -> None:
    under(firm, sky)
    firm.environ["VAULT_MAX_RETRIES"] = "4"
    sky.fault("(GET|LIST) ", status=500)
    done = firm.idac("plan", code=1)
    asked = Counter(line for line in sky.lines if line.startswith(("GET", "LIST")))
    assert sorted(asked.values()) == [2, 2, 5], done.err  # the first reader's first request; the other readers'


def test_a_server_that_is_back_gets_all_patience_again(firm: Firm, sky: Weather) -> None:
    under(firm, sky)
    firm.environ["VAULT_MAX_RETRIES"] = "3"
    sky.fault("GET /v1/sys/auth", status=500, times=4)  # the first reader gives up
    sky.fault(r"LIST .*/revocations", status=500, times=3)  # the second, answered before, must not
    done = firm.idac("--format", "json", "plan", code=5)
    assert "answered with 500 4 times" in done.out
    assert sum("revocations" in line for line in sky.lines) == 4


def test_patience_that_is_no_number_is_refused_before_anything_is_asked(firm: Firm, sky: Weather) -> None:
    under(firm, sky)
    firm.environ["VAULT_CLIENT_TIMEOUT"] = "soon"
    done = firm.idac("plan", code=1)
    assert "VAULT_CLIENT_TIMEOUT is 'soon'" in done.err
    assert sky.lines == []


def test_a_failing_write_fails_its_subject_alone_and_the_next_run_mends_it(firm: Firm, sky: Weather) -> None:
    under(firm, sky)
    firm.trader("anna")
    firm.trader("bob")
    sky.fault(r"(POST|PUT) .*identity/entity/name/.*trader\.anna", status=500, times=1)
    result = firm.apply(code=5)
    failed = [o for o in result["outcomes"] if o["status"] == "failed"]
    assert [o["address"] for o in failed] == ["vault.entity/trader/anna"]
    assert {o["subject"] for o in result["outcomes"] if o["status"] == "not-attempted"} == {"trader/anna"}
    assert firm.holder("bob").login() == 200
    firm.apply()
    assert firm.holder("anna").login() == 200
    assert firm.plan()["changes"] == []


@pytest.mark.long
@pytest.mark.parametrize(
    "path", ["entity/name", "certs/trader", "pki/revoke", "pki/crl/rotate", "kv/data/revocations"]
)
@pytest.mark.parametrize("fault", [{"status": 403}, {"cut": True, "after": True}, {"status": 500}])
def test_a_containment_that_fails_anywhere_exits_5_and_the_next_run_goes_on(
    firm: Firm, sky: Weather, path: str, fault: dict[str, object]
) -> None:
    under(firm, sky).trader("anna")
    firm.apply()
    anna = firm.holder("anna")
    assert anna.login() == 200
    firm.leave("anna")
    struck = sky.fault(rf"(POST|PUT|DELETE|PATCH|GET) .*{path}", **fault)
    # Reads of the plan are spared: only the run's own calls meet the weather.
    verbs = "GET" if "rotate" in path else "POST|PUT|DELETE|PATCH"  # rotating is a GET that writes
    struck.pattern = rf"({verbs}) .*{path}"
    first = firm.idac("apply", "--auto-approve")
    assert struck.struck, sky.lines
    assert first.code == 5
    direct(firm).apply()
    assert anna.read() == 403
    assert anna.login() >= 400
    assert firm.plan()["changes"] == []


def test_a_token_that_ends_half_way_leaves_nothing_half_done_unsaid(firm: Firm, sky: Weather) -> None:
    under(firm, sky).trader("anna")
    firm.trader("bob")
    sky.fault(r"(POST|PUT) .*/certs/trader", status=403)
    result = firm.apply(code=5)
    assert {o["status"] for o in result["outcomes"]} == {"applied", "failed"}
    assert all(o["error"] for o in result["outcomes"] if o["status"] == "failed")
    sky.faults.clear()
    firm.apply()
    assert firm.plan()["changes"] == []


def test_a_server_that_lies_about_a_revocation_is_not_believed(firm: Firm, sky: Weather) -> None:
    under(firm, sky).trader("anna")
    firm.apply()
    anna = firm.holder("anna")
    firm.leave("anna")
    sky.fault(r"(POST|PUT) .*pki/revoke", status=200, body='{"data": {"revocation_time": 1}}')
    result = firm.apply(code=5)
    assert [o["action"] for o in result["outcomes"] if o["status"] == "failed"] == ["revoke"]
    direct(firm).apply()
    assert anna.login() >= 400
    assert firm.plan()["changes"] == []


def test_a_slow_server_is_waited_for(firm: Firm, sky: Weather) -> None:
    under(firm, sky).trader("anna")
    sky.fault("LIST ", delay=0.3, times=3)
    firm.apply()
