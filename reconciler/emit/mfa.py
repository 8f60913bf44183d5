"""MFA tiers as data, for whoever enforces what idac cannot: identity providers, gateways. Pure, without a clock.

One document a tier. Equal manifests give equal documents, so that a difference is a change of the rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from reconciler.kinds.mfa_tier.spec import MfaTier, StepUp
from reconciler.kinds.person import Person
from reconciler.kinds.role.spec import Role
from reconciler.model.estate import Estate, seconds
from reconciler.model.manifest import Tree

FORMAT_VERSION = "idac.mfa/v1"


def tier_documents(tree: Tree, estate: Estate, today: date) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each tier's name and document, in order of names. Leavers are in none; whoever is suspended is."""
    people = [(m.ref, m.spec) for m in tree.manifests if isinstance(m.spec, Person)]
    roles = [(m.name, m.spec) for m in tree.manifests if isinstance(m.spec, Role)]
    tiers = {m.name: m.spec for m in tree.manifests if isinstance(m.spec, MfaTier)}
    for name, tier in sorted(tiers.items()):
        subjects = [
            {
                "subject": str(ref),
                "principal": ref.principal,
                "spiffeId": f"spiffe://{estate.spec.trust_domain}/{ref}",
                "personId": person.person_id,
                "lifecycle": person.lifecycle(today)[0],
                "signIn": _sign_in(person),
            }
            for ref, person in sorted(people, key=lambda one: one[0])
            if person.mfa_tier == name and person.lifecycle(today)[0] != "left"
        ]
        asking = sorted(role for role, spec in roles if spec.requires.mfa_tier == name)
        yield name, {**_rules(estate, name, tier), "requiredByRoles": asking, "subjects": subjects}


def _rules(estate: Estate, name: str, tier: MfaTier) -> Mapping[str, Any]:
    return {
        "formatVersion": FORMAT_VERSION,
        "estate": estate.name,
        "tier": name,
        "aal": tier.aal,
        "acr": tier.acr,
        "amr": sorted(tier.amr),
        "methods": sorted(tier.methods),
        "enforcedBy": sorted(tier.enforced_by),
        "enforcedByIdac": ["vault"] if tier.by_vault else [],
        "authenticators": {"webauthn": _authenticators(tier)} if "webauthn" in tier.methods else {},
        "maxAuthAgeSeconds": seconds(tier.max_auth_age) if tier.max_auth_age is not None else None,
        "stepUp": [_step_up(one) for one in tier.step_up],
    }


def _authenticators(tier: MfaTier) -> Mapping[str, Any]:
    """The rules for WebAuthn; null where the tier has none of its own."""
    rules = tier.webauthn
    if rules is None:
        return {"rules": None}
    return {
        "rules": {
            "aaguids": sorted(rules.aaguids),
            "attestation": rules.attestation,
            "backupEligible": rules.backup_eligible,
            "userVerification": rules.user_verification,
            "algs": sorted(rules.algs),
        }
    }


def _sign_in(person: Person) -> Mapping[str, Any] | None:
    """Where the person signs in, and as whom."""
    if person.sign_in is None:
        return None
    return {"provider": person.sign_in.provider, "subject": person.sign_in.subject}


def _step_up(one: StepUp) -> Mapping[str, Any]:
    when = one.when
    over = when.notional_over if when is not None else None
    return {
        "on": one.on,
        "notionalOver": {"ccy": over.ccy, "amount": str(over.amount)} if over is not None else None,
        "outside": when.outside if when is not None else None,
    }
