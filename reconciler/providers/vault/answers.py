"""What an answer's bytes say, whatever a server sends: JSON of Vault's form, names of a LIST, errors."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.errors import Rejected
from reconciler.providers.vault.transport import Request
from reconciler.providers.vault.wire import Raw

UNLIKE = "see whether the address is Vault's or OpenBao's, and not a proxy's"


class Data(dict[str, Any]):
    """An answer's `data`. Asking for a member that was left out raises `Rejected`, not `KeyError`."""

    __slots__ = ("_what",)

    def __init__(self, members: Mapping[str, Any], what: str) -> None:
        super().__init__(members)
        self._what = what

    def __missing__(self, name: str) -> Any:
        raise Rejected(f"{self._what}: the answer does not say {name!r}", remedy=UNLIKE)


def document(request: Request, raw: Raw) -> Mapping[str, Any]:
    """An answer's JSON object of Vault's form, its `data` as `Data`. Raises `Rejected` for anything else."""
    what = f"{request.method} {request.path}"
    try:
        body = _DECODER.decode(raw.body.decode())
        if b"\\ud" in raw.body or b"\\uD" in raw.body:
            # Half a surrogate pair is no text: nothing could print or sign it.
            json.dumps(body, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict) or not all(isinstance(body.get(n) or form(), form) for n, form in _FORM.items()):
        raise Rejected(
            f"{what}: the answer ({raw.status}) is not JSON of Vault's form",
            remedy=UNLIKE,
        )
    if "data" in body:
        body["data"] = Data(body["data"] or {}, what)
    return body


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_constant)
_FORM: Mapping[str, type] = {"data": dict, "errors": list, "warnings": list}


def are_names(keys: Sequence[Any]) -> bool:
    """Whether these are different names, none of which leads out of its folder."""
    if not all(isinstance(key, str) and key for key in keys) or len(set(keys)) != len(keys):
        return False
    return not any("." in key and not {".", ".."}.isdisjoint(key.split("/")) for key in keys)


def errors(raw: Raw) -> list[str]:
    """What the server says was wrong, whatever it sent."""
    try:
        found = json.loads(raw.body).get("errors") or []
        return [str(e) for e in found[:5]] if isinstance(found, list) else []
    except (ValueError, AttributeError, RecursionError):
        return []
