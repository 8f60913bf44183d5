"""What the server shows, as managed fields: one reading for the reader and for the writer's read-back. Pure."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from reconciler.errors import Rejected
from reconciler.model.resource import Value
from reconciler.providers.dialect import shown
from reconciler.providers.protocol import Answer
from reconciler.providers.vault.answers import UNLIKE
from reconciler.providers.vault.ownership import ESTATE_MARK, STATE_MARK, SUBJECT_MARK, aliases
from reconciler.providers.vault.resources import (
    LOGIN_FIELDS,
    PINNED_LOGIN,
    PINNED_TOKEN_LOGIN,
    PLAIN_POLICY,
    TOKEN_LOGIN_FIELDS,
)

_ONE_CERTIFICATE = re.compile(r"\A\s*-----BEGIN CERTIFICATE-----([^-]+)-----END CERTIFICATE-----\s*\Z")


class Shared:
    """Keeps equal values once in memory, so that ten thousand subjects share their pins."""

    def __init__(self) -> None:
        self._values: dict[object, Value] = {}

    def __call__(self, value: Value) -> Value:
        """An equal value that is in memory already, or this one from now on."""
        if isinstance(value, dict):
            return value
        key = tuple(value) if isinstance(value, list) else value
        return self._values.setdefault((type(value), key), value)


def entity_fields(entity: Mapping[str, Any], share: Callable[[Value], Value] = lambda v: v) -> dict[str, Value]:
    """The managed fields of an entity as `GET identity/entity/...` shows it."""
    metadata = entity.get("metadata") or {}
    return {
        "name": entity["name"],
        "estate": share(metadata.get(ESTATE_MARK, "")),
        "subject": metadata.get(SUBJECT_MARK, ""),
        "policies": share(sorted(entity.get("policies") or ())),
        "aliases": sorted(aliases(entity)),
        "disabled": bool(entity.get("disabled")),
        "state": share(metadata.get(STATE_MARK, "")),
    }


def policy_fields(policy: Mapping[str, Any]) -> dict[str, Value]:
    """The managed fields of an ACL policy as `GET sys/policies/acl/...` shows it."""
    plain = {field: policy.get(field, usual) for field, usual in PLAIN_POLICY.items()}
    return {"name": str(policy.get("name")), "document": str(policy.get("policy")), **plain}


def entity_at(path: str, answer: Answer) -> Mapping[str, Any] | None:
    """The entity that was asked for by id or name; None when there is none.

    Raises `Rejected` for what is no entity or another one: nothing is concluded from it.
    """
    if not answer.found:
        return None
    shown = answer.data
    metadata, policies, held = (shown.get(name) for name in ("metadata", "policies", "aliases"))
    if not (
        _texts(shown.get("id"), shown.get("name"))
        and isinstance(shown.get("disabled"), bool)
        and (metadata is None or (isinstance(metadata, dict) and _texts(*metadata.values())))
        and (policies is None or (isinstance(policies, list) and _texts(*policies)))
        and (held is None or (isinstance(held, list) and all(map(_is_alias, held))))
    ):
        raise Rejected(f"GET {path}: the answer is not an entity", remedy=UNLIKE)
    if not path.endswith((f"/{shown['id']}", f"/{shown['name']}")):
        raise Rejected(f"GET {path}: the answer is about another entity", remedy=UNLIKE)
    return shown


def login_fields(role: Mapping[str, Any], share: Callable[[Value], Value] = lambda v: v) -> dict[str, Value]:
    """The managed fields of a cert-auth role. What the server leaves out is empty: it does not know the field."""
    fields = {field: share(_plain(field, shown(role, field))) for field in LOGIN_FIELDS}
    fields["trusted"] = share(certificate_digest(str(role.get("certificate") or "")))
    return fields


def token_login_fields(role: Mapping[str, Any], share: Callable[[Value], Value] = lambda v: v) -> dict[str, Value]:
    """The managed fields of a JWT-auth role."""
    fields = {}
    for field in TOKEN_LOGIN_FIELDS:
        value = shown(role, field)
        plain = _empty(field) if value is None else value
        fields[field] = share(sorted(plain) if isinstance(plain, list) and _texts(*plain) else plain)
    return fields


def _empty(field: str) -> Value:
    """What a field is that the server leaves out or shows as null."""
    return {} if field == "bound_claims" else type(PINNED_TOKEN_LOGIN.get(field, []))()


def certificate_digest(pem: str) -> str:
    """SHA-256 of a certificate's DER, as hex; of the text itself, marked so, when it is not one certificate."""
    found = _ONE_CERTIFICATE.match(pem)
    try:
        # validate: lenient decoding stops at padding and would hide a second certificate behind the first
        der = base64.b64decode("".join(found[1].split()) if found else "", validate=True)
    except ValueError:
        der = b""
    text = "" if der else "not one certificate: "
    return text + hashlib.sha256(der or pem.encode()).hexdigest()


def _texts(*values: Any) -> bool:
    return all(isinstance(value, str) for value in values)


def _is_alias(alias: Any) -> bool:
    return isinstance(alias, dict) and _texts(
        alias.get("id"), alias.get("name"), alias.get("mount_path") or "", alias.get("mount_accessor")
    )


def _plain(field: str, value: Value) -> Value:
    if value is None:
        return type(PINNED_LOGIN.get(field, []))()
    return sorted(value) if isinstance(value, list) and _texts(*value) else value
