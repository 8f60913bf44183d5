"""Keys in an HSM token, in the respects in which the same key can be changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.drift.case import Case, Tamper
from tests.firm import Firm
from tests.keys import Key, backed_up, restored
from tests.openbao import Raw


def _config(**body: Any) -> Tamper:
    """`body` holds one field."""

    def change(firm: Firm, admin: Raw, name: str) -> Any:
        admin.ok("POST", f"{Key(firm, name).path}/config", body)
        return next(iter(body.values()))

    return change


def _copied(how: Callable[[Key, Raw], object]) -> Tamper:
    def change(firm: Firm, admin: Raw, name: str) -> Any:
        how(Key(firm, name), admin)
        return True

    return change


KEY = [
    Case("hsm.key", "auto_rotate_period", _config(auto_rotate_period=3600)),
    Case("hsm.key", "deletion_allowed", _config(deletion_allowed=True)),
    Case("hsm.key", "exportable", _config(exportable=True)),
    Case("hsm.key", "allow_plaintext_backup", _config(allow_plaintext_backup=True)),
    Case("hsm.key", "backed_up", _copied(backed_up)),
    Case("hsm.key", "restored", _copied(restored)),
]
