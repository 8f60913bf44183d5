"""ACL policy documents as typed data: rules by path, never text pasted together.

What an ACL can hold (tried on OpenBao 2.7.2): `allowed_parameters` compares whole values, takes strings only and
knows `*` at the end of one; a JSON list, number, boolean or null in the request never equals a string, so it is
refused. Whoever writes under such a rule spells every value as text (`spell`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations as choose
from typing import Any, Literal

from reconciler.errors import InvalidInput
from reconciler.model.estate import Estate

Capability = Literal["create", "read", "update", "patch", "delete", "list", "sudo", "deny"]
Rule = Mapping[str, Any]
Rules = Mapping[str, Rule]
SUBJECT_KINDS = ("bot", "device", "staff", "trader")


def rule(
    *capabilities: Capability, only: Mapping[str, Iterable[str]] | None = None, need: Iterable[str] = ()
) -> Rule:
    """One path's rule. `only`: every parameter allowed, with its values (none: any).

    `need` must be sent, and the server asks it of reads too: such a path can be written, but not read.
    """
    made: dict[str, Any] = {"capabilities": sorted(capabilities)}
    if only is not None:
        made["allowed_parameters"] = {name: list(values) for name, values in only.items()}
    if need:
        made["required_parameters"] = sorted(need)
    return made


def exact(*segments: str) -> str:
    """The path of one object. Raises `InvalidInput` on a segment that would reach further."""
    return "/".join(part for segment in segments for part in _parts(segment))


def under(*segments: str) -> str:
    """Every path that begins with these segments and a slash."""
    return f"{exact(*segments)}/*"


def starting(*segments: str) -> str:
    """Every path that begins with these segments, the last of which may go on: `certs/trader.*`."""
    return f"{exact(*segments)}*"


def spell(value: Any) -> str:
    """A field's value as the text that `allowed_parameters` can compare: `True` -> `true`, lists comma-joined."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return ",".join(spell(one) for one in value)
    return str(value)


def grant_document(estate: Estate, combinations: Iterable[Iterable[str]]) -> Mapping[str, Any]:
    """Which entities the grant login may write, and which sets of Roles it may put on them.

    `combinations` are sets of Role names, to which all subsets are added. What else that login may do does not
    depend on the manifests and stands in a policy of its own (`runners.issue`).
    """
    lists = policy_lists(estate, combinations)
    able = rule(
        "create", "read", "update", only={"policies": lists, "metadata": (), "disabled": ("true", "false")}
    )
    return {"path": {path: able for path in entity_paths(estate)}}


def entity_paths(estate: Estate) -> tuple[str, ...]:
    """The subjects' entities, by kind: `idac-prod-*` would also be every entity of an estate `prod-eu`."""
    return tuple(starting("identity/entity/name", f"{estate.prefix}{kind}.") for kind in SUBJECT_KINDS)


def policy_lists(estate: Estate, combinations: Iterable[Iterable[str]]) -> list[str]:
    """Every value that an entity's `policies` may be written with: sorted, comma-joined policy names."""
    every: set[str] = {""}
    for roles in combinations:
        names = sorted({_parts(f"{estate.prefix}role-{role}")[0] for role in roles})
        every |= {",".join(part) for size in range(len(names) + 1) for part in choose(names, size)}
    return sorted(every)


def _parts(segment: str) -> tuple[str, ...]:
    parts = tuple(segment.split("/"))
    for part in parts:
        if not part or part in {".", ".."} or any(not (c.isascii() and (c.isalnum() or c in "-_.")) for c in part):
            raise InvalidInput(
                f"{segment!r} may not stand in an ACL path", remedy="use letters, digits, '-', '_' and '.'"
            )
    return parts
