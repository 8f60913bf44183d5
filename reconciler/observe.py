"""Readers -> Actual. A system that does not answer is named, and the others are seen all the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from reconciler.errors import IdacError, Rejected, TargetError
from reconciler.memory import uncollected
from reconciler.model.manifest import Finding, SubjectRef
from reconciler.model.resource import Actual, Address, Hold, Observation, Resource, Revocation, Value
from reconciler.providers.protocol import Reader


def observe(readers: Sequence[Reader]) -> Actual:
    """Ask every reader once. Raises the last `TargetError` only when no system answered at all."""
    with uncollected():
        return _observe(readers, lambda reader: reader.observe())


def observe_subject(readers: Sequence[Reader], subject: SubjectRef) -> Actual:
    """The same for one subject alone."""
    return _observe(readers, lambda reader: reader.observe_subject(subject))


def _observe(readers: Sequence[Reader], ask: Callable[[Reader], Observation]) -> Actual:
    resources: dict[Address, Resource] = {}
    holds: dict[SubjectRef, Hold] = {}
    unmanaged: list[str] = []
    foreign: list[Finding] = []
    target: dict[str, Value] = {}
    unavailable: dict[str, str] = {}
    revocations: list[Revocation] = []
    answered: dict[SubjectRef, str] = {}
    distrusted: dict[str, str] = {}
    freeze: Hold | None = None
    failure: IdacError | None = None
    for reader in readers:
        try:
            seen = ask(reader)
        except TargetError as error:
            unavailable[reader.name] = str(error)
            failure = error
            continue
        _add(resources, seen)
        holds.update({h.subject: h for h in seen.holds})
        unmanaged += seen.unmanaged
        foreign += seen.foreign
        target.update(seen.target)
        revocations += seen.revocations
        answered.update(seen.answered)
        distrusted.update(seen.distrusted)
        freeze = seen.freeze or freeze
    if failure is not None and len(unavailable) == len(readers):
        raise failure
    return Actual(
        resources,
        holds,
        tuple(sorted(unmanaged)),
        tuple(foreign),
        target,
        unavailable,
        tuple(sorted(revocations, key=lambda r: r.serial)),
        answered,
        distrusted,
        freeze,
    )


def _add(resources: dict[Address, Resource], seen: Observation) -> None:
    for resource in seen.resources:
        if resource.address in resources:
            raise Rejected(
                f"two objects in the target claim the address {resource.address}",
                remedy="find which one was made by hand and remove it",
            )
        resources[resource.address] = resource
