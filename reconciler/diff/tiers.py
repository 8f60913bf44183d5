"""Login MFA: a tier's rules, who comes under it and who leaves it.

Whoever comes under a tier is enforced before a login role is made for them, and logged out if one stood already.
Whoever moves is under the new tier before they leave the old one. Whoever is contained stays under it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from reconciler.diff.compare import answered, differing
from reconciler.diff.containment import end_tokens
from reconciler.diff.convergence import UNEXPLAINED
from reconciler.model.change import Change, Phase
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Actual, BySubject, Desired, Fields, Resource
from reconciler.model.words import few

TIER = "vault.mfa"
LOGGED_OUT = "whoever logged in without the code is logged out"


@dataclass(frozen=True, slots=True)
class _Scene:
    """Both states, and what the plan does already."""

    desired: Desired
    actual: Actual
    present: BySubject
    made: frozenset[str]  # subjects whose entity this plan makes
    ended: frozenset[str]  # addresses of tokens that it ends

    def life(self, member: str) -> str:
        """The member's lifecycle; without a manifest they have left."""
        subject = _subject(member)
        doubtful = subject in self.desired.frozen or not self.desired.absence_is_intent
        return self.desired.lifecycles.get(subject, "frozen" if doubtful else "left")

    def stands(self, member: str) -> bool:
        """Whether the member's entity stands."""
        return f"vault.entity/{member}" in self.actual.resources

    def held_to(self, member: str, tier: str) -> bool:
        """Whether the member's own manifest still asks for the tier, or does not say."""
        entity = self.desired.resources.get(f"vault.entity/{member}")
        return self.life(member) != "active" or entity is None or entity.facts.get("tier") == tier


def converge_tiers(
    wanted: Sequence[Resource], desired: Desired, actual: Actual, present: BySubject, changes: Sequence[Change]
) -> Iterator[Change]:
    """Every change of login MFA. `wanted` are resources without a subject, `changes` what the plan has so far."""
    tiers = {r.address: r for r in wanted if r.type == TIER}
    there = {r.address: r for r in present.get(None, ()) if r.type == TIER}
    if not (tiers or there):
        return
    scene = _Scene(
        desired,
        actual,
        present,
        frozenset(str(c.subject) for c in changes if c.type == "vault.entity" and c.action == "create"),
        frozenset(c.address for c in changes if c.type == "vault.token"),
    )
    for address in sorted(tiers.keys() | there.keys()):
        if answered(actual, address):
            yield from _tier(address, tiers.get(address), there.get(address), scene)


def _tier(address: str, wanted: Resource | None, there: Resource | None, scene: _Scene) -> Iterator[Change]:
    name = address.partition("/")[2]
    members = frozenset(there.fields["members"] if there is not None else ())
    if wanted is not None:
        yield from _rule(wanted, there, scene)
        joining = sorted(m for m in wanted.fields["members"] if m not in members and scene.life(m) != "left")
        yield from _join(wanted, there, members, joining, scene)
        members |= {m for m in joining if scene.stands(m) or m in scene.made}
    leaving = sorted(m for m in members if not scene.held_to(m, name))
    rule = wanted or there
    if leaving and rule is not None:
        why = f"{few(leaving, len(leaving))}: nothing asks them for the code of MFA tier {name} any more"
        after = _with(rule, members - frozenset(leaving))
        yield Change(address, None, "update", "grant", why, {"leaves": leaving}, {"leaves": []}, after, there)
    whole = scene.desired.absence_is_intent and not scene.desired.frozen
    if wanted is None and there is not None and whole:
        phase: Phase = "grant" if leaving else "govern"
        before = {**there.fields, "members": len(there.fields["members"])}
        yield Change(address, None, "delete", phase, UNEXPLAINED, before=before, actual=there)


def _rule(wanted: Resource, there: Resource | None, scene: _Scene) -> Iterator[Change]:
    """The method and the form of its enforcement. Nobody comes under it or leaves it by this.

    An enforcement that somebody made ask for less is put right as containment, and whoever it may have let in with
    another code is logged out.
    """
    if there is None:
        after = _rules(wanted)
        why = "the manifest asks for it"
        yield Change(wanted.address, None, "create", "govern", why, after=after, desired=_with(wanted, ()))
        return
    before, changed = differing(_rules(there), _rules(wanted))
    if changed:
        why = f"differs in {', '.join(sorted(changed))}"
        made = _with(wanted, there.fields["members"])
        phase: Phase = "contain" if changed.keys() == {"deviations"} and there.facts.get("lax") else "govern"
        yield Change(wanted.address, None, "update", phase, why, before, changed, made, there)
        name = wanted.address.partition("/")[2]
        late: Phase = "contain" if phase == "contain" else "grant"
        held = (m for m in there.fields["members"] if there.facts.get("lax") and scene.held_to(m, name))
        yield from (replace(c, phase=late) for m in held for c in _log_out(_subject(m), scene))


def _join(
    wanted: Resource, there: Resource | None, members: frozenset[str], joining: Sequence[str], scene: _Scene
) -> Iterator[Change]:
    """Who comes under the tier. Where it stands already, for those who stand already, that is containment."""
    standing = [m for m in joining if scene.stands(m)]
    new = [m for m in joining if m in scene.made and not scene.stands(m)]
    early: Phase = "contain" if there is not None else "grant"
    batches: dict[Phase, list[str]] = {early: standing}
    batches["grant"] = sorted([*batches.get("grant", ()), *new])
    for phase, some in sorted(batches.items()):
        if some:
            members |= frozenset(some)
            name = wanted.address.partition("/")[2]
            why = f"{few(some, len(some))}: from now on a login needs the code of MFA tier {name}"
            after = _with(wanted, members)
            yield Change(wanted.address, None, "update", phase, why, {"joins": []}, {"joins": some}, after, there)
    for member in standing:
        yield from (replace(c, phase=early) for c in _log_out(_subject(member), scene))


def _log_out(subject: SubjectRef, scene: _Scene) -> Iterator[Change]:
    resources = scene.present.get(subject, ())
    entity = next((r for r in resources if r.type == "vault.entity"), None)
    for login in (r for r in resources if r.type == "vault.login"):
        credential = login.address.rsplit("/", 1)[-1]
        made = entity and end_tokens(subject, entity, credential, LOGGED_OUT, login=True, serials=())
        if made and made.address not in scene.ended:
            yield made


def _rules(tier: Resource) -> Fields:
    return {name: value for name, value in tier.fields.items() if name != "members"}


def _with(tier: Resource, members: frozenset[str] | Sequence[str]) -> Resource:
    fields: Mapping[str, object] = {**tier.fields, "members": sorted(members)}
    return Resource(tier.address, None, fields, tier.facts)


def _subject(member: str) -> SubjectRef:
    kind, _, name = member.partition("/")
    return SubjectRef(kind, name)
