"""Bot -> what every subject has, a JWT login for each bound release, and the issuer of its short certificates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import reconciler.providers.ca.resources as ca
import reconciler.providers.vault.resources as vault
from reconciler.errors import InvalidInput
from reconciler.kinds.bot.spec import Bot, Release
from reconciler.kinds.certificate_profile.expand import ca_profile
from reconciler.kinds.certificate_profile.spec import CertificateProfile
from reconciler.kinds.credentials import expand_subject, unfit
from reconciler.kinds.expansion import Expansion, World, spec_of
from reconciler.kinds.fields import matches
from reconciler.kinds.subject import Credential
from reconciler.model.estate import Estate, seconds
from reconciler.model.issuers import WorkloadIssuer
from reconciler.model.manifest import Finding, Manifest, SubjectRef
from reconciler.model.resource import Resource
from reconciler.providers.vault.policies import SUBJECT_KINDS


def expand(manifest: Manifest, world: World) -> Expansion:
    """Everything an active bot should have. A release that is not bound yet, or no more, takes nothing from it."""
    bot, made = spec_of(manifest, Bot), expand_subject(manifest, world)
    faults = list(_faults(manifest, bot, world.estate))
    own = [r for r in made.resources if r.type != "vault.entity"]
    faults += _open_doors(manifest, bot, own, world.estate)
    issuer = world.estate.workload_issuer(bot.binding.issuer)
    if issuer is not None and not faults:
        own += [_login(manifest.ref, bot, release, issuer, world.estate) for release in bot.bound(world.today)]
    for index, credential in enumerate(bot.credentials):
        if credential.key.runtime:
            judged = _issuer(manifest, credential, bot, world)
            if isinstance(judged, Resource):
                own.append(judged)
            elif judged:
                where = manifest.at("spec", "credentials", index, "key")
                message = f"credential {credential.name} is refused: {judged}"
                faults.append(Finding("X02", "error", message, str(manifest.ref), where))
    complete = made.complete and not faults and _profiles_there(bot, world)
    told = (*_unread(manifest, bot, world.estate), *_not_bound(manifest, bot, world))
    findings = (*made.findings, *faults, *told)
    return Expansion((entity(world.estate, manifest.ref, bot), *own), findings, complete)


def entity(estate: Estate, subject: SubjectRef, bot: Bot) -> Resource:
    """The bot's entity: with an alias where its tokens log in, and the policy that lets it fetch certificates."""
    mount = estate.mounts.workload(bot.binding.issuer)
    alias = f"{mount}:{sub(estate, subject, bot)}"
    return vault.entity(estate, subject, bot.roles, bot.whose, bot.own, [alias])


def spiffe_id(estate: Estate, subject: SubjectRef, bot: Bot) -> str:
    """The bot's SPIFFE ID: the URI of its runtime certificates."""
    return bot.spiffe_id or f"spiffe://{estate.spec.trust_domain}/{subject}"


def sub(estate: Estate, subject: SubjectRef, bot: Bot) -> str:
    """The `sub` that its tokens must carry."""
    return bot.binding.subject or spiffe_id(estate, subject, bot)


def claims(bot: Bot, release: Release, issuer: WorkloadIssuer) -> dict[str, str]:
    """What the issuer must vouch for when this release logs in: JSON pointer -> value."""
    where = issuer.claims
    wanted = {where.environment: bot.environment, where.image: release.image_digest}
    for pointer, digest in ((where.model, release.model_digest), (where.config, release.config_digest)):
        if pointer is not None and digest is not None:
            wanted[pointer] = digest
    return wanted


def _login(subject: SubjectRef, bot: Bot, release: Release, issuer: WorkloadIssuer, estate: Estate) -> Resource:
    return vault.token_login(
        subject,
        bot.login(release),
        sub=sub(estate, subject, bot),
        audience=bot.binding.audience,
        claims=claims(bot, release, issuer),
    )


def _issuer(manifest: Manifest, credential: Credential, bot: Bot, world: World) -> Resource | str:
    """The PKI role that the bot fetches its certificates from, or why it gets none (empty: said elsewhere)."""
    profile = world.manifests.get(SubjectRef("certificateprofile", credential.profile))
    if profile is None:
        return ""
    spec = spec_of(profile, CertificateProfile)
    if why := unfit(manifest, credential, spec):
        return why
    if seconds(spec.ttl) > ca.LONGEST_RUNTIME:
        return f"profile {credential.profile} has a ttl of {spec.ttl}: a runtime certificate lives 1h at most"
    made = ca_profile(credential.profile, spec)
    try:
        return ca.issuer(world.estate, manifest.ref, made, spiffe_id(world.estate, manifest.ref, bot))
    except InvalidInput as error:
        return str(error)


