"""Desired resources of the CA: PKI roles pinned field by field, certificates, the CRL. Pure data, no I/O.

Field names are those of `pki/roles/:name` in OpenBao 2.7.2 (its OpenAPI document and GET agree). Every field
is sent and compared: a POST replaces the whole role, and what is left out falls back to a default such as
`server_flag: true` or `use_csr_sans: true`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from reconciler.canonical import digest
from reconciler.errors import InvalidInput
from reconciler.model.estate import Estate, seconds
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Address, Fields, Resource, ref
from reconciler.providers.ca.roles import (
    BACKDATE,
    EXT_KEY_USAGE_FLAGS,
    EXT_KEY_USAGES,
    KEY_USAGES,
    LONGEST_RUNTIME,
    PINNED_ROLE,
    PROBE_LIFETIME,
    PROBE_NAME,
    PROBE_ROLE,
    PROBES,
    READ_ONLY,
    RUNTIME_KIND,
    RUNTIME_OU,
    SLACK,
    TIER_PROBE,
)

INTACT = "intact"


@dataclass(frozen=True, slots=True)
class Profile:
    """A certificate profile as the CA needs it. `kinds` are the subject kinds it may name, lower case."""

    name: str
    kinds: tuple[str, ...]
    lifetime: int  # seconds
    key_type: Literal["ec", "rsa", "ed25519"] = "ec"
    key_bits: int = 256  # 0 for ed25519; the backend takes it as a minimum, so each request's key is checked too
    key_usages: tuple[str, ...] = ("digitalSignature",)  # names of KEY_USAGES
    ext_key_usages: tuple[str, ...] = ("clientAuth",)  # names of EXT_KEY_USAGES, or dotted OIDs
    policy_oids: tuple[str, ...] = ()
    organization: tuple[str, ...] = ()
    ou: tuple[str, ...] = ()

    @property
    def content(self) -> Fields:
        """What a certificate is compared with. All lists are sorted; EKUs are dotted OIDs."""
        return _content(self)

    @property
    def digest(self) -> str:
        """SHA-256 of the content: a certificate issued under other content is rotated."""
        return _digest(self)


# Asked once a certificate, and there are thousands of those to a profile: one object for all of them.
@lru_cache(maxsize=256)
def _content(spec: Profile) -> Fields:
    return {
        "key_type": spec.key_type,
        "key_bits": spec.key_bits,
        "key_usages": _backend_usages(spec.key_usages),
        "ext_key_usages": sorted(EXT_KEY_USAGES.get(name, name) for name in spec.ext_key_usages),
        "policy_oids": sorted(spec.policy_oids),
        "subject": {"organization": sorted(spec.organization), "ou": sorted(spec.ou)},
        "lifetime": spec.lifetime,
        "longest": spec.lifetime + BACKDATE + SLACK,
    }


@lru_cache(maxsize=256)
def _digest(spec: Profile) -> str:
    return digest(spec.content)


def profile(estate: Estate, spec: Profile) -> Resource:
    """The PKI role of one certificate profile, every field pinned.

    Raises `InvalidInput` on a reserved name or organizational unit.
    """
    if RUNTIME_OU in spec.ou:
        raise InvalidInput(
            f"CertificateProfile {spec.name}: the organizational unit {RUNTIME_OU} is reserved",
            remedy="leave it out",
        )
    if spec.name == PROBE_ROLE:
        raise InvalidInput(
            f"CertificateProfile {spec.name}: the name is reserved for the tool's own probe", remedy="rename it"
        )
    domains = [f"{kind}.*" for kind in sorted(spec.kinds)]
    uris = [f"spiffe://{estate.spec.trust_domain}/{kind}/*" for kind in sorted(spec.kinds)]
    fields = role_fields(spec, domains, uris)
    return Resource(f"ca.profile/{spec.name}", None, fields, {"profile": spec.content})


def issuer_role(estate: Estate, subject: SubjectRef) -> str:
    """The name of a bot's PKI role: that of its entity, which the bots' policy has the server fill in."""
    return f"{estate.prefix}{subject.principal}"


def issuer(estate: Estate, subject: SubjectRef, spec: Profile, uri: str) -> Resource:
    """The PKI role that lets one bot have exactly its own name certified, for as long as the profile says.

    Raises `InvalidInput` where the profile may not be used so.
    """
    if spec.lifetime > LONGEST_RUNTIME:
        raise InvalidInput(
            f"profile {spec.name} gives {spec.lifetime} s: a runtime certificate lives {LONGEST_RUNTIME} s at most"
        )
    marked = replace(spec, ou=(*spec.ou, RUNTIME_OU))
    fields = {
        **role_fields(marked, [subject.principal], [uri]),
        "allow_bare_domains": True,
        "allow_glob_domains": False,
    }
    return Resource(f"ca.issuer/{subject}", subject, fields)


def probe_role() -> Fields:
    """The PKI role of the tool's own probes: minutes-long client certificates with fixed names."""
    made = dict(role_fields(Profile(PROBE_ROLE, (), PROBE_LIFETIME), list(PROBES), []))
    return {**made, "allow_bare_domains": True, "allow_glob_domains": False}


