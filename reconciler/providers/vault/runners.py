"""The ACL policies of the four identities. What none of them can hold is in docs/threat-model.md.

No rule says `pki/*`: `GET pki/crl/rotate` and `rotate-delta` write. No rule reaches `identity/entity/id`, merge,
groups, `sys/` beyond what is named, or another estate's mounts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.model.estate import Estate
from reconciler.providers.vault import tierrules, tokenrules
from reconciler.providers.vault.own import own, signing
from reconciler.providers.vault.policies import (
    SUBJECT_KINDS,
    Rule,
    Rules,
    each,
    entity_paths,
    exact,
    rule,
    spell,
    starting,
    under,
)
from reconciler.providers.vault.resources import PINNED_LOGIN

PROBE = "idac-probe"  # PKI role, cert-auth role and alias of the tool's own probe
TIER_PROBE = "idac-probe-mfa"  # cert-auth role and alias of the one that every MFA tier holds to its code
PROBES = (PROBE, TIER_PROBE)
KEY_TYPES = ("ecdsa-p256", "ecdsa-p384", "rsa-2048", "rsa-3072", "rsa-4096")  # of the transit engine
# AppRole -> suffixes of the policies its tokens carry
POLICIES: Mapping[str, tuple[str, ...]] = {
    "plan": ("plan",),
    "contain": ("contain",),
    "grant": ("grant", "issue"),
    "govern": ("govern",),
}
# Seconds that a login lives, at most: longer than any run, and never renewed.
LIFE: Mapping[str, int] = {"plan": 1800, "contain": 3600, "grant": 3600, "govern": 1800}


def documents(estate: Estate, *, accessors: Mapping[str, str], authority: str) -> Mapping[str, Rules]:
    """The policies that do not depend on the manifests, by suffix.

    `accessors` are those of the login mounts, `authority` the issuing CA's certificate (PEM).
    """
    read = reading(estate)
    logins = [
        accessors[mount] for mount in (estate.mounts.cert, *estate.issuer_mounts.values()) if mount in accessors
    ]
    return {
        "plan": {**read, exact("auth/token/lookup-self"): rule("read")},
        "contain": _merge(read, _own_token(), contain(estate)),
        "issue": _merge(read, _own_token(), issue(estate, logins, authority)),
        "govern": _merge(read, _own_token(), govern(estate)),
        **own(estate),
    }


def reading(estate: Estate) -> Rules:
    """What all four may see: everything of the estate, and all entities and policies, to find what is ours.

    No secret is among it: certificates, marks and rules.
    """
    mounts = estate.mounts
    cert, pki, root, kv = f"auth/{mounts.cert}", mounts.pki, mounts.root, mounts.kv
    listed = ["identity/entity/id", "identity/entity/name", "sys/policies/acl", "sys/policies/detailed/acl"]
    listed += [f"{cert}/certs", f"{cert}/crls", f"{kv}/metadata", f"{kv}/detailed-metadata"]
    listed += ["identity/mfa/method/totp", "identity/mfa/login-enforcement"]
    listed += [f"{pki}/{name}" for name in ("roles", "certs", "certs/detailed", "certs/revoked", "issuers")]
    single = ["sys/mounts", "sys/auth", f"{cert}/config", f"{kv}/config", f"{root}/cert/ca"]
    single += [f"{pki}/{name}" for name in ("config/crl", "config/issuers", "config/urls", "issuer/default")]
    trees = [
        f"{cert}/certs",
        f"{cert}/crls",
        f"{pki}/roles",
        f"{pki}/cert",
        "identity/entity/id",
        "sys/policies/acl",
    ]
    rules: dict[str, Rule] = {exact(path): rule("list") for path in listed}
    rules[starting("auth", mounts.workloads)] = rule(
        "read", "list"
    )  # of issuers that idac.yaml names no more, too
    rules |= {f"{exact(path)}/": rule("list") for path in listed}
    rules |= {exact(path): rule("read") for path in single}
    rules |= {under(path): rule("read") for path in trees}
    rules |= {under(kv, tree): rule("read", "list") for tree in ("data", "metadata", "detailed-metadata")}
    for token in estate.spec.hsm_tokens:  # public keys and posture; a private one is in no answer of these
        mount = estate.hsm_mount(token.name)
        rules |= {exact(mount, "keys"): rule("list"), exact(mount, "keys") + "/": rule("list")}
        rules |= {each(mount, "keys"): rule("read"), exact(mount, "config/keys"): rule("read")}
    return rules | {path: rule("read") for path in entity_paths(estate)}


def contain(estate: Estate) -> Rules:
    """Takes power away. An entity can only be disabled or deleted, never given a policy or enabled."""
    mounts = estate.mounts
    cert, pki, kv = f"auth/{mounts.cert}", mounts.pki, mounts.kv
    disable = rule("update", "delete", only={"disabled": ("true",), "metadata": ()})
    push = rule("create", "update", only={"crl": ()}, need=("crl",))  # never `url`: the server would fetch it
    ask = rule("update")
    note = rule("create", "update", "patch")
    rules: dict[str, Rule] = {path: disable for path in entity_paths(estate)}
    rules |= {under("identity/entity-alias/id"): rule("delete")}
    rules |= {under(cert, "certs"): rule("delete"), starting("auth", mounts.workloads): rule("delete")}
    rules |= {starting(pki, "roles", f"{estate.prefix}bot."): rule("read", "delete")}
    rules |= {exact(cert, "crls", name): push for name in ("idac", "idac-delta")}
    rules |= {exact(pki, "revoke"): rule("update", only={"serial_number": (), "certificate": ()})}
    rules |= {exact(pki, "crl", name): rule("read") for name in ("rotate", "rotate-delta")}  # these GETs write
    rules |= {exact(pki, "sign", PROBE): rule("update", only=signing(PROBES, ()))}
    rules |= {exact("auth/token/accessors"): rule("list", "sudo"), "auth/token/accessors/": rule("list", "sudo")}
    rules |= {exact("auth/token", name): ask for name in ("lookup-accessor", "revoke-accessor")}
    rules |= {exact("sys/capabilities-accessor"): ask}
    rules |= {
        under(kv, kind, tree): note
        for kind in ("data", "metadata")
        for tree in ("revocations", "holds", "distrusted", "plans")
    }
    rules |= {exact(kv, kind, "lock"): note for kind in ("data", "metadata")}
    rules |= {under(kv, "metadata/certificates"): rule("delete")}
    for token in estate.spec.hsm_tokens:
        rules |= _ending_keys(estate.hsm_mount(token.name))
    return rules


def _ending_keys(mount: str) -> Rules:
    """Deactivate, retire and destroy keys: never make one, sign with one, or make one exportable."""
    least = {"deletion_allowed": ("true",), "min_decryption_version": (), "min_encryption_version": ()}
    return {
        each(mount, "keys"): rule("delete"),
        each(mount, "keys", then="soft-delete"): rule("delete"),
        each(mount, "keys", then="config"): rule("update", only=least),
        each(mount, "keys", then="trim"): rule("update", only={"min_available_version": ()}),
    }


def _making_keys(mount: str) -> Rules:
    """Make and renew keys that can never leave, and have them sign certificate requests: nothing else."""
    made = {
        "type": KEY_TYPES,
        "exportable": ("false",),
        "allow_plaintext_backup": ("false",),
        "derived": ("false",),
    }
    mended = {"deletion_allowed": ("false",), "auto_rotate_period": ("0",)}
    return {
        each(mount, "keys"): rule("create", "update", only=made, need=made),
        each(mount, "keys", then="rotate"): rule("update"),
        each(mount, "keys", then="csr"): rule("update", only={"version": ()}),
        each(mount, "keys", then="soft-delete-restore"): rule("update"),
        each(mount, "keys", then="config"): rule("update", only=mended),
    }


def issue(estate: Estate, accessors: Sequence[str], authority: str) -> Rules:
    """What the grant login may do besides writing entities: aliases, login roles, certificates, their notes."""
    mounts = estate.mounts
    cert, pki, kv = f"auth/{mounts.cert}", mounts.pki, mounts.kv
    principals = tuple(f"{kind}.*" for kind in SUBJECT_KINDS)
    uris = (f"spiffe://{estate.spec.trust_domain}/*",)
    names = (*principals, *tokenrules.subjects(estate))
    alias = rule(
        "create",
        "update",
        only={"name": names, "canonical_id": (), "mount_accessor": accessors},
        need=("name", "canonical_id", "mount_accessor"),
    )
    login = {name: (spell(value),) for name, value in PINNED_LOGIN.items()} | {
        "allowed_common_names": principals,
        "allowed_uri_sans": uris,
        "display_name": principals,
        "certificate": (authority.strip(), f"{authority.strip()}\n"),
    }
    note = rule("create", "update", "patch")
    lookup = rule("update", only={"alias_name": names, "alias_mount_accessor": accessors})
    rules: dict[str, Rule] = {exact("identity/entity-alias"): alias, exact("identity/lookup/entity"): lookup}
    rules |= {
        starting(cert, "certs", f"{kind}."): rule("create", "update", only=login, need=login)
        for kind in SUBJECT_KINDS
    }
    rules |= tierrules.holding(estate)
    rules |= tokenrules.making(estate)
    rules |= {under(pki, "sign"): rule("update", only=signing(principals, uris))}
    # What bots fetch for themselves nobody else may sign: no delivery explains it, so it would not be seen.
    rules |= {starting(pki, "sign", f"{estate.prefix}bot."): rule("deny")}
    rules |= {exact(pki, "sign", PROBE): rule("deny")}
    # Half a release: contain writes the other half, so that no single token ends a hold.
    written = ("certificates", "plans", "releases")
    rules |= {under(kv, kind, tree): note for kind in ("data", "metadata") for tree in written}
    rules |= {exact(kv, kind, "lock"): note for kind in ("data", "metadata")}
    for token in estate.spec.hsm_tokens:
        rules |= _making_keys(estate.hsm_mount(token.name))
    return rules


def govern(estate: Estate) -> Rules:
    """Changes the rules themselves: Roles' policies, the grant login's combinations, certificate profiles."""
    pki = estate.mounts.pki
    text = {"policy": (), "cas": ()}  # never `expiration` or `ttl`: a policy that ends by itself
    names = tuple(f"{estate.prefix}{kind}.*" for kind in SUBJECT_KINDS)
    return {
        # Gives a renamed entity its name back, and nothing else: the other logins reach entities by name alone.
        under("identity/entity/id"): rule("update", only={"name": names}, need=("name",)),
        starting("sys/policies/acl", f"{estate.prefix}role-"): rule("create", "update", "delete", only=text),
        exact("sys/policies/acl", f"{estate.prefix}grant"): rule("update", only=text),
        **tierrules.governing(estate),
        under(pki, "roles"): rule("create", "update", "delete"),
        exact(pki, "roles", PROBE): rule("read"),
    }


def _own_token() -> Rules:
    return {
        exact("auth/token/lookup-self"): rule("read"),
        exact("auth/token/revoke-self"): rule("update"),
    }


def _merge(*parts: Rules) -> Rules:
    """One document: capabilities of a path that stands in several parts are joined; parameters are kept."""
    merged: dict[str, Rule] = {}
    for part in parts:
        for path, one in part.items():
            before = merged.get(path, {})
            able = {*before.get("capabilities", ()), *one["capabilities"]}
            merged[path] = {**before, **one, "capabilities": sorted(able)}
    return merged
