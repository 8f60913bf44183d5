"""Where an estate's records are, and what they are signed with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.ledger.store import Ledger
    from reconciler.model.estate import Estate
    from reconciler.model.record import PolicyThen


def ledger_directory(estate: Estate) -> Path:
    """`plans` of idac.yaml, relative to it."""
    return (Path(estate.root) / estate.spec.plans).resolve()


def open_ledger(estate: Estate, environ: Mapping[str, str]) -> Ledger:
    """The ledger, ready to write. Raises `LedgerError` when there is no record key."""
    from reconciler.ledger.store import Ledger
    from reconciler.ledger.trust import load_signer

    return Ledger(ledger_directory(estate), load_signer(estate.spec.records.key, Path(estate.root), environ))


def last_policy(estate: Estate) -> PolicyThen | None:
    """The policy under which something was last applied, as far as the ledger here knows."""
    from reconciler.ledger.store import Ledger

    return Ledger(ledger_directory(estate)).last_policy()


def ensure_key(estate: Estate, environ: Mapping[str, str]) -> str:
    """The id of the record key; makes one under `.idac/` unless idac.yaml names another."""
    from reconciler.clock import stamp
    from reconciler.ledger.trust import ensure_record_key, load_signer, pin

    directory = ledger_directory(estate)
    if estate.spec.records.key is None:
        return ensure_record_key(Path(estate.root) / ".idac", directory, stamp()).key_id
    signer = load_signer(estate.spec.records.key, Path(estate.root), environ)
    pin(directory, signer.public_pem, signer.key_id, stamp())
    return signer.key_id
