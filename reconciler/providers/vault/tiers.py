"""Login MFA as the server keeps it: one TOTP method a tier, and enforcements that name the tier's entities.

A request's JSON may hold a thousand texts (OpenBao's default), so an enforcement names at most `MOST` entities
and a tier has as many as it needs. Each login looks at every enforcement there is: hence not one a subject.
Every enforcement names the tool's second probe too, which no code lets in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.errors import Rejected
from reconciler.model.estate import Estate
from reconciler.model.resource import Resource, Value
from reconciler.providers.protocol import Client
from reconciler.providers.vault.answers import UNLIKE
from reconciler.providers.vault.resources import PINNED_TOTP, PROBE_ADDRESS, TARGETS, mfa_name
from reconciler.providers.vault.tierrules import ENFORCEMENTS, METHODS

MOST = 900  # entities that one enforcement names
NOBODY_ELSE = dict.fromkeys(TARGETS, "")  # as text, which an ACL can compare; a list of texts it cannot
METHOD_FIELDS = (
    *PINNED_TOTP,
    "name",
    "issuer",
    "algorithm",
    "digits",
    "period",
    "skew",
    "max_validation_attempts",
)


@dataclass(frozen=True, slots=True)
class Enforcement:
    """One login enforcement, as the server shows it."""

    name: str
    methods: tuple[str, ...]
    entities: tuple[str, ...]
    others: tuple[str, ...]  # what it names besides entities


@dataclass(frozen=True, slots=True)
class Standing:
    """One tier: its method (with its id), and its enforcements by name."""

    method: Mapping[str, Any]
    enforcements: tuple[Enforcement, ...]

    @property
    def id(self) -> str:
        """The method's id; empty when there is none."""
        return str(self.method.get("id", ""))

    @property
    def entities(self) -> frozenset[str]:
        """The entities that its enforcements name."""
        return frozenset(e for one in self.enforcements for e in one.entities)

    def holds(self, entity: str) -> bool:
        """Whether a login of that entity needs this tier's code."""
        return any(entity in one.entities and one.methods == (self.id,) for one in self.enforcements)


NOTHING = Standing({}, ())


def method_fields(tier: Standing) -> dict[str, Value]:
    """The managed fields of a tier's method."""
    return {name: tier.method.get(name) for name in METHOD_FIELDS}


def standing(client: Client, estate: Estate) -> tuple[Mapping[str, Standing], Sequence[str]]:
    """This estate's tiers by name, and the names of others' methods and enforcements. Two requests."""
    prefix = mfa_name(estate, "")
    methods = {str(info.get("name")): info for info in _listed(client, METHODS)}
    found: dict[str, list[Enforcement]] = {}
    foreign = [f"MFA method {name}" for name in methods if not name.startswith(prefix)]
    for info in _listed(client, ENFORCEMENTS):
        one = _enforcement(info)
        tier, dot, _ = one.name.removeprefix(prefix).rpartition(".")
        if one.name.startswith(prefix) and dot:
            found.setdefault(tier, []).append(one)
        else:
            foreign.append(f"login enforcement {one.name}")
    ours = {name.removeprefix(prefix) for name in methods if name.startswith(prefix)} | found.keys()
    made = {tier: Standing(methods.get(f"{prefix}{tier}", {}), _in_order(found.get(tier, ()))) for tier in ours}
    return made, sorted(foreign)


def look(
    client: Client, estate: Estate, entities: Iterable[Resource], there: Iterable[str], probe: str
) -> tuple[list[Resource], Sequence[str]]:
    """The tiers, the probe that they hold (`probe`: its entity, empty for none), and the names of others' things.

    `entities` are the estate's, `there` the ids of all.
    """
    # Not of one that another entity outvoted for its subject.
    own = (e for e in entities if e.address == f"vault.entity/{e.subject}")
    subjects = {str(e.facts["id"]): str(e.subject) for e in own}
    found, others = standing(client, estate)
    resources = list(observed(found, subjects, there, probe))
    return [*resources, *([Resource(PROBE_ADDRESS, None, {}, {"id": probe})] if probe else [])], others


