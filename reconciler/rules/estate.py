"""Checks over the whole estate: what no single manifest can tell. Pure; one function a code.

A fault that can be laid at one subject's door carries that subject and bars its grants alone; one that cannot
freezes every grant. None of them stands in the way of containment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Set
from datetime import date, timedelta

from reconciler.kinds.person import Person
from reconciler.kinds.subject import SubjectSpec
from reconciler.kinds.trader.spec import Trader
from reconciler.memory import uncollected
from reconciler.model.estate import Estate
from reconciler.model.manifest import Finding, SubjectRef, Tally, Tree, placed
from reconciler.model.words import few
from reconciler.rules import bots, devices, tiers
from reconciler.rules.declared import declared_only
from reconciler.rules.view import View, dangling, dangling_person, finding, several, shared

SOON = timedelta(days=30)


def check(tree: Tree, estate: Estate, today: date) -> tuple[Finding, ...]:
    """Every finding about the estate as a whole, in order of place."""
    with uncollected():
        view = View(tree, today)
        found = [made for rule in _RULES for made in rule(view)]
        found += _holders_of_faulty_roles(view, {f.subject for f in found if f.severity == "error"})
        found = list(placed(found))
    return tuple(sorted(found, key=lambda f: (f.origin is None, f.origin or ("", 0, 0), f.code, f.message)))


def _duplicate_names(view: View) -> Iterator[Finding]:
    """R01: two manifests of one kind and name. Which one counts cannot be told."""
    for same in several((m.ref, m) for m in view.tree.manifests):
        for manifest in same:
            others = few((m.origin for m in same if m is not manifest), len(same) - 1)
            message = f"{manifest.kind} {manifest.name} is declared more than once, also at {others}"
            yield finding("R01", "error", message, manifest, "metadata", "name")


def _duplicate_short_codes(view: View) -> Iterator[Finding]:
    """R02: a MiFID short code names one person, at every venue, for ever; leavers keep theirs."""
    for same in several((s.mifid.short_code, m) for m, s in view.every(Trader)):
        yield from shared(same, "R02", "MiFID short code", "spec", "mifid", "shortCode")


def _duplicate_person_ids(view: View) -> Iterator[Finding]:
    """R03: one person, one manifest: whoever trades and has other duties too is one Trader with more roles.

    `E77` and `e77` are one person: no personnel system tells them apart.
    """
    for same in several((s.person_id.casefold(), m) for m, s in view.every(Person)):
        yield from shared(same, "R03", "personId", "spec", "personId")


def _shared_names(view: View) -> Iterator[Finding]:
    """R15: a bare name is one person, because supervisors and owners are named bare."""
    for same in several((m.name, m) for m, _ in view.every(Person)):
        if len({m.kind for m in same}) > 1:
            yield from shared(same, "R15", "name", "metadata", "name")


def _dangling_roles(view: View) -> Iterator[Finding]:
    """R04: a role that is not there."""
    for manifest, spec in view.staying(SubjectSpec):
        for index, role in enumerate(spec.roles):
            yield from dangling(view, "R04", manifest, SubjectRef("role", role), "Role", "spec", "roles", index)


def _dangling_profiles(view: View) -> Iterator[Finding]:
    """R05: a certificate profile that is not there."""
    for manifest, spec in view.staying(SubjectSpec):
        for index, credential in enumerate(spec.credentials):
            target = SubjectRef("certificateprofile", credential.profile)
            path = ("spec", "credentials", index, "profile")
            yield from dangling(view, "R05", manifest, target, "CertificateProfile", *path)


def _supervisors(view: View) -> Iterator[Finding]:
    """R06: a supervisor that is not there, is the person, or has left (who then supervises nobody)."""
    for manifest, spec in view.staying(Person):
        if spec.supervisor == manifest.name:
            yield finding("R06", "error", "nobody supervises themself", manifest, "spec", "supervisor")
        elif spec.supervisor is not None:
            yield from dangling_person(view, "R06", manifest, "supervisor", spec.supervisor, "spec", "supervisor")


def _supervisor_cycles(view: View) -> Iterator[Finding]:
    """R07: a ring of supervisors supervises nobody. Every member of it is named."""
    above = {m.name: s.supervisor for m, s in view.staying(Person) if s.supervisor not in (None, m.name)}
    ring_of: dict[str, tuple[str, ...]] = {}
    done: set[str] = set()
    for start in above:
        trail: dict[str, None] = {}
        step: str | None = start
        while step is not None and step not in done and step not in trail:
            trail[step] = None
            step = above.get(step)
        if step is not None and step in trail:
            names = tuple(trail)
            ring = names[names.index(step) :]
            ring_of.update(dict.fromkeys(ring, ring))
        done.update(trail)
    for name, ring in sorted(ring_of.items()):
        message = f"supervisors form a ring: {' → '.join((*ring, ring[0]))}"
        yield finding("R07", "error", message, view.people[name], "spec", "supervisor")


def _conflicting_roles(view: View) -> Iterator[Finding]:
    """R08: separation of duties. A conflict holds both ways, whichever role declares it."""
    conflicts = {
        frozenset((name, other)) for name, (_, role) in view.roles.items() for other in role.conflicts_with
    }
    for manifest, spec in view.staying(SubjectSpec):
        for index, role in enumerate(spec.roles):
            for earlier in spec.roles[:index]:
                if frozenset((role, earlier)) in conflicts:
                    message = f"roles {earlier} and {role} exclude each other (separation of duties)"
                    yield finding("R08", "error", message, manifest, "spec", "roles", index)


def _dangling_conflicts(view: View) -> Iterator[Finding]:
    """R09: a role that conflicts with one that is not there, or with itself, protects nobody."""
    for manifest, role in view.roles.values():
        for index, other in enumerate(role.conflicts_with):
            path = ("spec", "conflictsWith", index)
            if other == manifest.name:
                yield finding("R09", "error", "a role cannot conflict with itself", manifest, *path)
            else:
                yield from dangling(view, "R09", manifest, SubjectRef("role", other), "Role", *path)


def _expired_access(view: View) -> Iterator[Finding]:
    """R10: market access whose last day is over."""
    for manifest, spec in view.staying(Trader):
        for index, access in enumerate(spec.market_access):
            if access.not_after < view.today:
                message = f"market access to {', '.join(access.venues)} ended {access.not_after}"
                yield finding("R10", "warning", message, manifest, "spec", "marketAccess", index, "notAfter")


def _ending_soon(view: View) -> Iterator[Finding]:
    """R11: employment that ends within 30 days."""
    for manifest, spec in view.staying(Person):
        end = spec.employment.end
        if end is not None and end - view.today <= SOON:
            message = f"employment ends {end}: everything is contained the day after"
            yield finding("R11", "warning", message, manifest, "spec", "employment", "end")


def _unused_roles(view: View) -> Iterator[Finding]:
    """R12: a role that nobody holds."""
    held = {role for _, spec in view.staying(SubjectSpec) for role in spec.roles}
    for name, (manifest, _) in view.roles.items():
        if name not in held:
            yield finding("R12", "info", f"nobody holds role {name}", manifest, "metadata", "name")


def _powerless(view: View) -> Iterator[Finding]:
    """R25: somebody who may do nothing, or has nothing to prove themself with. No fault, and rarely meant."""
    people = list(view.staying(Person))
    without = {"roles": [m for m, s in people if not s.roles]}
    without["credentials"] = [m for m, s in people if not s.credentials and s.sign_in is None]
    for lacks, bare in without.items():
        if bare:
            claim, part = f"no {lacks}, so they can do nothing here", few(sorted(m.name for m in bare), len(bare))
            yield Finding("R25", "info", f"{claim}: {part}", None, bare[0].at("spec"), Tally(claim, part))


def _renames(view: View) -> Iterator[Finding]:
    """R13: a former name that still stands, is claimed twice, or is the present one."""
    claims = Counter(SubjectRef(m.ref.kind, old) for m in view.tree.manifests for old in m.previously)
    for manifest in view.tree.manifests:
        for index, old in enumerate(manifest.previously):
            former = SubjectRef(manifest.ref.kind, old)
            path = ("metadata", "previously", index)
            if former == manifest.ref:
                yield finding("R13", "error", "previously names the present name", manifest, *path)
            elif former in view.refs or former in view.frozen:
                message = f"previously names {old}, but {manifest.kind} {old} is still there"
                yield finding("R13", "error", message, manifest, *path)
            elif claims[former] > 1:
                message = f"more than one {manifest.kind} says it was {old} before"
                yield finding("R13", "error", message, manifest, *path)


def _holders_of_faulty_roles(view: View, faulty: Set[str | None]) -> Iterator[Finding]:
    """R24: a role that one of these checks finds fault with is granted to nobody until it is mended."""
    for manifest, spec in view.staying(SubjectSpec):
        for index, role in enumerate(spec.roles):
            if f"role/{role}" in faulty:
                yield finding(
                    "R24", "error", f"role {role} has a fault of its own", manifest, "spec", "roles", index
                )


_RULES: tuple[Callable[[View], Iterator[Finding]], ...] = (
    _duplicate_names,
    _duplicate_short_codes,
    _duplicate_person_ids,
    _shared_names,
    _dangling_roles,
    _dangling_profiles,
    _supervisors,
    _supervisor_cycles,
    _conflicting_roles,
    _dangling_conflicts,
    _expired_access,
    _ending_soon,
    _unused_roles,
    _powerless,
    _renames,
    *devices.RULES,
    *bots.RULES,
    *tiers.RULES,
    declared_only,
)
