"""What idac.yaml names and bootstrap has not laid: nobody has changed a rule then, and nothing stands on it."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from reconciler.model.estate import Estate
from reconciler.model.manifest import Finding


def laid_part(estate: Estate, engines: Collection[str], logins: Collection[str]) -> Estate:
    """The estate without the HSM tokens and issuers of tokens that have no mount: as it was when they were laid.

    `engines` and `logins` are the mounts there are, without slashes.
    """
    spec = estate.spec
    tokens = tuple(one for one in spec.hsm_tokens if estate.hsm_mount(one.name) in engines)
    issuers = tuple(one for one in spec.workload_issuers if estate.mounts.workload(one.name) in logins)
    providers = tuple(one for one in spec.identity_providers if estate.mounts.workload(one.name) in logins)
    there = {"hsm_tokens": tokens, "workload_issuers": issuers, "identity_providers": providers}
    part = spec.model_copy(update=there)
    return estate.model_copy(update={"spec": part})


def unlaid(estate: Estate, laid: Estate) -> Iterator[Finding]:
    """F04: what the estate names beyond its laid part."""
    pairs = (
        ("HSM token", estate.spec.hsm_tokens, laid.spec.hsm_tokens),
        ("workload issuer", estate.spec.workload_issuers, laid.spec.workload_issuers),
        ("identity provider", estate.spec.identity_providers, laid.spec.identity_providers),
    )
    missing = [f"{what} {one.name}" for what, named, there in pairs for one in named if one not in there]
    if missing:
        *most, last = missing
        names = f"{', '.join(most)} and {last}" if most else last
        remedy = "an administrator runs `idac bootstrap`"
        yield Finding("F04", "error", f"idac.yaml names {names}, which bootstrap has not laid yet — {remedy}")


__all__ = ["laid_part", "unlaid"]
