"""Checks of MFA tiers: those that people have, and those that roles ask for. Pure; one function a code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from reconciler.kinds.mfa_tier.expand import beyond_vault
from reconciler.kinds.mfa_tier.spec import MfaTier
from reconciler.kinds.person import Person
from reconciler.kinds.subject import SubjectSpec
from reconciler.model.manifest import Finding, Manifest, SubjectRef
from reconciler.rules.view import View, dangling, finding, several, shared


def _tiers(view: View) -> dict[str, tuple[Manifest, MfaTier]]:
    return {m.name: (m, m.spec) for m in view.tree.manifests if isinstance(m.spec, MfaTier)}


def _dangling_tiers(view: View) -> Iterator[Finding]:
    """R21: an MFA tier that is not there."""
    for manifest, person in view.staying(Person):
        if person.mfa_tier is not None:
            target = SubjectRef("mfatier", person.mfa_tier)
            yield from dangling(view, "R21", manifest, target, "MfaTier", "spec", "mfaTier")
    for manifest, role in view.roles.values():
        if role.requires.mfa_tier is not None:
            target = SubjectRef("mfatier", role.requires.mfa_tier)
            yield from dangling(view, "R21", manifest, target, "MfaTier", "spec", "requires", "mfaTier")


def _weak_tiers(view: View) -> Iterator[Finding]:
    """R22: somebody whose tier is lower than one of their roles asks for. Whatever is no person has no tier."""
    tiers = {name: tier for name, (_, tier) in _tiers(view).items()}
    for manifest, subject in view.staying(SubjectSpec):
        own = tiers.get(subject.tier or "")
        for index, name in enumerate(subject.roles):
            asked = view.roles[name][1].requires.mfa_tier if name in view.roles else None
            wanted = tiers.get(asked or "")
            if wanted is None or (own is not None and own.aal >= wanted.aal):
                continue
            has = f"{manifest.name} has {subject.tier} (AAL {own.aal})" if own else f"{manifest.name} has none"
            message = f"role {name} asks for MFA tier {asked} (AAL {wanted.aal}), and {has}"
            yield finding("R22", "error", message, manifest, "spec", "roles", index)


def _enforcers(view: View) -> Iterator[Finding]:
    """R23: who must enforce each tier, since idac does not; and which of its holders' logins Vault holds to it."""
    signing_in = Counter(p.mfa_tier for _, p in view.staying(Person) if p.sign_in is not None)
    for name, (manifest, tier) in sorted(_tiers(view).items()):
        who = " and ".join(e for e in tier.enforced_by if e != "vault")
        if who:
            message = f"MFA tier {name} must be enforced by {who}: idac says so, and cannot check it"
            if tier.by_idp and signing_in[name]:
                message += f"; {_held(tier, signing_in[name])}"
            yield Finding("R23", "info", message, None, manifest.at("spec", "enforcedBy"))


def _held(tier: MfaTier, number: int) -> str:
    """What Vault does of a tier that an identity provider enforces."""
    lacking = f"acr {tier.acr}" + (f" or each of amr {', '.join(sorted(tier.amr))}" if tier.amr else "")
    whose = "1 person" if number == 1 else f"{number} people"
    return f"Vault refuses ID tokens of its {whose} with signIn that lack {lacking}; certificates pass no provider"


def _subjects(view: View) -> Iterator[Finding]:
    """R29: two people whom one ID token would log in. The server does not tell capitals apart in aliases."""
    bound = ((p.sign_in, m) for m, p in view.staying(Person) if p.sign_in is not None)
    for same in several(((one.provider, one.subject.casefold()), m) for one, m in bound):
        yield from shared(same, "R29", "signIn subject", "spec", "signIn")


def _enrolment(view: View) -> Iterator[Finding]:
    """R26: what a tier that Vault enforces takes of its holders. The server shows nobody who is enrolled."""
    for name, (manifest, tier) in sorted(_tiers(view).items()):
        if tier.by_vault and not any(beyond_vault(tier)):
            message = f"MFA tier {name}: whoever an administrator has not enrolled cannot log in (docs/mfa.md)"
            yield Finding("R26", "info", message, None, manifest.at("spec", "enforcedBy"))


def _faulty_tiers(view: View) -> Iterator[Finding]:
    """R27: a tier that asks Vault for what it cannot do (X04): nothing is granted to those under it."""
    faulty = {name for name, (_, tier) in _tiers(view).items() if tier.by_vault and any(beyond_vault(tier))}
    for manifest, person in view.staying(Person):
        if person.mfa_tier in faulty:
            message = f"MFA tier {person.mfa_tier} has a fault of its own"
            yield finding("R27", "error", message, manifest, "spec", "mfaTier")


RULES: tuple[Callable[[View], Iterator[Finding]], ...] = (
    _dangling_tiers,
    _weak_tiers,
    _enforcers,
    _subjects,
    _enrolment,
    _faulty_tiers,
)
