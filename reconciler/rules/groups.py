"""Power that reaches a subject past everything idac manages. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.model.manifest import Finding
from reconciler.model.resource import Actual


def outside_power(actual: Actual) -> Iterator[Finding]:
    """F03: a subject that somebody put into identity groups, whose policies are neither seen nor taken away here.

    A warning: a firm may well keep groups of its own. They end with the entity, disabled or deleted.
    """
    members = [r for r in actual.resources.values() if r.subject is not None and r.facts.get("groups")]
    for resource in sorted(members, key=lambda r: r.address):
        groups = ", ".join(resource.facts["groups"])
        message = (
            f"the entity of {resource.subject} is a member of identity groups {groups}:"
            " what they allow, idac neither sees nor takes away — look into it, or take it out of them"
        )
        yield Finding("F03", "warning", message, str(resource.subject))


__all__ = ["outside_power"]
