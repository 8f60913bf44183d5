"""Checks of devices, and of the people who depend on them. Pure; one function a code."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from reconciler.kinds.device.spec import Device, DeviceState
from reconciler.kinds.person import Person
from reconciler.model.manifest import Finding, Manifest, SubjectRef, Tally
from reconciler.model.words import few
from reconciler.rules.view import View, dangling, dangling_person, finding, several, shared

STATES: tuple[DeviceState, ...] = ("registered", "enrolled", "authenticated")
DECLARED = "as their manifests declare it, verified by nobody"


def _device_owners(view: View) -> Iterator[Finding]:
    """R16: a device that nobody answers for."""
    for manifest, spec in view.staying(Device):
        yield from dangling_person(view, "R16", manifest, "owner", spec.owner, "spec", "owner")


def _devices_of_people(view: View) -> Iterator[Finding]:
    """R17: a device that is not there, is no longer there, or that somebody else answers for."""
    devices = {m.name: (m, spec) for m, spec in view.every(Device)}
    for manifest, person in view.staying(Person):
        for index, name in enumerate(person.devices):
            path = ("spec", "devices", index)
            known, spec = devices.get(name, (None, None))
            if known is None or spec is None:
                yield from dangling(view, "R17", manifest, SubjectRef("device", name), "Device", *path)
            elif known.ref in view.left:
                yield finding("R17", "error", f"device {name} is {spec.status}: name another", manifest, *path)
            elif spec.owner != manifest.name:
                message = f"device {name} belongs to {spec.owner}: one of the two manifests is wrong"
                yield finding("R17", "warning", message, manifest, *path)


def _device_serials(view: View) -> Iterator[Finding]:
    """R18: one serial number, one device; an old one keeps its own."""
    for same in several(((s.device_class, s.serial), m) for m, s in view.every(Device)):
        yield from shared(same, "R18", "serial number", "spec", "serial")


def _attestations(view: View) -> Iterator[Finding]:
    """R19: an attestation that is over, or lies in the future."""
    for manifest, spec in view.staying(Device):
        made = spec.attestation
        if made is not None and not made.holds(view.today):
            message = f"its attestation of {made.at} does not hold today (maxAge {made.max_age})"
            yield finding("R19", "warning", message, manifest, "spec", "attestation", "at")


def _unattested_holders(view: View) -> Iterator[Finding]:
    """R20: a role that asks for an attested device, held by somebody who has none.

    A warning, because an attestation is only declared: a date in git must not decide who can trade today.
    """
    attested = {m.name for m, spec in view.staying(Device) if spec.state(view.today) == "authenticated"}
    asking = {name for name, (_, role) in view.roles.items() if role.requires.device_attested}
    for manifest, person in view.staying(Person):
        for index, role in enumerate(person.roles):
            if role in asking and not attested.intersection(person.devices):
                message = f"role {role} asks for an attested device, and none of {manifest.name}'s devices is one"
                yield finding("R20", "warning", message, manifest, "spec", "roles", index)


def _states(view: View) -> Iterator[Finding]:
    """R28: how far the devices have come, as their manifests declare it. Nothing here verifies that."""
    found: dict[DeviceState, list[tuple[Manifest, Device]]] = {}
    for manifest, spec in view.staying(Device):
        found.setdefault(spec.state(view.today), []).append((manifest, spec))
    for state in STATES:
        if devices := found.get(state):
            names = few((_seen(manifest, spec, state) for manifest, spec in devices), len(devices))
            tally = Tally(f"devices, {DECLARED}", f"{len(devices):,} {state}")
            message = f"{state}, {DECLARED}: {names}"
            yield Finding("R28", "info", message, None, devices[0][0].at("spec"), tally)


def _seen(manifest: Manifest, device: Device, state: DeviceState) -> str:
    """The device's name; of one that is authenticated, by whose word, since when and for how long."""
    made = device.attestation
    if state != "authenticated" or made is None:
        return manifest.name
    return f"{manifest.name} ({made.source}, {made.at}, for {made.max_age})"


RULES: tuple[Callable[[View], Iterator[Finding]], ...] = (
    _device_owners,
    _devices_of_people,
    _device_serials,
    _attestations,
    _unattested_holders,
    _states,
)
