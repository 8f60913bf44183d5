"""One subject or rule with everything that stands for it: desired and actual side by side, and why. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from reconciler.diff.compare import answered, differing, resolve
from reconciler.diff.issuers import is_fetched
from reconciler.kinds.bot.spec import Bot
from reconciler.kinds.person import Person
from reconciler.kinds.subject import SubjectSpec
from reconciler.model.change import Change
from reconciler.model.manifest import Finding, Manifest, SubjectRef, Tree, placed
from reconciler.model.plan import Plan
from reconciler.model.resource import Actual, Address, Desired, Fields, Hold, Resource, credential_of

RULES: Mapping[str, str] = {
    "role": "vault.policy/role/",
    "certificateprofile": "ca.profile/",
    "mfatier": "vault.mfa/",
}
# Of who is on hold or suspended: `contained` is what stands without power, `withheld` what is not given to them.
State = Literal["as desired", "differs", "missing", "not desired", "not seen", "contained", "withheld"]


@dataclass(frozen=True, slots=True)
class Line:
    """One resource. `because` says what asks for it, each with its place; `facts` is what was seen besides."""

    address: Address
    state: State
    because: tuple[Finding, ...]
    desired: Fields | None
    actual: Fields | None
    facts: Fields

    @property
    def differing(self) -> tuple[Fields, Fields]:
        """The fields that differ, as (desired, actual)."""
        return differing(self.desired or {}, self.actual or {}) if self.state == "differs" else ({}, {})


@dataclass(frozen=True, slots=True)
class Portrait:
    """Everything about one subject or rule."""

    ref: SubjectRef
    lifecycle: str  # active, suspended or left; "in doubt" where its manifest is invalid, "none" without one
    why: str
    manifests: tuple[Finding, ...]  # where it is declared
    hold: Hold | None
    freeze: Hold | None
    findings: tuple[Finding, ...]
    lines: tuple[Line, ...]
    changes: tuple[tuple[Change, str], ...]  # what would change, and which guard stops it
    holders: tuple[Finding, ...]  # of a rule: who asks for it
    unavailable: Mapping[str, str]

    @property
    def known(self) -> bool:
        """Whether there is anything to tell."""
        return bool(self.manifests or self.lines or self.hold or self.lifecycle != "none")


def portray(ref: SubjectRef, tree: Tree, desired: Desired, actual: Actual, fresh: Plan) -> Portrait:
    """What there is to tell of `ref`; `fresh` is the plan of the whole estate."""
    own = [m for m in tree.manifests if m.ref == ref]
    lifecycle = desired.lifecycles.get(ref, "in doubt" if ref in desired.frozen else "none")
    if ref.kind in RULES and own:
        lifecycle = "active"
    mine = [c for c in (*fresh.changes, *fresh.routine) if _about(ref, c.address, c.subject)]
    lines = tuple(_lines(ref, own, desired, actual))
    if ref in actual.holds or lifecycle == "suspended":
        lines = tuple(_contained(line, {c.address for c in mine}) for line in lines)
    return Portrait(
        ref,
        lifecycle,
        desired.reasons.get(ref, ""),
        placed(Finding("", "info", f"{m.kind} {m.name}", str(ref), m.at()) for m in own),
        actual.holds.get(ref),
        actual.freeze,
        tuple(f for f in fresh.findings if f.subject == str(ref)),
        lines,
        tuple((c, fresh.stopped(c)) for c in sorted(mine, key=lambda c: c.order)),
        placed(_holders(ref, tree.manifests)),
        actual.unavailable,
    )


def _about(ref: SubjectRef, address: Address, subject: SubjectRef | None) -> bool:
    return subject == ref or (ref.kind in RULES and address == f"{RULES[ref.kind]}{ref.name}")


def _lines(ref: SubjectRef, own: Sequence[Manifest], desired: Desired, actual: Actual) -> Iterator[Line]:
    wanted = {a: r for a, r in desired.resources.items() if _about(ref, a, r.subject)}
    there = {a: r for a, r in actual.resources.items() if _about(ref, a, r.subject)}
    for address in sorted(wanted.keys() | there.keys()):
        standing = there.get(address)
        after = resolve(wanted[address].fields, actual, standing) if address in wanted else None
        because = placed(_because(address, own)) if address in wanted else ()
        state = _state(after, standing, seen=answered(actual, address))
        if standing is not None and is_fetched(standing) and f"ca.issuer/{ref}" in wanted:
            state, because = "as desired", placed(_because(f"ca.issuer/{ref}", own))
        fields = standing.fields if standing is not None else None
        yield Line(address, state, because, after, fields, standing.facts if standing is not None else {})


def _contained(line: Line, changing: Collection[Address]) -> Line:
    """What it means where nothing may be given: only what the plan changes is not as it must be."""
    if line.address in changing or line.state == "not seen":
        return line
    return replace(line, state="contained" if line.actual is not None else "withheld")


def _state(desired: Fields | None, there: Resource | None, *, seen: bool) -> State:
    if not seen:
        return "not seen"
    if desired is None:
        return "not desired"
    if there is None:
        return "missing"
    return "as desired" if there.fields == desired else "differs"


def _because(address: Address, own: Sequence[Manifest]) -> Iterator[Finding]:
    """The lines of the manifest that ask for it."""
    for manifest in own:
        spec = manifest.spec
        credentials = spec.credentials if isinstance(spec, SubjectSpec) else ()
        by_token = list(_by_token(address, manifest))
        yield from by_token
        told = bool(by_token)
        for index, one in enumerate(credentials):
            fetches = bool(one.key.runtime) and address.startswith("ca.issuer/")
            if fetches or (address.count("/") in (3, 4) and credential_of(address) == one.name):
                words = f"credential {one.name}, profile {one.profile}"
                yield _asking(manifest, words, "spec", "credentials", index)
                told = True
        if isinstance(spec, SubjectSpec) and address.startswith("vault.entity/"):
            for index, role in enumerate(spec.roles):
                yield _asking(manifest, f"role {role}", "spec", "roles", index)
                told = True
        if not told:
            yield _asking(manifest, f"{manifest.kind} {manifest.name}")


def _by_token(address: Address, manifest: Manifest) -> Iterator[Finding]:
    """What asks for a login by an issuer's token."""
    spec = manifest.spec
    for index, release in enumerate(spec.releases if isinstance(spec, Bot) else ()):
        if isinstance(spec, Bot) and address == f"vault.login/{manifest.ref}/{spec.login(release)}":
            yield _asking(manifest, f"release {release.version}", "spec", "releases", index)
    sign_in = spec.sign_in if isinstance(spec, Person) else None
    if sign_in is not None and isinstance(spec, Person) and address.endswith(f"/{sign_in.login}"):
        yield _asking(manifest, f"sign-in at {sign_in.provider}, MFA tier {spec.tier}", "spec", "signIn")


def _holders(ref: SubjectRef, manifests: Sequence[Manifest]) -> Iterator[Finding]:
    """Who asks for a rule."""
    for manifest in manifests:
        if not isinstance(spec := manifest.spec, SubjectSpec):
            continue
        if ref.kind == "role" and ref.name in spec.roles:
            yield _asking(manifest, str(manifest.ref), "spec", "roles", spec.roles.index(ref.name))
        elif ref.kind == "certificateprofile":
            for index, one in enumerate(spec.credentials):
                if one.profile == ref.name:
                    yield _asking(manifest, f"{manifest.ref}/{one.name}", "spec", "credentials", index)
        elif ref.kind == "mfatier" and getattr(spec, "mfa_tier", None) == ref.name:
            yield _asking(manifest, str(manifest.ref), "spec", "mfaTier")


def _asking(manifest: Manifest, words: str, *path: str | int) -> Finding:
    return Finding("", "info", words, str(manifest.ref), manifest.at(*path))
