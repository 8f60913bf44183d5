"""What can be said of a run that was killed: from its journal, and from what stands now. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from reconciler.ledger.reading import JournalText
from reconciler.ledger.statement import journal_reference
from reconciler.model.resource import Address, Fields

_LINE = {"n", "time", "kind", "format"}


def interrupted(
    journal: JournalText, vouched: int, sealed_at: str, seen: Mapping[Address, Fields]
) -> dict[str, Any]:
    """The body of the record that the next run writes for it.

    Only the first `vouched` lines are told as what happened: those that the record key's seals cover. The
    rest of the file is bound by its digest and called unsealed. Every intent is listed: with its outcome, or
    as `unknown` with the calls that were about to be sent and what was `seen` at its address afterwards.
    """
    unsealed = len(journal.lines) - vouched
    journal = replace(journal, lines=journal.lines[:vouched])
    actions = [_action(line, journal.lines, seen) for line in journal.lines if line["kind"] == "intent"]
    return {
        **_header(journal),
        "status": "interrupted",
        "endedAt": journal.lines[-1]["time"] if journal.lines else "",
        "sealedAt": sealed_at,
        "actions": actions,
        "certificates": [c for a in actions for c in _certificate(a)],
        "calls": [_call(c, journal.lines) for c in _of(journal.lines, "call", None)],
        "proofs": [],
        "entities": {},
        "journal": {**journal_reference(journal.written), "unsealed": unsealed},
    }


def _header(journal: JournalText) -> dict[str, Any]:
    """What the run said it was; a journal torn in its first line leaves only its name."""
    said = {k: v for k, v in journal.header.items() if k not in _LINE}
    nothing: dict[str, Any] = {"plan": {}, "manifests": {}}
    return {"runId": journal.name.removesuffix(".jsonl"), **nothing, **said}


def _action(
    intent: Mapping[str, Any], lines: Sequence[Mapping[str, Any]], seen: Mapping[Address, Fields]
) -> dict[str, Any]:
    n = intent.get("change")
    outcome = next((x for x in lines if x["kind"] == "outcome" and x.get("change") == n), None)
    address = str(intent.get("address"))
    return {
        "n": n,
        "idempotencyKey": intent.get("idempotencyKey"),
        "address": address,
        "type": address.split("/", 1)[0],
        "action": intent.get("action"),
        "result": outcome["status"] if outcome else "unknown",
        "error": outcome["error"] if outcome else "",
        "startedAt": intent["time"],
        "endedAt": outcome["time"] if outcome else "",
        "evidence": outcome["evidence"] if outcome else {},
        "calls": [_call(c, lines) for c in _of(lines, "call", n)],
        **({} if outcome else {"seen": seen.get(address)}),
    }


def _of(lines: Sequence[Mapping[str, Any]], kind: str, change: Any) -> list[Mapping[str, Any]]:
    return [x for x in lines if x["kind"] == kind and x.get("change") == change]


def _call(call: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One call that was written down; without an answer it may or may not have been carried out."""
    answer = next((x for x in lines if x["kind"] == "answer" and x.get("call") == call["n"]), None)
    return {
        "method": call.get("method"),
        "path": call.get("path"),
        "status": answer["status"] if answer else "unknown",
    }


def _certificate(action: Mapping[str, Any]) -> list[dict[str, Any]]:
    evidence = action["evidence"]
    if action["type"] != "ca.certificate" or not evidence.get("serial"):
        return []
    known = {k: evidence[k] for k in ("serial", "fingerprint", "not_before", "not_after") if k in evidence}
    return [{**known, "address": action["address"], "action": action["action"]}]
