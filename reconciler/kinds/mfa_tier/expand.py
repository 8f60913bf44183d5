"""MfaTier -> login MFA, where Vault is to enforce it; refused for what Vault cannot do."""

from __future__ import annotations

from collections.abc import Iterator

import reconciler.providers.vault.resources as vault
from reconciler.kinds.expansion import Expansion, World, spec_of
from reconciler.kinds.mfa_tier.spec import MfaTier, Totp
from reconciler.kinds.person import Person
from reconciler.model.estate import seconds
from reconciler.model.manifest import Finding, Manifest, SubjectRef


def expand(manifest: Manifest, world: World) -> Expansion:
    """The TOTP method of a tier that Vault enforces, and who is under it; nothing for the other tiers.

    Incomplete, X04, when the tier asks Vault for what it cannot do: then it claims nothing, and nothing is granted
    to those under it.
    """
    spec = spec_of(manifest, MfaTier)
    if not spec.by_vault:
        return Expansion()
    refused = tuple(
        Finding("X04", "error", message, str(manifest.ref), manifest.at("spec", field))
        for field, message in beyond_vault(spec)
    )
    if refused:
        return Expansion((), refused, complete=False)
    rules = spec.totp or Totp()
    totp = vault.Totp(rules.algorithm, rules.digits, rules.period, rules.skew, rules.max_attempts)
    return Expansion((vault.mfa_tier(world.estate, manifest.name, totp, _members(manifest.name, world)),))


def enforced_tier(name: str | None, world: World) -> str:
    """The tier's name where it is one that Vault enforces; empty for none, or one that somebody else enforces."""
    tier = world.manifests.get(SubjectRef("mfatier", name or ""))
    return tier.name if tier is not None and spec_of(tier, MfaTier).by_vault else ""


def _members(tier: str, world: World) -> Iterator[SubjectRef]:
    people = ((m.ref, m.spec) for m in world.manifests.values() if isinstance(m.spec, Person))
    return (ref for ref, person in people if person.mfa_tier == tier)


def beyond_vault(spec: MfaTier) -> Iterator[tuple[str, str]]:
    """What Vault cannot hold anybody to, by the field that asks for it."""
    if others := [method for method in spec.methods if method != "totp"]:
        names = " and ".join(others)
        yield "methods", f"Vault knows no {names}: make a tier of its own for it, that idp or gateway enforces"
    if len(spec.enforced_by) > 1:
        return
    if spec.max_auth_age is not None and seconds(spec.max_auth_age) < vault.TOKEN_LIFE:
        life = f"{vault.TOKEN_LIFE // 3600} h"
        yield (
            "maxAuthAge",
            f"Vault asks at login alone; its tokens live up to {life}: name who else enforces it",
        )
    if spec.step_up:
        yield "stepUp", "Vault asks at login alone: name who else enforces the step-ups (gateway)"
