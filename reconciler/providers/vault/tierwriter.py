"""Changes login MFA: a tier's method and its enforcements (as govern), and who is under it (as grant)."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock

from reconciler.errors import Rejected
from reconciler.model.change import Change
from reconciler.model.estate import Estate
from reconciler.model.resource import Fields
from reconciler.model.words import few
from reconciler.providers.protocol import Client, Clients, Known, desired_of
from reconciler.providers.vault.entities import CHANGED, REPLAN
from reconciler.providers.vault.resources import PROBE_ADDRESS, mfa_name
from reconciler.providers.vault.tierrules import ENFORCEMENTS, METHODS
from reconciler.providers.vault.tiers import (
    METHOD_FIELDS,
    NOTHING,
    Standing,
    method_fields,
    observed,
    placed,
    standing,
)

_ENTITY = "vault.entity/"


class TierWriter:
    """The part of the Vault writer that is about MFA tiers. One change at a time: they share enforcements."""

    def __init__(self, clients: Clients, estate: Estate) -> None:
        self._clients, self._estate = clients, estate
        self._lock = Lock()
        self._tiers: Mapping[str, Standing] | None = None  # as they stand, until the next change

    def apply(self, change: Change, known: Known) -> Fields:
        """Do it, read it back, and say with which method. Raises `IdacError`."""
        tier = change.address.partition("/")[2]
        with self._lock:
            self._tiers = None
            there = self._look().get(tier, NOTHING)
            self._unchanged(change, there)
            self._tiers = None
            return self._delete(there) if change.action == "delete" else self._write(change, tier, there, known)

    def require(self, tier: str, entity: str) -> None:
        """Raises `Rejected` unless the tier holds that entity to its code: then no login may be made for it."""
        with self._lock:
            there = self._look().get(tier, NOTHING)
        if not there.holds(entity):
            raise Rejected(f"entity {entity} is not held to the code of MFA tier {tier}", remedy=REPLAN)

    def _look(self) -> Mapping[str, Standing]:
        if self._tiers is None:
            self._tiers, _ = standing(self._clients("plan"), self._estate)
        return self._tiers

    def _unchanged(self, change: Change, there: Standing) -> None:
        """Raises unless the method is as it was observed, or as this run made it since."""
        shown = method_fields(there)
        expected = [r.fields for r in (change.actual, change.desired) if r is not None]
        same = any(all(fields[name] == value for name, value in shown.items()) for fields in expected)
        if there.id and not same:
            raise Rejected(f"{change.address}: {CHANGED}", remedy=REPLAN)
        if not there.id and change.phase != "govern":
            raise Rejected(f"{change.address}: its method is not there", remedy=REPLAN)

    def _write(self, change: Change, tier: str, there: Standing, known: Known) -> Fields:
        desired, probe = desired_of(change), self._probe(known)
        existing = frozenset(self._clients("plan").list("identity/entity/id").keys)
        subjects = {
            str(facts["id"]): address.removeprefix(_ENTITY)
            for address, facts in known.items()
            if address.startswith(_ENTITY) and "id" in facts
        }
        members, ours = frozenset(desired.fields["members"]), subjects.keys() & existing
        if change.phase == "govern":  # nobody joins or leaves by this
            client = self._clients("govern")
            wanted, checked = frozenset(ours & there.entities), tuple(desired.fields)
            method = self._method(client, desired.fields)
        else:
            client, method = self._clients("grant"), there.id
            wanted, checked = frozenset(e for e in ours if subjects[e] in members), ("deviations", "members")
        for name, body in placed(there, mfa_name(self._estate, tier), wanted, probe, method):
            client.write(f"{ENFORCEMENTS}/{name}", body)
        after = self._look().get(tier, NOTHING)
        shown = next(observed({tier: after}, subjects, existing, probe)).fields
        expected = {**desired.fields, "members": sorted(subjects[id_] for id_ in wanted)}
        wrong = sorted(n for n in checked if shown[n] != expected[n])
        if wrong:
            raise Rejected(f"{change.address} does not say what was written: {', '.join(wrong)}", remedy=REPLAN)
        joins = (change.after or {}).get("joins") or ()
        if absent := sorted(frozenset(joins) - {subjects[id_] for id_ in wanted}):
            named = few(absent, len(absent))
            raise Rejected(f"{change.address}: {named} cannot join, for want of an entity", remedy=REPLAN)
        return {"method": after.id, "members": len(wanted)}

    def _method(self, client: Client, fields: Fields) -> str:
        body = {name: fields[name] for name in METHOD_FIELDS if name != "name"}
        # By name: a method of that name is changed, where there is one, and no other can be reached.
        return str(client.write(METHODS, {"method_name": fields["name"], **body}).data["method_id"])

    def _delete(self, there: Standing) -> Fields:
        govern = self._clients("govern")
        for one in there.enforcements:
            govern.delete(f"{ENFORCEMENTS}/{one.name}")
        if there.id:
            govern.delete(f"{METHODS}/{there.id}")
        left, _ = standing(self._clients("plan"), self._estate)
        if there.id in {one.id for one in left.values()}:
            raise Rejected(f"MFA method {there.id} is still there after its deletion", remedy=REPLAN)
        return {"method": there.id}

    def _probe(self, known: Known) -> str:
        if PROBE_ADDRESS not in known:
            raise Rejected("the probe of MFA tiers is not there", remedy="run `idac bootstrap`")
        return str(known[PROBE_ADDRESS]["id"])
