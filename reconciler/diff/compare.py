"""Comparing one resource field by field, with references resolved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.model.resource import Actual, Address, Fields, Resource, Value


def resolve(fields: Fields, actual: Actual, there: Resource | None = None) -> dict[str, Value]:
    """Replace every `{ref: address#name}` whose address already stands by the fact it names.

    A reference to something that does not stand yet stays as it is: its value is learned during apply. A
    reference into a system that did not answer says nothing: what is `there` counts as right.
    """
    made = dict(fields)
    for name, value in fields.items():
        if isinstance(value, dict) and value.keys() == {"ref"}:
            made[name] = _resolved(value, actual.resources)
            target = value["ref"].rpartition("#")[0]
            if made[name] is value and there is not None and not answered(actual, target):
                made[name] = there.fields.get(name)
    return made


def _resolved(value: Value, resources: Mapping[Address, Resource]) -> Value:
    address, _, name = value["ref"].rpartition("#")
    target = resources.get(address)
    if target is not None and name in target.facts:
        return target.facts[name]
    return value


def differing(before: Fields, after: Fields) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields that differ, as (before, after). A field that one side lacks is None there."""
    if before == after:
        return {}, {}
    names = [n for n in sorted(before.keys() | after.keys()) if before.get(n) != after.get(n)]
    return {n: before.get(n) for n in names}, {n: after.get(n) for n in names}


def answered(actual: Actual, address: Address) -> bool:
    """Whether the provider of this address could be seen: absence means nothing when it could not."""
    if not actual.unavailable:
        return True
    provider, part = address.split(".", 1)[0], address.rsplit("/", 1)[-1]
    return not {provider, f"{provider}.{part}"} & actual.unavailable.keys()  # an HSM token is a system of its own
