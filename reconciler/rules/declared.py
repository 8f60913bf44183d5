"""What is written down and read, but held to by nothing yet: said aloud, so that nobody relies on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from reconciler.kinds.bot.spec import Bot
from reconciler.kinds.device.spec import Device
from reconciler.kinds.mfa_tier.spec import MfaTier
from reconciler.kinds.person import Person
from reconciler.kinds.role.spec import Role
from reconciler.kinds.trader.spec import Trader
from reconciler.model.manifest import Finding, Manifest, Tally
from reconciler.model.words import few
from reconciler.rules.view import View

CLAIM = "declared, not enforced by this version"


def declared_only(view: View) -> Iterator[Finding]:
    """R14: what is written down and read, but held to by nothing yet. One finding a field, however many say it."""
    people = list(view.staying(Person))
    attested = [(m, ("spec", "attestation")) for m, s in view.staying(Device) if s.attestation is not None]
    trading = [(m, ("spec", "marketAccess")) for m, s in view.staying(Trader) if s.market_access]
    by_vault = {m.name for m in view.tree.manifests if isinstance(m.spec, MfaTier) and m.spec.by_vault}
    # Whoever has no certificate logs in through the identity provider alone, and Vault holds them to its acr.
    unheld = [(m, s) for m, s in people if s.credentials or s.sign_in is None]
    tiers = [(m, ("spec", "mfaTier")) for m, s in unheld if s.mfa_tier and s.mfa_tier not in by_vault]
    machines = [(m, ("spec", "devices")) for m, s in people if s.devices]
    timed = [(m, ("spec", "schedule")) for m, s in view.staying(Bot) if s.schedule is not None]
    stoppable = [(m, ("spec", "killSwitchOwners")) for m, s in view.staying(Bot) if s.kill_switch_owners]
    yield from _declared("mfaTier of", tiers, "person", "people")
    yield from _declared("devices of", machines, "person", "people")
    yield from _declared("marketAccess of", trading, "trader", "traders")
    yield from _declared("schedule of bot", timed, "bot", "bots")
    yield from _declared("killSwitchOwners of bot", stoppable, "bot", "bots")
    yield from _declared("attestation of device", attested, "device", "devices")
    asked: Mapping[str, Callable[[Role], object]] = {
        "requires": lambda r: r.requires.device_attested,  # of the tier, R22 and Vault see to that
        "permissions": lambda r: r.permissions,
        "maxGrant": lambda r: r.max_grant,
        "owners": lambda r: r.owners,
    }
    for name, ask in asked.items():
        saying = [(m, ("spec", name)) for m, r in view.roles.values() if ask(r)]
        yield from _declared(f"{name} of role", saying, "role", "roles")


def _declared(what: str, found: list[tuple[Manifest, tuple[str, str]]], one: str, many: str) -> Iterator[Finding]:
    if found:
        names = few((m.name for m, _ in found), len(found))
        manifest, path = found[0]
        part = f"{path[-1]} of {len(found):,} {one if len(found) == 1 else many}"
        message = f"{what} {names}: {CLAIM}"
        yield Finding("R14", "info", message, None, manifest.at(*path), Tally(CLAIM, part))
