"""Change records for people and for programs: `records list`, `show` and `verify`. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.model.manifest import SubjectRef
from reconciler.model.record import StoredRecord, Verification
from reconciler.model.words import few
from reconciler.render.document import finding_document
from reconciler.render.findings import finding_lines
from reconciler.render.paint import Paint, painter
from reconciler.render.safe import safe
from reconciler.render.text import SIGNS

_STATUS_COLOURS = {"complete": "green", "noop": "dim", "partial": "yellow", "interrupted": "yellow"}
_RESULT_COLOURS = {"applied": "green", "proved": "green", "told": "yellow", "not-covered": "dim"}


def _plain_serial(text: str) -> str:
    """However it is spelled: with colons or without, in capitals, with leading zeros."""
    return text.strip().lower().removeprefix("serial=").removeprefix("0x").replace(":", "").lstrip("0")


@dataclass(frozen=True, slots=True)
class Asked:
    """Which records are asked for: all, or those about one subject, or one certificate."""

    subject: str = ""  # trader/jdoe
    serial: str = ""

    def answers(self, record: StoredRecord) -> bool:
        """Whether that record is one of them."""
        about = not self.subject or self.subject in map(str, subjects(record))
        return about and (not self.serial or bool(self.certificates(record)))

    def certificates(self, record: StoredRecord) -> list[Mapping[str, Any]]:
        """What the record says of the certificate asked for; nothing where none is."""
        found = _objects(_predicate(record), "certificates") if self.serial else []
        return [c for c in found if _plain_serial(str(c.get("serial"))) == _plain_serial(self.serial)]


ANYTHING = Asked()


def records_text(records: Iterable[StoredRecord], asked: Asked = ANYTHING, *, colour: bool = False) -> str:
    """One line a record, oldest first; under it, where a serial was asked for, what became of that certificate."""
    lines = list(_list_lines(records, asked, painter(colour)))
    none = "No records yet." if asked == ANYTHING else "No record tells of that."
    return "\n".join(lines or [none]) + "\n"


def _list_lines(records: Iterable[StoredRecord], asked: Asked, paint: Paint) -> Iterator[str]:
    for record in filter(asked.answers, records):
        row, names = summary_document(record), subjects(record)
        status = _status(row["status"], paint, 11)
        done = ", ".join(f"{n} {what}" for what, n in row["actions"].items()) or "nothing to do"
        whose = f": {few(names, len(names))}" if names else ""
        yield (
            f"{record.ref.seq:06}  {safe(row['endedAt']):20}  {status}  {safe(row['purpose']):8}"
            f"  {safe(row['runId'])}  {safe(done)}{safe(whose)}"
        )
        yield from (f"      {line}" for line in _certificate_lines(asked.certificates(record)))


def records_document(records: Iterable[StoredRecord], asked: Asked = ANYTHING) -> dict[str, Any]:
    """What `records list --format json` prints."""
    told = []
    for record in filter(asked.answers, records):
        found = [dict(c) for c in asked.certificates(record)]
        told.append(summary_document(record) | ({"certificates": found} if asked.serial else {}))
    return {"records": told}


def summary_document(record: StoredRecord) -> dict[str, Any]:
    """One record in short; `actions` counts the results."""
    predicate = _predicate(record)
    plan = _object(predicate, "plan")
    return {
        "seq": record.ref.seq,
        "path": record.ref.path,
        "sha256": record.ref.sha256,
        "runId": predicate.get("runId"),
        "purpose": predicate.get("purpose"),
        "status": predicate.get("status"),
        "startedAt": predicate.get("startedAt"),
        "endedAt": predicate.get("endedAt"),
        "planId": plan.get("planId"),
        "planSha256": plan.get("sha256"),
        "actions": dict(Counter(str(a.get("result")) for a in _objects(predicate, "actions"))),
        "subjects": [str(s) for s in subjects(record)],
    }


def record_document(record: StoredRecord) -> dict[str, Any]:
    """What `records show --format json` prints: the statement as signed, and where it stands."""
    return {
        "seq": record.ref.seq,
        "path": record.ref.path,
        "sha256": record.ref.sha256,
        "keyId": record.key_id,
        "statement": dict(record.statement),
    }


def record_text(record: StoredRecord, *, colour: bool = False) -> str:
    """One whole record. Everything in it is made harmless first."""
    return "\n".join(_record_lines(record, painter(colour))) + "\n"


def _record_lines(record: StoredRecord, paint: Paint) -> Iterator[str]:
    predicate = _predicate(record)
    head = f"Record {record.ref.seq:06}: {safe(predicate.get('purpose'))} {safe(predicate.get('runId'))}"
    yield f"{paint('bold', head)} {_status(predicate.get('status'), paint)}"
    for name, value in _facts(record, predicate):
        if value not in (None, "", {}, []):
            yield f"  {name:<14}{_one_line(value)}"
    yield from _section("Changes", _action_lines(_objects(predicate, "actions"), paint), paint)
    yield from _section("Certificates", _certificate_lines(_objects(predicate, "certificates")), paint)
    yield from _section("Proofs", _proof_lines(_objects(predicate, "proofs"), paint), paint)
    yield from ["", paint("dim", f"sha256:{record.ref.sha256}  signed by key {safe(record.key_id)[:16]}…")]
    yield paint("dim", "Shown as it was read; `idac records verify` checks it.")


def _facts(record: StoredRecord, predicate: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    plan, manifests = _object(predicate, "plan"), _object(predicate, "manifests")
    yield "estate", predicate.get("estate")
    yield "started", predicate.get("startedAt")
    yield "ended", predicate.get("endedAt")
    yield "sealed", predicate.get("sealedAt")
    yield "applied by", predicate.get("appliedBy")
    yield "plan", plan.get("planId")
    yield "digest", f"sha256:{plan.get('sha256')}"
    yield "commit", manifests.get("commit")
    yield "manifests", f"sha256:{manifests.get('tree')}" + (" (uncommitted)" if manifests.get("dirty") else "")
    yield "entities", predicate.get("entities")
    yield "journal", _object(predicate, "journal").get("name")


def _action_lines(actions: Sequence[Mapping[str, Any]], paint: Paint) -> Iterator[str]:
    for action in actions:
        result = str(action.get("result"))
        sign = SIGNS.get(str(action.get("action")), "?")
        told = f": {safe(action['error'])}" if action.get("error") else ""
        shown = paint(_RESULT_COLOURS.get(result, "red"), f"{safe(result):<13}")
        yield f"  {shown} {sign} {safe(action.get('address'))}{told}"


def _certificate_lines(certificates: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for found in certificates:
        until = f", until {safe(found['not_after'])}" if found.get("not_after") else ""
        who = f"{safe(found.get('serial'))} of {safe(found.get('address'))}"
        yield f"  {safe(found.get('action')):<7} {who}{until}"


def _proof_lines(proofs: Sequence[Mapping[str, Any]], paint: Paint) -> Iterator[str]:
    for proof in proofs:
        status = str(proof.get("status"))
        shown = paint(_RESULT_COLOURS.get(status, "red"), f"{safe(status):<12}")
        yield f"  {shown} {safe(proof.get('subject'))} {safe(proof.get('system'))}: {safe(proof.get('detail'))}"


def _section(title: str, lines: Iterable[str], paint: Paint) -> Iterator[str]:
    found = list(lines)
    if found:
        yield from ["", paint("bold", title), *found]


def verification_text(found: Verification, *, colour: bool = False) -> str:
    """What was checked, what is wrong, and what these files alone cannot show."""
    return "\n".join(_verification_lines(found, painter(colour))) + "\n"


def _verification_lines(found: Verification, paint: Paint) -> Iterator[str]:
    yield from finding_lines(found.findings, paint)
    verdict = "verified" if found.passed else "NOT verified"
    checked = f"{found.records} records with {found.journals} journals {verdict}"
    yield paint("green" if found.passed else "red", f"{checked}: signatures, order, chain, journals.")
    if found.head is not None:
        yield f"Newest: {found.head.seq:06} sha256:{found.head.sha256}"
    for limit in found.limits:
        yield f"{paint('dim', 'note')} {limit}"  # of every ledger without an anchor: nothing was found wrong


def verification_document(found: Verification) -> dict[str, Any]:
    """What `records verify --format json` prints."""
    head = found.head
    return {
        "passed": found.passed,
        "records": found.records,
        "journals": found.journals,
        "head": None if head is None else {"seq": head.seq, "path": head.path, "sha256": head.sha256},
        "anchored": False,
        "findings": [finding_document(f) for f in found.findings],
        "limits": list(found.limits),
    }


def _status(status: Any, paint: Paint, width: int = 0) -> str:
    return paint(_STATUS_COLOURS.get(str(status), "red"), f"{safe(status):<{width}}")


def _one_line(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{safe(k)} {safe(v)}" for k, v in sorted(value.items()))
    return safe(value)


def subjects(record: StoredRecord, *, held: bool = True) -> tuple[SubjectRef, ...]:
    """Whom its changes were about, in their order; without `held` not those whose hold alone changed."""
    found = (
        _subject(action)
        for action in _objects(_predicate(record), "actions")
        if held or action.get("action") not in ("hold", "release")
    )
    return tuple(dict.fromkeys(one for one in found if one is not None))


def _subject(action: Mapping[str, Any]) -> SubjectRef | None:
    """As the record says; one of a run that was killed says it in its addresses alone."""
    parts = str(action.get("address")).split("/")
    said = str(action["subject"] or "") if "subject" in action else "/".join(parts[1:3])
    kind, _, name = said.partition("/")
    return SubjectRef(kind, name) if kind and name else None


def _predicate(record: StoredRecord) -> Mapping[str, Any]:
    """The predicate, or nothing: an unverified file may hold anything."""
    return _object(record.statement, "predicate")


def _object(holder: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = holder.get(name)
    return value if isinstance(value, dict) else {}


def _objects(holder: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = holder.get(name)
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []
