"""How much one plan may take away. What counts is power lost, by whatever words in the manifests.

A budget stops what it counts, and grants; it never stops other containment. What the manifests say in so many
words (`left`, `suspended`, no roles) is stopped only when that alone exceeds the budget: so neither planted strays
nor a lost directory keep an explicit leaver alive.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from reconciler.model.change import Change
from reconciler.model.estate import Estate, RemovalBudget
from reconciler.model.login import rebound
from reconciler.model.manifest import SubjectRef
from reconciler.model.plan import Guard
from reconciler.model.resource import Actual, Core, Desired, Resource, by_subject
from reconciler.model.words import few

MEND_REMOVALS = (
    "split the change, or have the policy's owners raise `removals`; a single leaver goes with `status: left`"
)
MEND_HOLDS = (
    "see first who or what contained them: a listing that lies looks like this; if it is an emergency, have "
    "the policy's owners raise `removals`, or suspend them in their manifests; meanwhile they are granted nothing"
)


@dataclass(frozen=True, slots=True)
class _Counted:
    """Subjects by why they are counted: said or seen without doubt, or concluded from something missing."""

    sure: Mapping[SubjectRef, str]
    concluded: Mapping[SubjectRef, str]

    def of(self, kind: str) -> _Counted:
        return _Counted(*({s: why for s, why in part.items() if s.kind == kind} for part in self._parts))

    @property
    def all(self) -> Mapping[SubjectRef, str]:
        return {**self.sure, **self.concluded}

    @property
    def _parts(self) -> tuple[Mapping[SubjectRef, str], Mapping[SubjectRef, str]]:
        return self.sure, self.concluded


def removals(
    desired: Desired, actual: Actual, estate: Estate, barred: Collection[str], *, granting: bool
) -> Iterator[Guard]:
    """G01: how many subjects may lose everything they have.

    `barred` are the subjects to whom findings deny grants, and `granting` is false when a guard freezes them all:
    whoever only loses then, where the manifests mean a change, has lost everything too.
    """
    standing = _of_subjects(_with_roles_alone(r, estate) for r in actual.resources.values() if _counts(r))
    wanted = _of_subjects(_with_roles_alone(r, estate) for r in desired.resources.values())
    heirs = {old: new for new, old in desired.previously.items()}
    scales = _Scales(desired, actual, wanted, heirs, barred, granting)
    sure: dict[SubjectRef, str] = {}
    concluded: dict[SubjectRef, str] = {}
    for subject, resources in standing.items():
        why = scales.loss(subject, resources) if _has_power(resources) else ""
        if why:
            (concluded if desired.lifecycles.get(subject) is None else sure)[subject] = why
    words = "would lose everything they have"
    yield from _judge("G01", words, _Counted(sure, concluded), standing, estate, MEND_REMOVALS)


def holds(changes: Sequence[Change], desired: Desired, actual: Actual, estate: Estate) -> Iterator[Guard]:
    """G09: how many subjects may be put on hold. What a missing entity alone suggests is the less sure."""
    new = [c for c in changes if c.action == "hold" and c.subject is not None]
    standing = {r.subject for r in actual.resources.values() if r.subject is not None and _counts(r)}
    # A hold that follows to a new name takes nothing from it yet: that is not what a budget is about.
    counted = [(c.subject, c) for c in new if c.subject in standing]
    active = [(s, c) for s, c in counted if s and _stays(s, desired)]
    sure = {s: "seen contained" for s, c in active if c.actual is not None}
    concluded = {s: "entity missing" for s, c in active if c.actual is None}
    words = "would be put on hold"
    yield from _judge("G09", words, _Counted(sure, concluded), standing, estate, MEND_HOLDS)


def _judge(
    code: str, words: str, counted: _Counted, standing: Collection[SubjectRef], estate: Estate, mend: str
) -> Iterator[Guard]:
    """One verdict in total, and one for each kind concerned."""
    policy = estate.spec.policy
    yield _verdict(code, f"in total {words}", counted, len(standing), policy.removals, mend)
    have = Counter(s.kind for s in standing)
    for kind in sorted({s.kind for s in counted.all}):
        limit = policy.removals_per_kind.get(kind, policy.removals)
        if len(have) == 1 and limit == policy.removals:
            continue  # the same verdict again
        yield _verdict(code, f"of kind {kind} {words}", counted.of(kind), have[kind], limit, mend)


def _verdict(code: str, words: str, counted: _Counted, live: int, limit: RemovalBudget, mend: str) -> Guard:
    share = max(1, live * limit.percent // 100)  # a single one never fails on a small desk
    allowed = min(limit.absolute, share)
    count = len(counted.all)
    message = f"{count} of {live} subjects {words}; the budget is {allowed}"
    message += f" ({limit.absolute} at most, {limit.percent} % at most)"
    if count <= allowed:
        return Guard(code, "passed", message)
    stopped = counted.all if len(counted.sure) > allowed else counted.concluded
    message += f": {_named(counted.all)} — {mend}"
    return Guard(code, "refused", message, subjects=frozenset(stopped))


def _named(counted: Mapping[SubjectRef, str]) -> str:
    """`4 deleted, 1 suspended (trader/a, trader/b, trader/c and 2 more)`."""
    whys = ", ".join(f"{count} {why}" for why, count in sorted(Counter(counted.values()).items()))
    return f"{whys} ({few(sorted(map(str, counted)), len(counted))})"


@dataclass(frozen=True, slots=True)
class _Scales:
    """What each subject has, against what it keeps."""

    desired: Desired
    actual: Actual
    wanted: Mapping[SubjectRef, Sequence[Resource]]
    heirs: Mapping[SubjectRef, SubjectRef]  # former name -> new name
    barred: Collection[str]
    granting: bool

    def loss(self, subject: SubjectRef, resources: Sequence[Resource]) -> str:
        """How a subject loses all it has; empty when it keeps something, or when nothing is done to it."""
        if subject in self.desired.frozen:  # it is narrowed at most, as far as its manifest leaves no doubt
            core = self.desired.cores.get(subject)
            return _narrowed(resources, core) if core is not None and subject not in self.actual.holds else ""
        lifecycle = self.desired.lifecycles.get(subject)
        if lifecycle in ("left", "suspended"):
            return lifecycle
        if lifecycle == "active":
            return "" if subject in self.actual.holds else self._stripped(subject, resources, resources)
        if not self.desired.absence_is_intent:
            return ""
        heir = self.heirs.get(subject)
        if heir is None:
            return "deleted"
        alive = self.desired.lifecycles.get(heir) == "active" and heir not in self.actual.holds
        return "" if alive and not self._stripped(heir, resources, ()) else "renamed to somebody without power"

    def _stripped(self, subject: SubjectRef, had: Sequence[Resource], there: Sequence[Resource]) -> str:
        """Whether all roles, all credentials or all logins go; `there` is what stands under this name already."""
        wanted = self.wanted.get(subject, ())
        if not self.granting or str(subject) in self.barred:
            wanted = _in_common(wanted, there)
        keeps = _powers(wanted)
        lost = [kind for kind in _powers(had) if kind not in keeps]
        return f"stripped of all {lost[0]}" if lost else ""


def _stays(subject: SubjectRef, desired: Desired) -> bool:
    """Whether a hold is what takes this subject's power, and not its manifest, or that manifest's absence."""
    doubtful = subject in desired.frozen or not desired.absence_is_intent
    return desired.lifecycles.get(subject, "active" if doubtful else "left") == "active"


def _narrowed(resources: Sequence[Resource], core: Core) -> str:
    """What a manifest that has a fault takes all the same, if that is everything; nothing is granted for it."""
    keeps = [r for r in resources if r.type != "vault.entity" and _stands(r, core)]
    keeps += _in_common([core.entity], resources)
    lost = [kind for kind in _powers(resources) if kind not in _powers(keeps)]
    return f"stripped of all {lost[0]}" if lost else ""


def _stands(resource: Resource, core: Core) -> bool:
    return core.credentials is None or resource.address.rsplit("/", 1)[-1] in core.credentials


def _in_common(wanted: Sequence[Resource], there: Sequence[Resource]) -> list[Resource]:
    """What stays when nothing is granted: what stands and is wanted as well."""
    standing = {r.address: r for r in there}
    both = [(standing[r.address], r) for r in wanted if r.address in standing]
    return [r for old, r in both if _kept(old, r)]


def _kept(old: Resource, new: Resource) -> bool:
    if new.type == "vault.entity":
        return bool({*old.fields["policies"]} & {*new.fields["policies"]})
    return new.type != "vault.login" or not rebound(old.fields, new.fields)


def _powers(resources: Iterable[Resource]) -> list[str]:
    several = list(resources)
    types = {r.type for r in several}
    roles = any(r.fields["policies"] for r in several if r.type == "vault.entity")
    credentials = bool({"ca.certificate", "ca.issuer"} & types)
    has = {"roles": roles, "credentials": credentials, "logins": "vault.login" in types}
    return [kind for kind, there in has.items() if there]


def _with_roles_alone(resource: Resource, estate: Estate) -> Resource:
    """An entity without the estate's policies that are no Role's: to use what is one's own is no role."""
    if resource.type != "vault.entity":
        return resource
    policies = resource.fields["policies"]
    roles = [p for p in policies if p.startswith(f"{estate.prefix}role-") or not p.startswith(estate.prefix)]
    if len(roles) == len(policies):
        return resource
    return replace(resource, fields={**resource.fields, "policies": roles})


def _of_subjects(resources: Iterable[Resource]) -> Mapping[SubjectRef, Sequence[Resource]]:
    return {subject: several for subject, several in by_subject(resources).items() if subject is not None}


def _counts(resource: Resource) -> bool:
    """Whether it makes its subject a real one. A KV entry or a signature alone does not: whoever may write
    entries could fill the budget with people who never were.
    """
    if resource.type != "ca.certificate":
        # A destroyed key never comes back.
        return resource.type in ("vault.entity", "vault.login", "ca.issuer", "hsm.key")
    named = resource.subject is not None and resource.fields.get("common_name") == resource.subject.principal
    return named and bool(resource.facts.get("serials"))


def _has_power(resources: Iterable[Resource]) -> bool:
    """Whether there is anything left to lose: not for whoever is disabled already."""
    return not any(r.type == "vault.entity" and r.fields["disabled"] for r in resources)