def _open_doors(manifest: Manifest, bot: Bot, made: Sequence[Resource], estate: Estate) -> Iterator[Finding]:
    """X02: a login by which what the bot fetched would log in too. A retired release keeps such certificates, and
    cert auth cannot be told to refuse their mark.
    """
    uri = spiffe_id(estate, manifest.ref, bot)
    doors = {r.address.rsplit("/", 1)[-1] for r in made if uri in r.fields.get("allowed_uri_sans", ())}
    for index, credential in enumerate(bot.credentials):
        if credential.name in doors and any(c.key.runtime for c in bot.credentials):
            message = (
                f"credential {credential.name} is refused: runtime certificates have its SPIFFE ID, {uri}, and"
                " would log in by it, of retired releases too: give the bot another spiffeId, or one credential"
            )
            where = manifest.at("spec", "credentials", index, "key")
            yield Finding("X02", "error", message, str(manifest.ref), where)


def _profiles_there(bot: Bot, world: World) -> bool:
    return all(SubjectRef("certificateprofile", c.profile) in world.manifests for c in bot.credentials)


def _faults(manifest: Manifest, bot: Bot, estate: Estate) -> Iterator[Finding]:
    """X05: a binding that the estate's workload issuers cannot hold the bot to."""
    issuer = estate.workload_issuer(bot.binding.issuer)

    def fault(message: str, *path: str | int) -> Finding:
        return Finding("X05", "error", message, str(manifest.ref), manifest.at("spec", *path))

    own = spiffe_id(estate, manifest.ref, bot)
    if why := _not_its_own(own, manifest.ref, estate):
        yield fault(f"spiffeId {own} {why}", "spiffeId")
    if issuer is None:
        there = ", ".join(one.name for one in estate.spec.workload_issuers) or "none"
        message = f"idac.yaml names no workload issuer {bot.binding.issuer}; there is {there}"
        yield fault(message, "binding", "issuer")
        return
    subject = sub(estate, manifest.ref, bot)
    patterns = estate.subjects_of(issuer)
    if subject != own and subject.startswith("spiffe://") and (why := _anothers(subject, manifest.ref)):
        yield fault(f"subject {subject} {why}", "binding", "subject")
    if not any(matches(subject, pattern) for pattern in patterns):
        message = f"{subject} is no subject that issuer {issuer.name} may vouch for: {', '.join(patterns)}"
        yield fault(message, "binding", "subject")
    for index, what in bot.not_vouched_for(issuer.claims.model_dump()):
        message = (
            f"issuer {issuer.name} maps no claim for {what}: nothing would hold the release to its {what}Digest"
        )
        yield fault(message, "releases", index, f"{what}Digest")


def _unread(manifest: Manifest, bot: Bot, estate: Estate) -> Iterator[Finding]:
    """X05: an issuer whose file is of no use. Its bots are granted nothing, and lose nothing."""
    issuer = bot.binding.issuer
    if issuer in estate.issuer_faults:
        message = f"workload issuer {issuer} of idac.yaml: {estate.issuer_faults[issuer]}"
        yield Finding("X05", "error", message, str(manifest.ref), manifest.at("spec", "binding", "issuer"))


def _not_its_own(uri: str, subject: SubjectRef, estate: Estate) -> str:
    """Why a SPIFFE ID may not be this bot's; empty when it may."""
    if not uri.startswith(f"spiffe://{estate.spec.trust_domain}/"):
        return f"is of another trust domain than the estate's, {estate.spec.trust_domain}"
    return _anothers(uri, subject)


def _anothers(uri: str, subject: SubjectRef) -> str:
    """Why it is another subject's, whose SPIFFE IDs begin with their kind; empty when it is nobody else's."""
    domain, _, path = uri.removeprefix("spiffe://").partition("/")
    kind = path.split("/", 1)[0].lower()
    if kind in SUBJECT_KINDS and path != str(subject):
        return f"is in the name space of another subject: only {subject} may follow spiffe://{domain}/{kind}"
    return ""


def _not_bound(manifest: Manifest, bot: Bot, world: World) -> Iterator[Finding]:
    """X06: a release that may not log in today. It takes nothing from those that may."""
    for index, release in enumerate(bot.releases):
        why = release.unbound(world.today)
        if why and not release.retired:
            message = f"release {release.version} cannot log in: {why}"
            yield Finding("X06", "info", message, str(manifest.ref), manifest.at("spec", "releases", index))


__all__ = ["claims", "entity", "expand", "spiffe_id", "sub"]
