"""Changes identity entities: taking (as contain) and giving (as grant). Every write is read back.

Writing an entity replaces its metadata and keeps what is left out of its policies; enabling it revives its
tokens. Each of these is dealt with below.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reconciler.errors import Refused, Rejected
from reconciler.model.change import Change
from reconciler.model.estate import Estate
from reconciler.model.resource import Fields, Resource
from reconciler.providers.protocol import Clients, actual_of, desired_of
from reconciler.providers.vault import holds
from reconciler.providers.vault.aliases import Aliases
from reconciler.providers.vault.naming import give_name_back
from reconciler.providers.vault.ownership import (
    ESTATE_MARK,
    HOLD_MARK,
    PERSON_MARK,
    POLICIES_MARK,
    STATE_MARK,
    SUBJECT_MARK,
    aliases,
    policies_mark,
)
from reconciler.providers.vault.policies import spell
from reconciler.providers.vault.resources import entity_name
from reconciler.providers.vault.seen import entity_at, entity_fields
from reconciler.providers.vault.tokens import Tokens

CHANGED = "it changed since it was observed"
REPLAN = "run `idac plan` again"
CONTAINED = ("containing", "contained")


class EntityWriter:
    """The part of the Vault writer that is about entities."""

    def __init__(
        self, clients: Clients, estate: Estate, tokens: Tokens, run_id: str, clock: Callable[[], str]
    ) -> None:
        self._clients, self._estate, self._tokens = clients, estate, tokens
        self._run_id, self._clock = run_id, clock
        self._aliases = Aliases(clients)

    def apply(self, change: Change) -> Fields:
        """Do it, read it back, and say with which id. Raises `IdacError`."""
        doing: Mapping[str, Callable[[Change], Fields]] = {
            "create": self._create_entity,
            "update": self._update_entity,
            "delete": self._delete_entity,
            "hold": self._hold,
            "release": self._release,
        }
        if change.type == "vault.freeze" and change.action in ("hold", "release"):
            return self._freeze(change)
        if change.type != "vault.entity" or change.action not in doing:
            raise Rejected(f"vault cannot {change.action} {change.address}")
        if change.action == "update" and (change.after or {}).get("state") in CONTAINED:
            return self._disable(change)
        return doing[change.action](change)

    def _freeze(self, change: Change) -> Fields:
        """The estate's own hold: written by contain, ended by grant and contain, as any other."""
        write = holds.put if change.action == "hold" else holds.release
        write(self._clients, self._estate, change, self._run_id, self._clock())
        return {}

    # -- entities: taking ------------------------------------------------------------------------------

    def _disable(self, change: Change) -> Fields:
        """Disable, and write the state beside it, so that everybody can tell our containment from another's."""
        entity = self._standing(change)
        self._rename(change, entity)
        state = str((change.after or {})["state"])
        body = {"disabled": "true", "metadata": self._marks(change, entity, state)}
        self._clients("contain").write(self._name_path(change, entity), body)
        shown = entity_fields(self._read(entity["id"]))
        if not shown["disabled"] or shown["state"] != state:
            raise Rejected(f"entity {entity['name']} is not disabled after it was told to be", remedy=REPLAN)
        return {"id": entity["id"]}

    def _delete_entity(self, change: Change) -> Fields:
        id_ = str(actual_of(change).facts["id"])
        entity = self._find(id_)
        if entity is not None:
            self._unchanged(change, entity)
            self._rename(change, entity)
            self._clients("contain").delete(self._name_path(change, entity))
            if self._find(id_) is not None:
                raise Rejected(f"entity {id_} is still there after its deletion", remedy=REPLAN)
        return {"id": id_}

    def _hold(self, change: Change) -> Fields:
        holds.put(self._clients, self._estate, change, self._run_id, self._clock())
        if change.actual is None:
            return {}
        entity = self._standing(change)
        self._rename(change, entity)
        marks = self._marks(change, entity, str(entity_fields(entity)["state"])) | {
            HOLD_MARK: holds.shortened(change.reason)
        }
        # A hold always disables: whoever contained the subject wanted it to end.
        state = {STATE_MARK: "containing"}
        self._clients("contain").write(
            self._name_path(change, entity), {"disabled": "true", "metadata": marks | state}
        )
        after = self._read(entity["id"])
        if not after["disabled"] or HOLD_MARK not in (after.get("metadata") or {}):
            raise Rejected(f"entity {entity['name']} is not disabled, or does not carry the hold", remedy=REPLAN)
        return {"id": entity["id"]}

    # -- entities: giving ------------------------------------------------------------------------------

    def _create_entity(self, change: Change) -> Fields:
        desired = desired_of(change)
        name = str(desired.fields["name"])
        path = f"identity/entity/name/{name}"
        entity = entity_at(path, self._clients("plan").read(path))
        if entity is not None and not self._own_unfinished(entity, desired):
            raise Rejected(f"entity {name}: {CHANGED}", remedy=REPLAN)
        # A new entity is enabled. One that stands is not told so: somebody may disable it at this moment.
        body = {
            "policies": spell(desired.fields["policies"]),
            "metadata": self._marks(change, {}, "active", desired),
        }
        made = self._clients("grant").write(path, body).data
        if entity is None and made.get("name") == name and isinstance(made.get("id"), str):
            entity = made  # only a new entity is answered with its id
        entity = entity or entity_at(path, self._clients("plan").read(path))
        if entity is None:
            raise Rejected(f"entity {name} is not there after it was made", remedy=REPLAN)
        self._aliases.add(desired, entity)
        return self._check(change, desired, str(entity["id"]))

    def _own_unfinished(self, entity: Mapping[str, Any], desired: Resource) -> bool:
        """Whether an earlier, killed attempt at the same change left this: ours, and no more than desired."""
        shown = entity_fields(entity)
        same = all(shown[n] == desired.fields[n] for n in ("name", "estate", "subject", "policies", "disabled"))
        return same and set(shown["aliases"]) <= set(desired.fields["aliases"])

    def _update_entity(self, change: Change) -> Fields:
        """Exactly the fields of the change's desired resource: less (as contain), or more (as grant)."""
        desired, entity = desired_of(change), self._standing(change)
        self._rename(change, entity)
        body: dict[str, Any] = {
            "policies": spell(desired.fields["policies"]),
            "metadata": self._marks(change, entity, str(desired.fields["state"]), desired),
        }
        if entity["disabled"] and not desired.fields["disabled"]:
            # Enabling an entity revives its tokens: the old ones go first. An entity that is enabled is not told
            # so again: somebody may disable it at this moment.
            self._tokens.revoke(str(entity["id"]), fresh=True)
            body["disabled"] = "false"
        self._aliases.drop(desired, entity)
        self._clients("grant").write(self._name_path(change, entity), body)
        self._aliases.add(desired, entity)
        return self._check(change, desired, str(entity["id"]))

    def _release(self, change: Change) -> Fields:
        if change.actual is not None:
            entity = self._standing(change)
            self._rename(change, entity)
            kept = {k: v for k, v in (entity.get("metadata") or {}).items() if k != HOLD_MARK}
            kept[POLICIES_MARK] = policies_mark(entity.get("policies") or ())  # what was taken is answered for
            self._clients("grant").write(self._name_path(change, entity), {"metadata": kept})
            if HOLD_MARK in (self._read(entity["id"]).get("metadata") or {}):
                raise Rejected(f"entity {entity['name']} still carries the hold", remedy=REPLAN)
        holds.release(self._clients, self._estate, change, self._run_id, self._clock())
        return {"released": str(change.subject)}

    # -- entities: parts -------------------------------------------------------------------------------

    def _rename(self, change: Change, entity: Mapping[str, Any]) -> None:
        if change.subject is not None:
            give_name_back(self._clients, self._estate, change.subject, entity)

    def _name_path(self, change: Change, entity: Mapping[str, Any]) -> str:
        name = entity_name(self._estate, change.subject) if change.subject is not None else entity["name"]
        return f"identity/entity/name/{name}"

    def _standing(self, change: Change) -> Mapping[str, Any]:
        """The entity as it is now, if that is no surprise."""
        entity = self._read(str(actual_of(change).facts["id"]))
        self._unchanged(change, entity)
        return entity

    def _unchanged(self, change: Change, entity: Mapping[str, Any]) -> None:
        """Raises unless the entity is as it was observed, or as this run made it since.

        Above all, nobody else has disabled it meanwhile: that is an emergency, and the next plan must see it.
        """
        actual, shown = actual_of(change).fields, entity_fields(entity)
        wanted = change.desired.fields if change.desired is not None else actual
        own: dict[str, Any] = {"estate": self._estate.name}
        if change.subject is not None:
            own |= {"subject": str(change.subject), "name": entity_name(self._estate, change.subject)}
        wrong = [n for n in ("estate", "subject", "name") if shown[n] not in (actual[n], wanted[n], own.get(n))]
        states = [(fields["disabled"], fields["state"]) for fields in (actual, wanted)]
        taking = change.phase == "contain" and change.desired is None  # all of it; a narrowing gives back the rest
        states += [(True, state) for state in CONTAINED if taking]
        if (shown["disabled"], shown["state"]) not in states:
            wrong.append("disabled")
        if change.phase == "grant" and not set(shown["policies"]) <= {*actual["policies"], *wanted["policies"]}:
            wrong.append("policies")
        if wrong:
            raise Rejected(f"entity {entity['name']}: {CHANGED} ({', '.join(wrong)})", remedy=REPLAN)
        held = HOLD_MARK in (entity.get("metadata") or {})
        if held and not taking and change.action != "release":
            raise Refused(f"entity {entity['name']} was put on hold meanwhile", remedy=REPLAN)

    def _find(self, id_: str) -> Mapping[str, Any] | None:
        path = f"identity/entity/id/{id_}"
        return entity_at(path, self._clients("plan").read(path))

    def _read(self, id_: str) -> Mapping[str, Any]:
        entity = self._find(id_)
        if entity is None:
            raise Rejected(f"entity {id_} is gone", remedy=REPLAN)
        return entity

    def _marks(
        self, change: Change, entity: Mapping[str, Any], state: str, desired: Resource | None = None
    ) -> dict[str, str]:
        """The whole metadata, since writing replaces it: what others keep there stays."""
        kept = dict(entity.get("metadata") or {})
        subject = str(change.subject) if change.subject is not None else kept.get(SUBJECT_MARK, "")
        source = desired.fields if desired is not None else {"estate": self._estate.name, "subject": subject}
        if desired is not None:
            kept[POLICIES_MARK] = policies_mark(desired.fields["policies"])
            kept |= {PERSON_MARK: desired.facts["person"]} if "person" in desired.facts else {}
        return kept | {ESTATE_MARK: source["estate"], SUBJECT_MARK: source["subject"], STATE_MARK: state}

    def _check(self, change: Change, desired: Resource, id_: str) -> Fields:
        entity = self._read(id_)
        shown, wanted = entity_fields(entity), dict(desired.fields)
        if change.subject is not None:
            wanted["name"] = entity_name(self._estate, change.subject)  # a renamed one was given its name back
        wrong = sorted(n for n, v in wanted.items() if shown[n] != v)
        if wrong:
            raise Rejected(
                f"entity {shown['name']} does not say what was written: {', '.join(wrong)}", remedy=REPLAN
            )
        return {"id": id_, "alias_ids": aliases(entity)}
