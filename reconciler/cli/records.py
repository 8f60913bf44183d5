"""`idac records list | show | verify`."""

from __future__ import annotations

from pathlib import Path

from reconciler.cli.context import Context
from reconciler.cli.ledger import ledger_directory
from reconciler.cli.running import named
from reconciler.cli.terminal import print_json, print_text
from reconciler.ledger.store import Ledger
from reconciler.ledger.verify import verify as verify_ledger
from reconciler.render import records as render


def list_records(context: Context, *, subject: str, serial: str) -> int:
    """Every record, oldest first, or those about one subject or certificate."""
    asked = render.Asked(str(named(subject)) if subject else "", serial)
    records = Ledger(ledger_directory(context.estate())).load_all()
    if context.json:
        print_json(render.records_document(records, asked))
    else:
        print_text(render.records_text(records, asked, colour=context.colour))
    return 0


def show(context: Context, name: str) -> int:
    """One record. Its signature is not checked here: `verify` does that."""
    record = Ledger(ledger_directory(context.estate())).load(name)
    if context.json:
        print_json(render.record_document(record))
    else:
        print_text(render.record_text(record, colour=context.colour))
    return 0


def verify(context: Context, trust: str) -> int:
    """0 when every record and journal checks out. `trust` names an own copy of the pinned keys, or is empty."""
    found = verify_ledger(ledger_directory(context.estate()), Path(trust) if trust else None)
    if context.json:
        print_json(render.verification_document(found))
    else:
        print_text(render.verification_text(found, colour=context.colour))
    return 0 if found.passed else 1
