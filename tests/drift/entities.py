"""Identity entities and their aliases."""

from __future__ import annotations

from typing import Any

from tests.drift.case import Case, Tamper
from tests.firm import Firm
from tests.openbao import Raw


def entity_path(firm: Firm, name: str) -> str:
    return f"identity/entity/name/{firm.estate.prefix}trader.{name}"


def entity(firm: Firm, admin: Raw, name: str) -> dict[str, Any]:
    return admin.ok("GET", entity_path(firm, name)).data


def mark(firm: Firm, admin: Raw, name: str, **marks: str) -> None:
    """Change marks of an entity, and keep the others."""
    kept = entity(firm, admin, name)["metadata"]
    admin.ok("POST", entity_path(firm, name), {"metadata": {**kept, **marks}})


def _entity_name(firm: Firm, admin: Raw, name: str) -> Any:
    admin.ok("POST", f"identity/entity/id/{entity(firm, admin, name)['id']}", {"name": f"renamed-{name}"})
    return f"renamed-{name}"


def _marked(field: str, value: str) -> Tamper:
    def change(firm: Firm, admin: Raw, name: str) -> Any:
        mark(firm, admin, name, **{f"idac_{field}": value})
        return value

    return change


def _unmarked(field: str) -> Tamper:
    def change(firm: Firm, admin: Raw, name: str) -> Any:
        kept = entity(firm, admin, name)["metadata"]
        kept.pop(f"idac_{field}")
        admin.ok("POST", entity_path(firm, name), {"metadata": kept})
        return ""

    return change


def _policies(*extra: str) -> Tamper:
    def change(firm: Firm, admin: Raw, name: str) -> Any:
        there = entity(firm, admin, name)["policies"]
        admin.ok("POST", entity_path(firm, name), {"policies": [*there, *extra]})
        return sorted([*there, *extra])

    return change


def _disabled(firm: Firm, admin: Raw, name: str) -> Any:
    """With the tool's own mark beside it: without, it is an emergency and no drift."""
    kept = entity(firm, admin, name)["metadata"]
    admin.ok("POST", entity_path(firm, name), {"disabled": True, "metadata": {**kept, "idac_state": "containing"}})
    return True


def _alias(firm: Firm, admin: Raw, name: str) -> tuple[str, str]:
    (alias,) = entity(firm, admin, name)["aliases"]
    return f"identity/entity-alias/id/{alias['id']}", f"{firm.estate.mounts.cert}:trader.{name}"


def _alias_gone(firm: Firm, admin: Raw, name: str) -> Any:
    admin.ok("DELETE", _alias(firm, admin, name)[0])
    return []


def _alias_renamed(firm: Firm, admin: Raw, name: str) -> Any:
    admin.ok("POST", _alias(firm, admin, name)[0], {"name": f"trader.not-{name}"})
    return [f"{firm.estate.mounts.cert}:trader.not-{name}"]


def _other_mount(firm: Firm, admin: Raw) -> tuple[str, str]:
    mount = f"other-{firm.name}"
    if f"{mount}/" not in admin.ok("GET", "sys/auth").data:
        admin.ok("POST", f"sys/auth/{mount}", {"type": "userpass"})
    return mount, admin.ok("GET", "sys/auth").data[f"{mount}/"]["accessor"]


def _alias_moved(firm: Firm, admin: Raw, name: str) -> Any:
    path, (mount, accessor) = _alias(firm, admin, name)[0], _other_mount(firm, admin)
    admin.ok("POST", path, {"mount_accessor": accessor, "name": f"trader.{name}"})
    return [f"{mount}:trader.{name}"]


def _alias_more(firm: Firm, admin: Raw, name: str) -> Any:
    mount, accessor = _other_mount(firm, admin)
    body = {"name": name, "canonical_id": entity(firm, admin, name)["id"], "mount_accessor": accessor}
    own = _alias(firm, admin, name)[1]
    admin.ok("POST", "identity/entity-alias", body)
    return sorted([own, f"{mount}:{name}"])


ENTITY = [
    Case("vault.entity", "name", _entity_name),
    Case("vault.entity", "estate", _marked("estate", "another")),
    Case("vault.entity", "estate", _unmarked("estate"), "removed"),
    Case("vault.entity", "subject", _marked("subject", "trader/somebody-else")),
    Case("vault.entity", "subject", _unmarked("subject"), "removed"),
    Case("vault.entity", "policies", _policies("root-like"), "more"),
    # Policies taken away are an emergency and no drift: tests/e2e/test_emergencies.py
    Case("vault.entity", "disabled", _disabled),
    Case("vault.entity", "state", _marked("state", "contained")),
    Case("vault.entity", "state", _marked("state", "whatever"), "unknown"),
    Case("vault.entity", "state", _unmarked("state"), "removed"),
    Case("vault.entity", "aliases", _alias_gone, "none"),
    Case("vault.entity", "aliases", _alias_renamed, "renamed"),
    Case("vault.entity", "aliases", _alias_moved, "moved"),
    Case("vault.entity", "aliases", _alias_more, "more"),
]
