"""What the runners may do to MFA tiers: parts of their ACL policies."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.model.estate import Estate
from reconciler.providers.vault.policies import Capability, Rule, Rules, exact, rule, starting, under
from reconciler.providers.vault.resources import PINNED_TOTP, TARGETS, mfa_name

METHODS, ENFORCEMENTS = "identity/mfa/method/totp", "identity/mfa/login-enforcement"
_FIELDS = ("algorithm", "digits", "issuer", "max_validation_attempts", "period", "skew", *PINNED_TOTP)


def holding(estate: Estate) -> Rules:
    """The grant login's part: whom the estate's enforcements name."""
    return {_ours(estate): _enforcing("create", "update")}


def governing(estate: Estate) -> Rules:
    """The govern login's part: methods, and enforcements altogether. Enrolment is an administrator's."""
    only: Mapping[str, tuple[str, ...]] = {
        "method_name": (f"{mfa_name(estate, '')}*",),
        **dict.fromkeys(_FIELDS, ()),
    }
    return {
        # A method is written by its name. By its id it can only be deleted, while no enforcement names it.
        exact(METHODS): rule("create", "update", only=only, need=("method_name",)),
        under(METHODS): rule("delete"),
        _ours(estate): _enforcing("create", "update", "delete"),
    }


def _ours(estate: Estate) -> str:
    return starting(ENFORCEMENTS, mfa_name(estate, ""))


def _enforcing(*capabilities: Capability) -> Rule:
    """An enforcement names methods and entities, whichever: lists of texts no ACL can compare. Nothing else."""
    names = ("mfa_method_ids", "identity_entity_ids")
    only: Mapping[str, tuple[str, ...]] = {**dict.fromkeys(names, ()), **dict.fromkeys(TARGETS, ("",))}
    return rule(*capabilities, only=only)
