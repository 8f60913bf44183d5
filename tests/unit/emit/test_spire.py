"""What SPIRE is told of bots."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cases.golden import CONFIGURATION
from tests.cli import Done, idac

EVERYTHING = Path(__file__).parents[2] / "cases" / "bot" / "everything" / "manifests.yaml"
CSR = EVERYTHING.parents[2] / "csr" / "good-1.pem"


@pytest.fixture
def estate(tmp_path: Path) -> Path:
    (tmp_path / "idac.yaml").write_text(CONFIGURATION)
    (tmp_path / "manifests").mkdir()
    (tmp_path / "csr").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "csr" / "good-1.pem").write_text(CSR.read_text())
    (tmp_path / "manifests" / "bots.yaml").write_text(EVERYTHING.read_text())
    return tmp_path


def emit(estate: Path, *more: str) -> Done:
    return idac(estate, "emit", "spire", "--out", str(estate / "out"), *more, environ={})


def test_each_release_that_may_log_in_has_an_entry_whose_selector_is_bound_to_its_image(estate: Path) -> None:
    assert emit(estate).code == 0
    entries = json.loads((estate / "out" / "mm-eurusd.json").read_text())["entries"]
    assert [e["entry_id"] for e in entries] == ["bot.mm-eurusd.4-2-0", "bot.mm-eurusd.4-3-0-rc1"]
    assert entries[0] == {
        "entry_id": "bot.mm-eurusd.4-2-0",
        "spiffe_id": "spiffe://golden.test/prod/bot/mm-eurusd",
        "parent_id": "spiffe://golden.test/nodes/prod",
        "selectors": [{"type": "docker", "value": f"image_config_digest:sha256:{'1' * 64}"}],
        "jwt_svid_ttl": 120,
        "hint": "mm-eurusd 4.2.0",
    }


def test_the_claims_that_the_issuer_must_add_are_said_release_by_release(estate: Path) -> None:
    emit(estate)
    text = (estate / "out" / "claims.txt").read_text()
    assert "{{.Id}}" in text
    assert f"/workload/model = sha256:{'2' * 64}" in text
    assert "4.3.0, when" not in text  # nobody has approved it


def test_who_is_retired_suspended_or_not_spires_has_no_file(estate: Path) -> None:
    done = emit(estate)
    assert sorted(p.name for p in (estate / "out").iterdir()) == ["claims.txt", "mm-eurusd.json", "plain.json"]
    assert "not SPIRE's, because their subject is no SPIFFE ID: reporter" in done.err


def test_the_nodes_can_be_named(estate: Path) -> None:
    emit(estate, "--parent", "spiffe://golden.test/node/a")
    (entry, *_) = json.loads((estate / "out" / "plain.json").read_text())["entries"]
    assert entry["parent_id"] == "spiffe://golden.test/node/a"


def test_nothing_is_written_from_manifests_with_an_error(estate: Path) -> None:
    file = estate / "manifests" / "bots.yaml"
    file.write_text(file.read_text().replace("owner: head", "owner: nobody"))
    done = emit(estate)
    assert done.code == 1
    assert "there is no Trader or Staff nobody" in done.err
    assert list((estate / "out").iterdir()) == []


def test_what_this_command_did_not_write_is_not_overwritten_and_nothing_else_is_written(estate: Path) -> None:
    assert emit(estate).code == emit(estate).code == 0  # its own files it does
    for file in (estate / "out").iterdir():
        file.unlink()
    for text in ('{"formatVersion": "idac.mfa/v1"}', "mine", ""):
        (estate / "out" / "plain.json").write_text(text)
        done = emit(estate)
        assert done.code == 3 and "plain.json is not from this command" in done.err
        assert [(p.name, p.read_text()) for p in (estate / "out").iterdir()] == [("plain.json", text)]


def test_that_nobody_looked_for_holds_is_said(estate: Path) -> None:
    assert "a bot that is on hold is among these" in emit(estate).err


@pytest.mark.parametrize(
    "parent", ["x", "spiffe://golden.test/a\n/b", "spiffe://golden.test/\x1b[2J", "spiffe:///a"]
)
def test_a_parent_is_a_spiffe_id(estate: Path, parent: str) -> None:
    assert emit(estate, "--parent", parent).code == 64
    assert not list((estate / "out").iterdir())