def observed(
    tiers: Mapping[str, Standing], subjects: Mapping[str, str], there: Iterable[str], probe: str
) -> Iterator[Resource]:
    """Each tier as a resource. `subjects` are entity ids of this estate with their subjects, `there` all ids."""
    existing = frozenset(there)
    for tier, one in sorted(tiers.items()):
        fields = method_fields(one)
        fields["deviations"] = sorted(set(_deviations(one, subjects, existing, probe)))
        fields["members"] = sorted(subjects[id_] for id_ in one.entities if id_ in subjects)
        lax = any(enforced.methods != (one.id,) for enforced in one.enforcements)
        yield Resource(f"vault.mfa/{tier}", None, fields, {"method": one.id, "lax": lax})


def _deviations(
    tier: Standing, subjects: Mapping[str, str], existing: frozenset[str], probe: str
) -> Iterator[str]:
    """What is otherwise than written by us. Entities that are gone do not count: nobody logs in as them."""
    if not tier.enforcements:
        yield "nothing enforces it"
    seen: set[str] = set()
    for one in tier.enforcements:
        if one.methods != (tier.id,):
            yield f"{one.name} asks for {', '.join(one.methods) or 'nothing'}"
        if probe not in one.entities:
            yield f"{one.name} lacks the probe"
        yield from (f"{one.name} names {other}" for other in one.others)
        strange = [e for e in one.entities if e in existing and e not in subjects and e != probe]
        yield from (f"{one.name} names the entity {id_}, which is not ours" for id_ in strange)
        # One code counts once, so whoever is named twice cannot log in at all.
        yield from (f"{subjects[e]} is named twice" for e in one.entities if e in subjects and e in seen)
        seen.update(one.entities)


def placed(
    tier: Standing, name: str, wanted: frozenset[str], probe: str, method: str
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The enforcements to write, by name, so that they name exactly `wanted` and the probe: those that differ.

    Whoever is named stays where they are; whoever is new goes where there is room.
    """
    left = set(wanted)
    kept: dict[str, list[str]] = {}
    for one in tier.enforcements:
        kept[one.name] = [e for e in one.entities if e in left]
        left.difference_update(kept[one.name])
    new = sorted(left)
    number = 0
    while new or not kept:
        number += 1
        room = kept.setdefault(f"{name}.{number}", [])
        count = max(MOST - len(room), 0)
        room += new[:count]
        new = new[count:]
    there = {one.name: one for one in tier.enforcements}
    for title, members in sorted(kept.items()):
        body = {"mfa_method_ids": [method], "identity_entity_ids": [probe, *members], **NOBODY_ELSE}
        one_there = there.get(title)
        same = one_there is not None and one_there.methods == (method,) and not one_there.others
        if not (same and one_there is not None and set(one_there.entities) == {probe, *members}):
            yield title, body


def _listed(client: Client, path: str) -> Iterator[Mapping[str, Any]]:
    answer = client.list(path)
    info = answer.data.get("key_info") or {}
    for key in answer.keys:
        one = info.get(key)
        if not isinstance(one, dict):
            raise Rejected(f"LIST {path}: the answer does not say what {key} is", remedy=UNLIKE)
        yield one


def _enforcement(info: Mapping[str, Any]) -> Enforcement:
    lists = [info.get(n) or [] for n in ("mfa_method_ids", "identity_entity_ids", *TARGETS)]
    if not isinstance(info.get("name"), str) or not all(isinstance(one, list) for one in lists):
        raise Rejected(f"LIST {ENFORCEMENTS}: the answer is not about enforcements", remedy=UNLIKE)
    methods, entities, *others = lists
    named = tuple(f"{what} {one}" for what, some in zip(TARGETS, others, strict=True) for one in some)
    return Enforcement(info["name"], tuple(map(str, methods)), tuple(map(str, entities)), named)


def _in_order(enforcements: Iterable[Enforcement]) -> tuple[Enforcement, ...]:
    return tuple(sorted(enforcements, key=lambda one: (len(one.name), one.name)))
