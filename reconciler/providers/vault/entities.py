"""Changes identity entities: taking (as contain) and giving (as grant). Every write is read back.

Writing an entity replaces its metadata and keeps what is left out of its policies; enabling it revives its
tokens. Each of these is dealt with below.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reconciler.errors import Rejected
from reconciler.model.change import Change
from reconciler.model.estate import Estate
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Fields, Resource
from reconciler.providers.protocol import Clients, actual_of, desired_of
from reconciler.providers.vault import holds
from reconciler.providers.vault.aliases import Aliases
from reconciler.providers.vault.ownership import ESTATE_MARK, HOLD_MARK, STATE_MARK, SUBJECT_MARK, aliases
from reconciler.providers.vault.policies import spell
from reconciler.providers.vault.resources import entity_name
from reconciler.providers.vault.seen import entity_fields
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
        if change.type != "vault.entity" or change.action not in doing:
            raise Rejected(f"vault cannot {change.action} {change.address}")
        if change.action == "update" and (change.after or {}).get("state") in CONTAINED:
            return self._disable(change)
        return doing[change.action](change)

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
        answer = self._clients("plan").read(f"identity/entity/id/{id_}")
        if answer.found:
            self._clients("contain").delete(self._name_path(change, answer.data))
            if self._clients("plan").read(f"identity/entity/id/{id_}").found:
                raise Rejected(f"entity {id_} is still there after its deletion", remedy=REPLAN)
        return {"id": id_}

    def _hold(self, change: Change) -> Fields:
        holds.put(self._clients, self._estate, _subject(change), change.reason, self._run_id, self._clock())
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
        if HOLD_MARK not in (self._read(entity["id"]).get("metadata") or {}):
            raise Rejected(f"entity {entity['name']} does not carry the hold", remedy=REPLAN)
        return {"id": entity["id"]}

    # -- entities: giving ------------------------------------------------------------------------------

    def _create_entity(self, change: Change) -> Fields:
        desired = desired_of(change)
        name = str(desired.fields["name"])
        path = f"identity/entity/name/{name}"
        standing = self._clients("plan").read(path)
        if standing.found and not self._own_unfinished(standing.data, desired):
            raise Rejected(f"entity {name}: {CHANGED}", remedy=REPLAN)
        body = {"policies": spell(desired.fields["policies"]), "disabled": "false"}
        made = self._clients("grant").write(path, {**body, "metadata": self._marks(change, {}, "active")})
        # Only a new entity is answered with its id.
        entity = standing.data if standing.found else made.data or self._clients("plan").read(path).data
        self._aliases.add(desired, entity)
        return self._check(desired, str(entity["id"]))

    def _own_unfinished(self, entity: Mapping[str, Any], desired: Resource) -> bool:
        """Whether an earlier, killed attempt at the same change left this: ours, and no more than desired."""
        shown = entity_fields(entity)
        same = all(shown[n] == desired.fields[n] for n in ("name", "estate", "subject", "policies", "disabled"))
        return same and set(shown["aliases"]) <= set(desired.fields["aliases"])

    def _update_entity(self, change: Change) -> Fields:
        """Exactly the fields of the change's desired resource: less (as contain), or more (as grant)."""
        desired, entity = desired_of(change), self._standing(change)
        shown = entity_fields(entity)
        self._rename(change, entity)
        if shown["disabled"] and not desired.fields["disabled"]:
            # Enabling an entity revives its tokens: the old ones go first.
            self._tokens.revoke(str(entity["id"]), fresh=True)
        self._aliases.drop(desired, entity)
        body = {
            "policies": spell(desired.fields["policies"]),
            "disabled": spell(bool(desired.fields["disabled"])),
            "metadata": self._marks(change, entity, str(desired.fields["state"]), desired),
        }
        self._clients("grant").write(self._name_path(change, entity), body)
        self._aliases.add(desired, entity)
        return self._check(desired, str(entity["id"]), renamed=True)

    def _release(self, change: Change) -> Fields:
        if change.actual is not None:
            entity = self._standing(change)
            kept = {k: v for k, v in (entity.get("metadata") or {}).items() if k != HOLD_MARK}
            self._clients("grant").write(self._name_path(change, entity), {"metadata": kept})
            if HOLD_MARK in (self._read(entity["id"]).get("metadata") or {}):
                raise Rejected(f"entity {entity['name']} still carries the hold", remedy=REPLAN)
        holds.remove(self._clients, self._estate, _subject(change))
        return {"released": str(change.subject)}

    # -- entities: parts -------------------------------------------------------------------------------

    def _rename(self, change: Change, entity: Mapping[str, Any]) -> None:
        """Give a renamed entity its name back: the logins reach entities by their names alone."""
        if change.subject is None or entity["name"] == entity_name(self._estate, change.subject):
            return
        body = {"name": entity_name(self._estate, change.subject)}
        self._clients("govern").write(f"identity/entity/id/{entity['id']}", body)

    def _name_path(self, change: Change, entity: Mapping[str, Any]) -> str:
        name = entity_name(self._estate, change.subject) if change.subject is not None else entity["name"]
        return f"identity/entity/name/{name}"

    def _standing(self, change: Change) -> Mapping[str, Any]:
        """The entity as it is now. What we may have done ourselves since is no surprise; anything else is."""
        actual = actual_of(change)
        entity = self._read(str(actual.facts["id"]))
        shown = entity_fields(entity)
        for name in ("estate", "subject", "name"):
            allowed = (actual.fields[name], _wanted(change, name), self._own_name(change, name))
            if shown[name] not in allowed:
                raise Rejected(f"entity {entity['name']}: {CHANGED} ({name})", remedy=REPLAN)
        if change.phase == "grant" and not set(shown["policies"]) <= {
            *actual.fields["policies"],
            *(desired_of(change).fields["policies"] if change.desired is not None else ()),
        }:
            raise Rejected(f"entity {entity['name']}: {CHANGED} (policies)", remedy=REPLAN)
        return entity

    def _own_name(self, change: Change, name: str) -> object:
        subject = change.subject
        return entity_name(self._estate, subject) if name == "name" and subject is not None else None

    def _read(self, id_: str) -> Mapping[str, Any]:
        answer = self._clients("plan").read(f"identity/entity/id/{id_}")
        if not answer.found:
            raise Rejected(f"entity {id_} is gone", remedy=REPLAN)
        return answer.data

    def _marks(
        self, change: Change, entity: Mapping[str, Any], state: str, desired: Resource | None = None
    ) -> dict[str, str]:
        """The whole metadata, since writing replaces it: what others keep there stays."""
        kept = dict(entity.get("metadata") or {})
        subject = str(change.subject) if change.subject is not None else kept.get(SUBJECT_MARK, "")
        source = desired.fields if desired is not None else {"estate": self._estate.name, "subject": subject}
        return kept | {ESTATE_MARK: source["estate"], SUBJECT_MARK: source["subject"], STATE_MARK: state}

    def _check(self, desired: Resource, id_: str, *, renamed: bool = False) -> Fields:
        entity = self._read(id_)
        shown = entity_fields(entity)
        skipped = {"name"} if renamed else set()
        wrong = sorted(n for n, v in desired.fields.items() if shown[n] != v and n not in skipped)
        if wrong:
            raise Rejected(
                f"entity {shown['name']} does not say what was written: {', '.join(wrong)}", remedy=REPLAN
            )
        return {"id": id_, "alias_ids": aliases(entity)}


def _subject(change: Change) -> SubjectRef:
    if change.subject is None:
        raise Rejected(f"{change.address} belongs to no subject")
    return change.subject


def _wanted(change: Change, name: str) -> object:
    return change.desired.fields.get(name) if change.desired is not None else None
