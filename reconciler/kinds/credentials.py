"""A subject -> its entity, and for each credential its login and its certificate. The same for every kind."""

from __future__ import annotations

import reconciler.providers.ca.resources as ca
import reconciler.providers.vault.resources as vault
from reconciler.errors import CryptoError
from reconciler.kinds.certificate_profile.expand import ca_profile
from reconciler.kinds.certificate_profile.spec import CertificateProfile
from reconciler.kinds.expansion import Expansion, World, spec_of
from reconciler.kinds.subject import Credential, SubjectSpec
from reconciler.model.estate import seconds
from reconciler.model.manifest import Finding, Manifest, SubjectRef
from reconciler.model.resource import Resource
from reconciler.x509 import Csr, read_csr


def expand_subject(manifest: Manifest, world: World) -> Expansion:
    """Everything an active subject should have. Incomplete when a role, profile or key does not hold up."""
    spec = spec_of(manifest, SubjectSpec)
    resources: list[Resource] = [vault.entity(world.estate, manifest.ref, spec.roles, spec.whose)]
    findings: list[Finding] = []
    complete = all(SubjectRef("role", role) in world.manifests for role in spec.roles)
    for index, credential in enumerate(spec.credentials):
        profile = world.manifests.get(SubjectRef("certificateprofile", credential.profile))
        if profile is None:  # the estate's checks say so
            complete = False
            continue
        rules = spec_of(profile, CertificateProfile)
        judged = _judge(manifest, credential, rules, world)
        if isinstance(judged, Csr):
            resources += _resources(manifest, credential, judged, rules, world)
        else:
            complete = False
            where = manifest.at("spec", "credentials", index, "key")
            message = f"credential {credential.name} is refused: {judged}"
            findings.append(Finding("X02", "error", message, str(manifest.ref), where))
    return Expansion(tuple(resources), tuple(findings), complete)


def _judge(manifest: Manifest, credential: Credential, spec: CertificateProfile, world: World) -> Csr | str:
    """The credential's CSR, or why it gets no certificate."""
    path = credential.key.csr
    if path is None:
        form = "{hsm: …}" if credential.key.hsm is not None else "runtime"
        return f"keys born as `{form}` come later: give {{csr: path}}"
    if unfit := _unfit(manifest, credential, spec):
        return unfit
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


def _unfit(manifest: Manifest, credential: Credential, spec: CertificateProfile) -> str:
    """Why the profile is not for this subject; empty when it is."""
    if manifest.kind not in spec.subject_kinds:
        allowed = ", ".join(spec.subject_kinds)
        return f"profile {credential.profile} is for {allowed}: name {manifest.kind} in its subjectKinds"
    if spec.key.origin == "hardware":
        why = f"profile {credential.profile} claims a hardware key, and nothing verifies that of a CSR yet"
        return f"{why}: use a profile whose key origin is software"
    return ""


def _resources(
    manifest: Manifest, credential: Credential, csr: Csr, spec: CertificateProfile, world: World
) -> tuple[Resource, ...]:
    end = spec_of(manifest, SubjectSpec).last_day
    certificate = ca.certificate(
        world.estate,
        manifest.ref,
        credential.name,
        ca_profile(credential.profile, spec),
        csr=csr.pem,
        spki=csr.spki,
        renew_before=seconds(spec.renew_before),
        max_key_age=seconds(spec.max_key_age) if spec.max_key_age is not None else None,
        end=end.isoformat() if end is not None else None,
        overlap=seconds(credential.overlap or world.estate.spec.overlap),
    )
    if "clientAuth" not in spec.ekus:
        return (certificate,)  # it cannot log in: a login role would be an open door for nothing
    uri_san = certificate.fields["uri_san"]
    return certificate, vault.cert_login(world.estate, manifest.ref, credential.name, uri_san)
