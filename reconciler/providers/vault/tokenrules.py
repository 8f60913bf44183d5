"""What the grant login may write of JWT-auth roles, by which workloads and people log in with tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.model.estate import Estate
from reconciler.providers.vault.policies import PERSON_KINDS, Rule, Rules, rule, spell, starting
from reconciler.providers.vault.resources import PINNED_TOKEN_LOGIN

PROBE = "idac-probe"  # begins the names of the roles that a test account's token is tried at


def making(estate: Estate) -> Rules:
    """Roles of bots on the mounts of workload issuers, of people on those of identity providers: no other ones."""
    made: dict[str, Rule] = {}
    for issuer in estate.spec.workload_issuers:
        bound = _token_login(estate.subjects_of(issuer))
        made |= _roles(estate.mounts.workload(issuer.name), ("bot",), bound)
    for provider in estate.spec.identity_providers:
        bound = _token_login(estate.subjects_of(provider), (provider.audience,))
        kinds = PERSON_KINDS if provider.probe is None else (*PERSON_KINDS, PROBE)
        made |= _roles(estate.mounts.workload(provider.name), kinds, bound)
    return made


def subjects(estate: Estate) -> tuple[str, ...]:
    """The patterns of all subjects that tokens of the estate's issuers may have: what aliases may be named."""
    patterns = [estate.subjects_of(one) for one in estate.spec.workload_issuers]
    patterns += [estate.subjects_of(one) for one in estate.spec.identity_providers]
    return tuple(sorted({one for several in patterns for one in several}))


def _roles(mount: str, kinds: Sequence[str], bound: Mapping[str, Sequence[str]]) -> Rules:
    whole = rule("create", "update", only=bound, need=bound)  # every field, or what is left out stays as it was
    return {starting("auth", mount, "role", f"{kind}."): whole for kind in kinds}


def _token_login(subjects: Sequence[str], audiences: Sequence[str] = ()) -> Mapping[str, Sequence[str]]:
    """Parameters of a JWT-auth role. Of the claims themselves an ACL compares nothing: they are a mapping."""
    pinned = {n: () if isinstance(v, Mapping) else (spell(v),) for n, v in PINNED_TOKEN_LOGIN.items()}
    return {**pinned, "bound_audiences": tuple(audiences), "bound_claims": (), "bound_subject": tuple(subjects)}
