"""A person who signs in at an identity provider -> a login, bound to the `sub` and to what the MFA tier asks.

The provider says in its ID token how strongly the person proved who they are (`acr`, `amr`), and Vault refuses a
token that does not say what the tier asks for. Whether the provider says it rightly nobody here can check.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import reconciler.providers.vault.resources as vault
from reconciler.kinds.credentials import expand_subject
from reconciler.kinds.expansion import Expansion, World, spec_of
from reconciler.kinds.fields import matches
from reconciler.kinds.mfa_tier.expand import enforced_tier
from reconciler.kinds.mfa_tier.spec import MfaTier
from reconciler.kinds.person import Person, SignIn
from reconciler.model.estate import Estate
from reconciler.model.issuers import IdentityProvider
from reconciler.model.manifest import Finding, Manifest, SubjectRef
from reconciler.model.resource import Resource, Value


def expand(manifest: Manifest, world: World) -> Expansion:
    """Everything an active person should have. Incomplete, X07, when nothing would hold the sign-in to a tier."""
    person, made = spec_of(manifest, Person), expand_subject(manifest, world)
    if person.sign_in is None:
        return made
    provider = world.estate.identity_provider(person.sign_in.provider)
    tier = _tier(person, world)
    faults = tuple(_faults(manifest, person.sign_in, provider, tier, world))
    own = [entity(world.estate, manifest.ref, person), *(r for r in made.resources if r.type != "vault.entity")]
    if provider is not None and tier is not None and not faults:
        own.append(_login(manifest.ref, person, person.sign_in, provider, tier))
    by_code = enforced_tier(person.tier, world)
    told = _unread(manifest, person.sign_in, world.estate)
    complete = made.complete and not faults
    return Expansion(tuple(vault.held_to(by_code, r) for r in own), (*made.findings, *faults, *told), complete)


def entity(estate: Estate, subject: SubjectRef, person: Person) -> Resource:
    """The person's entity: with an alias where their ID tokens log in, if they do."""
    aliases = []
    if person.sign_in is not None:
        aliases = [f"{estate.mounts.workload(person.sign_in.provider)}:{person.sign_in.subject}"]
    return vault.entity(estate, subject, person.roles, person.whose, person.own, aliases)


def claims(provider: IdentityProvider, tier: MfaTier) -> Mapping[str, Value]:
    """What an ID token must say to log a holder of the tier in: JSON pointer -> value, or one of several."""
    wanted: dict[str, Value] = {provider.claims.acr: tier.acr}
    return wanted | ({provider.claims.amr: sorted(tier.amr)} if tier.amr else {})


def _login(
    subject: SubjectRef, person: Person, sign_in: SignIn, provider: IdentityProvider, tier: MfaTier
) -> Resource:
    asked = claims(provider, tier)
    made = vault.token_login(subject, sign_in.login, sub=sign_in.subject, audience=provider.audience, claims=asked)
    return replace(made, facts={"signs_in": str(person.mfa_tier)})  # the tier that a probe can try


def _tier(person: Person, world: World) -> MfaTier | None:
    found = world.manifests.get(SubjectRef("mfatier", person.mfa_tier or ""))
    return spec_of(found, MfaTier) if found is not None else None


def _faults(
    manifest: Manifest, sign_in: SignIn, provider: IdentityProvider | None, tier: MfaTier | None, world: World
) -> Iterator[Finding]:
    """X07: a sign-in that no provider vouches for, or that nothing would hold to a second factor."""

    def fault(message: str, *path: str) -> Finding:
        return Finding("X07", "error", message, str(manifest.ref), manifest.at("spec", *path))

    name = spec_of(manifest, Person).mfa_tier
    if name is None:
        yield fault("signIn needs an mfaTier that idp enforces: nothing would hold the person to one", "signIn")
    elif tier is not None and not tier.by_idp:
        who = " and ".join(tier.enforced_by)
        message = f"MFA tier {name} is enforced by {who}: signIn needs one that idp enforces"
        yield fault(message, "mfaTier")
    if provider is None:
        there = ", ".join(one.name for one in world.estate.spec.identity_providers) or "none"
        message = f"idac.yaml names no identity provider {sign_in.provider}; there is {there}"
        yield fault(message, "signIn", "provider")
    elif not any(matches(sign_in.subject, one) for one in world.estate.subjects_of(provider)):
        patterns = ", ".join(world.estate.subjects_of(provider))
        message = f"{sign_in.subject} is no subject that {provider.called} may vouch for: {patterns}"
        yield fault(message, "signIn", "subject")


def _unread(manifest: Manifest, sign_in: SignIn, estate: Estate) -> Iterator[Finding]:
    """X07: a provider whose file is of no use. Whoever signs in there is granted nothing, and loses nothing."""
    why = estate.issuer_faults.get(sign_in.provider)
    if why is not None:
        message = f"identity provider {sign_in.provider} of idac.yaml: {why}"
        yield Finding("X07", "error", message, str(manifest.ref), manifest.at("spec", "signIn", "provider"))


__all__ = ["claims", "entity", "expand"]
