"""Which names are known here: for a slip of the pen in an emergency. Whatever cannot be read is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from reconciler.cli.ledger import ledger_directory
from reconciler.errors import IdacError
from reconciler.ledger.store import Ledger
from reconciler.load import load
from reconciler.model.estate import Estate
from reconciler.model.manifest import SubjectRef
from reconciler.providers.protocol import Connection
from reconciler.render.records import subjects

Known = Iterator[tuple[SubjectRef, str]]


def known_names(estate: Estate, connection: Connection) -> dict[SubjectRef, str]:
    """Every subject that has an entity, a manifest, or a change in the ledger that was no hold, and which."""
    sources: tuple[Callable[[], Known], ...] = (
        lambda: ((subject, "its entity stands") for subject in connection.subjects()),
        lambda: _declared(estate),
        lambda: _recorded(estate),
    )
    found: dict[SubjectRef, str] = {}
    for source in sources:
        try:
            for subject, where in source():
                found.setdefault(subject, where)
        except (IdacError, OSError):
            continue  # an emergency over a broken tree, ledger or server: the others may know
    return found


def _declared(estate: Estate) -> Known:
    tree = load(estate)
    for manifest in tree.manifests:
        yield manifest.ref, f"its manifest is {manifest.origin.path}"
    for invalid in tree.invalid:
        yield invalid.ref, "it has a manifest, which is invalid"


def _recorded(estate: Estate) -> Known:
    for record in Ledger(ledger_directory(estate)).load_all():
        for subject in subjects(record, held=False):
            yield subject, f"record {record.ref.seq} tells of it"
