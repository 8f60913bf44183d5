"""The published schemas fit what is really written, and nothing much else."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.model.manifest import Finding, Origin, SubjectRef
from reconciler.model.plan import Guard
from reconciler.model.resource import Hold
from reconciler.render.document import plan_document
from tests.schema import faults, load_schema
from tests.unit.ledger.world import TICKET, new_ledger, some_records, the_plan, the_run
from tests.unit.test_plan import joiners_and_leaver, make

PLAN, RECORD = load_schema("plan-v1"), load_schema("record-v1")


def written_plan() -> Any:
    findings = (
        Finding("R001", "error", "m", subject="trader/anna", origin=Origin("a.yaml", 1, 2)),
        Finding("R002", "info", "m"),
    )
    plan = make(joiners_and_leaver(), findings)
    object.__setattr__(plan, "guards", (Guard("G01", "refused", "m", "everything"),))
    object.__setattr__(plan, "routine", plan.changes[:1])
    object.__setattr__(plan, "holds", (Hold(SubjectRef("trader", "anna"), "m", "run", "2026-11-24T12:00:00Z"),))
    return json.loads(json.dumps(plan_document(plan, TICKET)))


def statements(root: Path) -> list[Any]:
    files = sorted((root / "plans" / "records").iterdir())
    return [json.loads(base64.b64decode(json.loads(f.read_bytes())["payload"])) for f in files]


def test_a_written_plan_fits_its_schema() -> None:
    assert list(faults(written_plan(), PLAN)) == []


def test_written_records_fit_their_schema(tmp_path: Path) -> None:
    some_records(tmp_path)
    for statement in statements(tmp_path):
        assert list(faults(statement, RECORD)) == []


def test_a_record_of_a_killed_run_fits_too(tmp_path: Path) -> None:
    ledger = new_ledger(tmp_path)
    journal = ledger.open(the_run("run-a"), the_plan(), TICKET)
    journal.before_write("PUT", "kv/lock")
    journal.intent(0, "ca.certificate/trader/anna/mtls", "create", "k:0")
    journal.before_write("POST", "pki/sign/mtls")
    journal.after_write("POST", "pki/sign/mtls", 200)
    journal.outcome(0, "applied", {"serial": "1a", "fingerprint": "ab" * 32, "not_after": "t"}, "")
    journal.intent(1, "vault.login/trader/anna/mtls", "create", "k:1")
    journal.release()
    (ledger.running / "run-b.jsonl").write_bytes(b'{"n":"0","ki')
    ledger.seal_interrupted()
    found = statements(tmp_path)
    assert [list(faults(s, RECORD)) for s in found] == [[], []]
    assert [s["predicate"]["runId"] for s in found] == ["run-a", "run-b"]
    assert found[0]["subject"][-1]["name"] == f"certificate/{'ab' * 32}"
    assert found[1]["predicate"]["journal"]["torn"]


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.pop("planId"),
        lambda d: d.update(surprise=1),
        lambda d: d.update(digest="0"),
        lambda d: d["changes"][0].update(action="destroy"),
        lambda d: d["changes"][0].update(before=[]),
        lambda d: d["summary"].update(create="4"),
        lambda d: d["summary"].update(create=-1),
        lambda d: d["summary"].update(create=True),
        lambda d: d["findings"][0].update(line="1"),
    ],
)
def test_what_is_no_plan_does_not_fit(change: Callable[[Any], Any]) -> None:
    document = written_plan()
    change(document)
    assert list(faults(document, PLAN)) != []


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(subject=[]),
        lambda d: d["predicate"].update(seq=1),
        lambda d: d["predicate"].update(status="fine"),
        lambda d: d["predicate"]["journal"].update(name="journal/../x.jsonl"),
        lambda d: d["predicate"]["previous"].pop("sha256"),
        lambda d: d["predicate"]["actions"][0].pop("result"),
    ],
)
def test_what_is_no_record_does_not_fit(tmp_path: Path, change: Callable[[Any], Any]) -> None:
    some_records(tmp_path, ("run-a", "run-b"))
    document = statements(tmp_path)[1]
    change(document)
    assert list(faults(document, RECORD)) != []
