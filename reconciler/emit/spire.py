"""SPIRE registration entries for bots, as `spire-server entry create -data` takes them. Pure, without a clock.

One document a bot, one entry a release that may log in. Equal manifests give equal documents.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from reconciler.kinds.bot.expand import claims, sub
from reconciler.kinds.bot.spec import Bot, Release
from reconciler.model.estate import Estate
from reconciler.model.manifest import Manifest, SubjectRef, Tree

SVID_TTL = 120  # seconds that a JWT-SVID lives: the server keeps no list of those it has seen
SELECTOR = "image_config_digest"  # of the docker attestor, and its only one that is bound to content


@dataclass(frozen=True, slots=True)
class Registration:
    """What SPIRE must know of one bot: its entries, and in words what its tokens must say besides."""

    name: str
    document: Mapping[str, Any]
    claims: str


def registrations(tree: Tree, estate: Estate, today: date, parent: str = "") -> Iterator[Registration]:
    """Every active bot whose subject is a SPIFFE ID, in order of names.

    `parent` is the SPIFFE ID of the nodes that may run them; by default one for each environment.
    """
    for manifest, bot in sorted(_bots(tree), key=lambda one: one[0].name):
        subject = sub(estate, manifest.ref, bot)
        if bot.lifecycle(today)[0] != "active" or not subject.startswith("spiffe://"):
            continue
        nodes = parent or f"spiffe://{estate.spec.trust_domain}/nodes/{bot.environment}"
        bound = bot.bound(today)
        entries = [_entry(manifest.ref, release, subject, nodes) for release in bound]
        yield Registration(manifest.name, {"entries": entries}, _claims(manifest, bot, bound, estate))


def other_bots(tree: Tree, estate: Estate) -> tuple[str, ...]:
    """The bots that SPIRE vouches not for: their subjects are no SPIFFE IDs."""
    return tuple(sorted(m.name for m, b in _bots(tree) if not sub(estate, m.ref, b).startswith("spiffe://")))


def _bots(tree: Tree) -> Iterator[tuple[Manifest, Bot]]:
    return ((m, m.spec) for m in tree.manifests if isinstance(m.spec, Bot))


def _entry(bot: SubjectRef, release: Release, spiffe_id: str, nodes: str) -> Mapping[str, Any]:
    return {
        "entry_id": f"{bot.principal}.{release.label}",
        "spiffe_id": spiffe_id,
        "parent_id": nodes,
        "selectors": [{"type": "docker", "value": f"{SELECTOR}:{release.image_digest}"}],
        "jwt_svid_ttl": SVID_TTL,
        "hint": f"{bot.name} {release.version}",
    }


def _claims(manifest: Manifest, bot: Bot, bound: tuple[Release, ...], estate: Estate) -> str:
    """What tokens must say, release by release: SPIRE's own say nothing but subject, audience and dates."""
    issuer = estate.workload_issuer(bot.binding.issuer)
    lines = [f"{manifest.name}: tokens of issuer {bot.binding.issuer}, made for {bot.binding.audience}"]
    for release in bound if issuer is not None else ():
        lines.append(f"  release {release.version}, when the workload runs it:")
        wanted = claims(bot, release, issuer) if issuer is not None else {}
        lines += [f"    {pointer} = {value}" for pointer, value in wanted.items()]
    return "\n".join(lines if bound else [*lines, "  no release may log in"])


TEXT = """\
A JWT-SVID carries sub, aud and dates, and nothing about what runs. SPIRE gives a SPIFFE ID only to a
workload that matches an entry's selectors; the claims below must be added to its tokens from what it
attested, by a CredentialComposer plugin of the SPIRE server. Without them the bot cannot log in.

The selector docker:image_config_digest is the digest of the image's configuration
(`docker image inspect --format '{{{{.Id}}}}'`), not of its manifest. No selector is bound to a model or
a configuration: whoever adds those claims must know what was loaded.

The parent of each entry, {parents}, must be the SPIFFE ID or the alias of the nodes that may run the bot.
An entry of a release that is retired, or of a bot that has left, is deleted by its entry id,
bot.<name>.<version>.

"""

__all__ = ["TEXT", "Registration", "other_bots", "registrations"]
