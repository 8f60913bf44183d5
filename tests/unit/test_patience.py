"""How long a server is waited for, and that Vault's own variables say it."""

from __future__ import annotations

import socket

import pytest

from reconciler.errors import InvalidInput, Unreachable
from reconciler.providers.vault import transport
from reconciler.providers.vault.patience import Patience, patience_of
from reconciler.providers.vault.wire import Pool


def test_nothing_said_means_the_usual_patience() -> None:
    assert patience_of({}) == Patience()
    assert patience_of({"VAULT_MAX_RETRIES": "", "VAULT_CLIENT_TIMEOUT": ""}) == Patience()
    assert Patience().tries * Patience().longest_pause <= Patience().total


@pytest.mark.parametrize(("retries", "tries"), [("0", 1), ("2", 3), (" 12 ", 13)])
def test_retries_are_counted_after_the_first_try_as_vault_counts_them(retries: str, tries: int) -> None:
    assert patience_of({"VAULT_MAX_RETRIES": retries}).tries == tries


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("1m30s", 90), ("1.5m", 90), ("250ms", 0.25), ("2h", 7200)]
)
def test_a_timeout_is_in_seconds_or_is_a_duration(text: str, seconds: float) -> None:
    asked = patience_of({"VAULT_CLIENT_TIMEOUT": text})
    assert (asked.total, asked.answer, asked.tries) == (seconds, seconds, Patience().tries)


def test_a_timeout_of_nothing_is_no_timeout_of_its_own() -> None:
    assert patience_of({"VAULT_CLIENT_TIMEOUT": "0"}) == Patience()


@pytest.mark.parametrize("text", ["-1", "two", "1.5", "\u0663", "1" * 5000, "0x2"])
def test_retries_that_are_no_whole_number_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="VAULT_MAX_RETRIES") as caught:
        patience_of({"VAULT_MAX_RETRIES": text})
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("text", ["-1s", "soon", "5 m", "5x", "s", "\u0663s", "9" * 5000, "1m 30s"])
def test_a_timeout_that_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="VAULT_CLIENT_TIMEOUT") as caught:
        patience_of({"VAULT_CLIENT_TIMEOUT": text})
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(("silent", "times"), [(-1.0, 1), (60.0, 0)])
def test_somebody_who_waits_is_told_once_what_for(
    silent: float, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "SILENT", silent)
    with socket.socket() as taken:  # nobody listens there
        taken.bind(("127.0.0.1", 0))
        address = f"https://127.0.0.1:{taken.getsockname()[1]}"
        told: list[str] = []
        patience = Patience(first_pause=0.001, longest_pause=0.001, tries=4)
        asked = transport.Transport(Pool(address), patience, waiting=told.append, remedy="start it")
        for _ in range(2):
            with pytest.raises(Unreachable, match="start it"):
                asked.once(transport.Request("GET", "sys/health", b"GET / HTTP/1.1\r\n\r\n"))
        asked.close()
    assert len(told) == times and all(words.startswith(f"waiting for {address}: ") for words in told)