def role_fields(spec: Profile, domains: list[str], uris: list[str]) -> Fields:
    """All fields of a PKI role, in the forms in which GET shows them."""
    flags = {flag: name in spec.ext_key_usages for name, flag in EXT_KEY_USAGE_FLAGS.items()}
    oids = sorted(
        EXT_KEY_USAGES.get(name, name) for name in spec.ext_key_usages if name not in EXT_KEY_USAGE_FLAGS
    )
    return {
        **PINNED_ROLE,
        **flags,
        "allowed_domains": domains,
        "allowed_uri_sans": uris,
        "ext_key_usage_oids": oids,
        "key_bits": spec.key_bits,
        "key_type": spec.key_type,
        "key_usage": _backend_usages(spec.key_usages),
        "max_ttl": spec.lifetime,
        "organization": sorted(spec.organization),
        "ou": sorted(spec.ou),
        "policy_identifiers": sorted(spec.policy_oids),
        "ttl": spec.lifetime,
    }


def certificate(
    estate: Estate,
    subject: SubjectRef,
    credential: str,
    spec: Profile,
    *,
    csr: str,
    spki: str,
    key: Address = "",
    renew_before: int,
    max_key_age: int | None,
    end: str | None = None,
    overlap: int | None = None,
) -> Resource:
    """The certificate one credential should have in force.

    `csr` is the PEM that `x509.read_csr` accepted and `spki` its key; or `key` is the address of a key in an HSM
    token, which says its SPKI once it stands and signs a request then. `renew_before` and `max_key_age` are
    seconds, as is `overlap` (the estate's by default): how long a certificate that is rotated stays valid beside
    its successor. `end` is the last day of employment (YYYY-MM-DD): no certificate reaches beyond it.
    """
    fields = {
        "profile": spec.name,
        "profile_digest": spec.digest,
        "spki": ref(key, "spki") if key else spki,
        "common_name": subject.principal,
        "uri_san": f"spiffe://{estate.spec.trust_domain}/{subject.kind}/{subject.name}",
        "entity": ref(f"vault.entity/{subject}", "id"),
        "delivery": INTACT,
        "record": INTACT,
    }
    facts: dict[str, object] = {
        "csr": csr,
        "key": key,
        "ttl": spec.lifetime,
        "renew_before": renew_before,
        "max_key_age": max_key_age,
        "overlap": seconds(estate.spec.overlap) if overlap is None else overlap,
        "profile": spec.content,
    }
    if end is not None:
        facts["end"] = end
    return Resource(f"ca.certificate/{subject}/{credential}", subject, fields, facts)


def crl() -> Resource:
    """A CRL that is far from its end and says the same in every place that checks it."""
    return Resource("ca.crl", None, {"fresh": True, "in_step": True})


def _backend_usages(names: tuple[str, ...]) -> list[str]:
    unknown = sorted(set(names) - KEY_USAGES.keys())
    if unknown:
        raise InvalidInput(
            f"unknown key usage {', '.join(unknown)}", remedy=f"use one of {', '.join(sorted(KEY_USAGES))}"
        )
    return sorted(KEY_USAGES[name] for name in names)


ROLE_FIELDS = tuple(sorted(probe_role()))

__all__ = [
    "BACKDATE",
    "EXT_KEY_USAGES",
    "EXT_KEY_USAGE_FLAGS",
    "KEY_USAGES",
    "LONGEST_RUNTIME",
    "PROBES",
    "PROBE_LIFETIME",
    "PROBE_NAME",
    "PROBE_ROLE",
    "READ_ONLY",
    "ROLE_FIELDS",
    "RUNTIME_KIND",
    "RUNTIME_OU",
    "SLACK",
    "TIER_PROBE",
    "Profile",
    "certificate",
    "crl",
    "issuer",
    "issuer_role",
    "probe_role",
    "profile",
]
