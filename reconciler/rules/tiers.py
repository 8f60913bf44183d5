"""Checks of MFA tiers: those that people have, and those that roles ask for. Pure; one function a code."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from reconciler.kinds.mfa_tier.spec import MfaTier
from reconciler.kinds.person import Person
from reconciler.model.manifest import Finding, Manifest, SubjectRef
from reconciler.rules.view import View, dangling, finding


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
    """R22: somebody whose tier is lower than one of their roles asks for."""
    tiers = {name: tier for name, (_, tier) in _tiers(view).items()}
    for manifest, person in view.staying(Person):
        own = tiers.get(person.mfa_tier or "")
        for index, name in enumerate(person.roles):
            asked = view.roles[name][1].requires.mfa_tier if name in view.roles else None
            wanted = tiers.get(asked or "")
            if wanted is None or (own is not None and own.aal >= wanted.aal):
                continue
            has = f"{manifest.name} has {person.mfa_tier} (AAL {own.aal})" if own else f"{manifest.name} has none"
            message = f"role {name} asks for MFA tier {asked} (AAL {wanted.aal}), and {has}"
            yield finding("R22", "error", message, manifest, "spec", "roles", index)


def _enforcers(view: View) -> Iterator[Finding]:
    """R23: who must enforce each tier, since idac does not."""
    for name, (manifest, tier) in sorted(_tiers(view).items()):
        who = " and ".join(e for e in tier.enforced_by if e != "vault")
        if who:
            message = f"MFA tier {name} must be enforced by {who}: idac says so, and cannot check it"
            yield Finding("R23", "info", message, None, manifest.at("spec", "enforcedBy"))


RULES: tuple[Callable[[View], Iterator[Finding]], ...] = (_dangling_tiers, _weak_tiers, _enforcers)
