"""What is written down and read, but held to by nothing yet: said aloud, so that nobody relies on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from reconciler.kinds.device.spec import Device
from reconciler.kinds.person import Person
from reconciler.kinds.role.spec import Role
from reconciler.kinds.trader.spec import Trader
from reconciler.model.manifest import Finding, Manifest
from reconciler.rules.view import View


def declared_only(view: View) -> Iterator[Finding]:
    """R14: what is written down and read, but held to by nothing yet."""
    people = list(view.staying(Person))
    attested = [(m, ("spec", "attestation")) for m, s in view.staying(Device) if s.attestation is not None]
    trading = [(m, ("spec", "marketAccess")) for m, s in view.staying(Trader) if s.market_access]
    yield from _declared("mfaTier of", [(m, ("spec", "mfaTier")) for m, s in people if s.mfa_tier])
    yield from _declared("devices of", [(m, ("spec", "devices")) for m, s in people if s.devices])
    yield from _declared("marketAccess of", trading)
    yield from _declared("attestation of device", attested)
    asked: Mapping[str, Callable[[Role], object]] = {
        "requires": lambda r: r.requires.mfa_tier or r.requires.device_attested,
        "permissions": lambda r: r.permissions,
        "maxGrant": lambda r: r.max_grant,
        "owners": lambda r: r.owners,
    }
    for name, ask in asked.items():
        yield from _declared(f"{name} of role", [(m, ("spec", name)) for m, r in view.roles.values() if ask(r)])


def _declared(what: str, found: list[tuple[Manifest, tuple[str, str]]]) -> Iterator[Finding]:
    if found:
        names = ", ".join(m.name for m, _ in found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
        manifest, path = found[0]
        message = f"{what} {names}: declared, not enforced by this version"
        yield Finding("R14", "info", message, None, manifest.at(*path))
