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
Combinations = Mapping[str, Iterable[Iterable[str]]]  # sets of Role names, by subject kind
# The server keeps a policy in one storage entry of 1 MiB (raft's max_entry_size), its quotes escaped.
LARGEST = 1024 * 1024 - 16 * 1024
OWN_KEYS = "own-keys"  # after the estate's prefix: the policy to sign with one's own keys in HSM tokens
RUNTIME = "runtime"  # the same: the policy of bots to fetch their own certificates
SUBJECT_KINDS = ("bot", "device", "staff", "trader")
PERSON_KINDS = ("staff", "trader")  # of these, the people


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


def each(*segments: str, then: str = "") -> str:
    """One more segment, whatever it is, and then perhaps another: `keys/+`, `keys/+/config`."""
    return f"{exact(*segments)}/+" + (f"/{exact(then)}" if then else "")


def own_policies(estate: Estate, kind: str) -> tuple[str, ...]:
    """The shared policies that give a subject of that kind what is theirs by name. Bootstrap lays them.

    Each of them may go with any roles: what they allow depends on the name of the entity alone.
    """
    return tuple(f"{estate.prefix}{suffix}" for suffix in own_suffixes(estate, kind))


def own_suffixes(estate: Estate, kind: str) -> tuple[str, ...]:
    """Their names without the estate's prefix."""
    keys = (OWN_KEYS,) if estate.spec.hsm_tokens else ()
    return (*keys, RUNTIME) if kind == "bot" and estate.spec.workload_issuers else keys


def spell(value: Any) -> str:
    """A field's value as the text that `allowed_parameters` can compare: `True` -> `true`, lists comma-joined."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return ",".join(spell(one) for one in value)
    return str(value)


def grant_document(estate: Estate, combinations: Combinations) -> Mapping[str, Any]:
    """Which entities the grant login may write, and which sets of Roles it may put on them, kind by kind.

    `combinations` are sets of Role names, to which all subsets are added, each with any of the shared policies
    over one's own things besides. What else that login may do does not depend on the manifests and stands in a
    policy of its own (`runners.issue`). Raises `InvalidInput` when there are more than one policy can hold.
    """
    rules: dict[str, Rule] = {}
    left = LARGEST
    for kind in SUBJECT_KINDS:
        lists = policy_lists(estate, combinations.get(kind, ()), own_policies(estate, kind), most=left)
        left -= _stored(lists)
        only = {"policies": lists, "metadata": (), "disabled": ("true", "false")}
        rules[_entities(estate, kind)] = rule("create", "read", "update", only=only)
    return {"path": rules}


def entity_paths(estate: Estate) -> tuple[str, ...]:
    """The subjects' entities, by kind: `idac-prod-*` would also be every entity of an estate `prod-eu`."""
    return tuple(_entities(estate, kind) for kind in SUBJECT_KINDS)


def _entities(estate: Estate, kind: str) -> str:
    return starting("identity/entity/name", f"{estate.prefix}{kind}.")


def policy_lists(
    estate: Estate, combinations: Iterable[Iterable[str]], own: Iterable[str] = (), *, most: int = LARGEST
) -> list[str]:
    """Every value that an entity's `policies` may be written with: sorted, comma-joined policy names.

    `own` are policies that may go with each combination. Raises `InvalidInput` when they take over `most` bytes.
    """
    every: set[str] = {""}
    size = 0
    for number, roles in enumerate(combinations, 1):
        names = sorted({*(_parts(f"{estate.prefix}role-{role}")[0] for role in roles), *own})
        new = {",".join(part) for count in range(len(names) + 1) for part in choose(names, count)} - every
        size += _stored(new)
        every |= new
        if size > most:
            raise InvalidInput(
                f"the grant login's policy must list every combination of roles and all its parts, and {number} "
                f"combinations have {len(every)} parts already: more than the {LARGEST} bytes the server keeps of "
                "a policy",
                remedy="give people fewer roles each, or the same ones: put roles that go together into one",
            )
    return sorted(every)


def _stored(values: Iterable[str]) -> int:
    """Bytes that these take in a policy as the server keeps it: with quotes, which it escapes, and a comma."""
    return sum(len(value) + 5 for value in values)


def _parts(segment: str) -> tuple[str, ...]:
    parts = tuple(segment.split("/"))
    for part in parts:
        if not part or part in {".", ".."} or any(not (c.isascii() and (c.isalnum() or c in "-_.")) for c in part):
            raise InvalidInput(
                f"{segment!r} may not stand in an ACL path", remedy="use letters, digits, '-', '_' and '.'"
            )
    return parts
