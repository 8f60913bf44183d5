"""A subject -> its entity, and for each credential its login and its certificate. The same for every kind."""

from __future__ import annotations

from collections.abc import Iterator

import reconciler.providers.ca.resources as ca
import reconciler.providers.hsm.resources as hsm
import reconciler.providers.vault.resources as vault
from reconciler.errors import CryptoError
from reconciler.kinds.certificate_profile.expand import ca_profile
from reconciler.kinds.certificate_profile.spec import CertificateProfile
from reconciler.kinds.expansion import Expansion, World, spec_of
from reconciler.kinds.mfa_tier.expand import enforced_tier
from reconciler.kinds.subject import Credential, SubjectSpec
from reconciler.model.estate import Estate, HsmToken, seconds
from reconciler.model.manifest import Finding, Manifest, SubjectRef
from reconciler.model.resource import Resource
from reconciler.x509 import Csr, read_csr


def entity(estate: Estate, subject: SubjectRef, spec: SubjectSpec) -> Resource:
    """The subject's entity, as most kinds have it."""
    return vault.entity(estate, subject, spec.roles, spec.whose, spec.own)


def expand_subject(manifest: Manifest, world: World) -> Expansion:
    """Everything an active subject should have. Incomplete when a role, profile or key does not hold up.

    What a bot fetches for itself at run time is its own kind's matter.
    """
    spec = spec_of(manifest, SubjectSpec)
    resources: list[Resource] = [entity(world.estate, manifest.ref, spec)]
    findings: list[Finding] = []
    complete = all(SubjectRef("role", role) in world.manifests for role in spec.roles)
    complete &= spec.tier is None or SubjectRef("mfatier", spec.tier) in world.manifests
    tier = enforced_tier(spec.tier, world)
    for index, credential in enumerate(spec.credentials):
        if credential.key.runtime and manifest.kind == "Bot":
            continue
        profile = world.manifests.get(SubjectRef("certificateprofile", credential.profile))
        if profile is None:  # the estate's checks say so
            complete = False
            continue
        rules = spec_of(profile, CertificateProfile)
        judged = _judge(manifest, credential, rules, world)
        if not isinstance(judged, str):
            resources += _resources(manifest, credential, judged, rules, world)
        else:
            complete = False
            where = manifest.at("spec", "credentials", index, "key")
            message = f"credential {credential.name} is refused: {judged}"
            findings.append(Finding("X02", "error", message, str(manifest.ref), where))
    return Expansion(tuple(vault.held_to(tier, r) for r in resources), tuple(findings), complete)


def _judge(
    manifest: Manifest, credential: Credential, spec: CertificateProfile, world: World
) -> Csr | HsmToken | str:
    """The credential's CSR, or the token in which its key is born, or why it gets no certificate."""
    if credential.key.runtime:
        return "only a bot fetches its certificates itself (`runtime`): give {csr: path} or {hsm: token}"
    if why := unfit(manifest, credential, spec):
        return why
    if credential.key.hsm is not None:
        return _token(credential.key.hsm, credential, spec, world)
    return _csr(str(credential.key.csr), credential, spec, world)


def _token(name: str, credential: Credential, spec: CertificateProfile, world: World) -> HsmToken | str:
    """The HSM token of that name, or why a key in it will not do."""
    found = {token.name: token for token in world.estate.spec.hsm_tokens}
    if name not in found:
        known = f"it names {', '.join(sorted(found))}" if found else "it names none"
        return f"there is no HSM token {name} in `hsmTokens` of idac.yaml: {known}"
    token = found[name]
    if spec.key.origin == "hardware" and token.backend not in hsm.IN_HARDWARE:
        custody = hsm.CUSTODY[token.backend]
        why = f"profile {credential.profile} claims a hardware key, and keys in token {name} are in {custody}"
        return f"{why}: use a profile whose key origin is software"
    return token


def _csr(path: str, credential: Credential, spec: CertificateProfile, world: World) -> Csr | str:
    """The CSR that the manifest names, or why it will not do."""
    if path not in world.files:
        why = world.unread_files.get(path, "it was not read")
        hint = " (paths are relative to the directory of idac.yaml)" if why.startswith("no such file") else ""
        return f"{path}: {why}{hint}"
    try:
        csr = read_csr(world.files[path])
    except CryptoError as error:
        return f"{path}: {error}"
    if (csr.key_type, csr.key_bits) != (spec.key.type, spec.key.bits):
        given = f"{csr.key_type} with {csr.key_bits} bits"
        return f"{path}: its key is {given}, profile {credential.profile} wants {spec.key.algorithm}"
    return csr


def unfit(manifest: Manifest, credential: Credential, spec: CertificateProfile) -> str:
    """Why the profile is not for this subject; empty when it is."""
    if manifest.kind not in spec.subject_kinds:
        allowed = ", ".join(spec.subject_kinds)
        return f"profile {credential.profile} is for {allowed}: name {manifest.kind} in its subjectKinds"
    if spec.key.origin == "hardware" and credential.key.hsm is None:
        why = f"profile {credential.profile} claims a hardware key, and nothing verifies that of a CSR yet"
        return f"{why}: use a profile whose key origin is software"
    return ""


def _resources(
    manifest: Manifest, credential: Credential, born: Csr | HsmToken, spec: CertificateProfile, world: World
) -> Iterator[Resource]:
    end = spec_of(manifest, SubjectSpec).last_day
    max_age = seconds(spec.max_key_age) if spec.max_key_age is not None else None
    key = None
    if isinstance(born, HsmToken):
        key = hsm.key(world.estate, manifest.ref, credential.name, born, spec.key.algorithm, max_age)
        yield key
    certificate = ca.certificate(
        world.estate,
        manifest.ref,
        credential.name,
        ca_profile(credential.profile, spec),
        csr=born.pem if isinstance(born, Csr) else "",
        spki=born.spki if isinstance(born, Csr) else "",
        key=key.address if key is not None else "",
        renew_before=seconds(spec.renew_before),
        max_key_age=max_age if key is None else None,  # an HSM key is as old as its token says
        end=end.isoformat() if end is not None else None,
        overlap=seconds(credential.overlap or world.estate.spec.overlap),
    )
    yield certificate
    if "clientAuth" in spec.ekus:  # else it cannot log in: a login role would be an open door for nothing
        uri_san = certificate.fields["uri_san"]
        yield vault.cert_login(world.estate, manifest.ref, credential.name, uri_san)
