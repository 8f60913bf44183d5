"""The entities of one subject, found without reading those of all the others."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from typing import Any

from reconciler.model.estate import Estate
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Resource, issuer_of
from reconciler.providers.protocol import Client
from reconciler.providers.vault.ownership import aliases, principal
from reconciler.providers.vault.policies import SUBJECT_KINDS
from reconciler.providers.vault.resources import entity_name
from reconciler.providers.vault.seen import entity_at


def own_aliases(estate: Estate, subject: SubjectRef, logins: Sequence[Resource]) -> frozenset[str]:
    """The aliases (`mount:name`, in lower case) that the subject's logins lead to: its principal on cert auth; on
    an issuer's mount the `sub` that its tokens have. Whoever holds one of them comes in when the subject logs in.
    """
    made = {f"{estate.mounts.cert}:{subject.principal}"}
    for login in logins:
        if sub := login.fields.get("bound_subject"):
            made.add(f"{estate.mounts.workload(issuer_of(login.address))}:{sub}".lower())
    return frozenset(made)


def entities_of(client: Client, estate: Estate, subject: SubjectRef, own: Set[str]) -> Iterator[Mapping[str, Any]]:
    """The entity of the subject's name; and, where that one has not all of its `own` aliases, whoever has them.

    One request as a rule. The second case takes one LIST of all entities: somebody renamed the entity, moved an
    alias, or there is none. An alias stands on one entity alone. Raises `TargetError`.
    """
    if subject.kind not in SUBJECT_KINDS:
        return  # the estate itself has none
    path = f"identity/entity/name/{entity_name(estate, subject)}"
    entity = entity_at(path, client.read(path))
    if entity is not None:
        yield entity
        if own <= {alias.lower() for alias in aliases(entity)}:
            return
    known = entity["id"] if entity is not None else ""
    ids = [id_ for id_ in _holders(client, own) if id_ != known]
    for asked, answer in client.read_many(f"identity/entity/id/{id_}" for id_ in ids):
        found = entity_at(asked, answer)
        if found is not None:
            yield found


def subjects_named(client: Client, estate: Estate) -> frozenset[SubjectRef]:
    """Whose entities stand, as far as their names say it. Raises `TargetError`."""
    names = client.list("identity/entity/name").keys
    found = (principal(name.removeprefix(estate.prefix)) for name in names if name.startswith(estate.prefix))
    return frozenset(one for one in found if one is not None and one.kind in SUBJECT_KINDS)


def _holders(client: Client, own: Set[str]) -> Sequence[str]:
    """Ids of the entities that a LIST shows with one of these aliases."""
    infos = client.list("identity/entity/id").data.get("key_info") or {}
    return [id_ for id_, info in infos.items() if own & {alias.lower() for alias in _shown(info)}]


def _shown(info: Mapping[str, Any]) -> Iterator[str]:
    for alias in info.get("aliases") or ():
        mount = str(alias.get("mount_path", "")).removeprefix("auth/").rstrip("/")
        yield f"{mount}:{alias.get('name')}"


def held_elsewhere(entities: Sequence[Resource], subject: SubjectRef, own: Collection[str]) -> Iterator[Resource]:
    """The subject's own aliases on entities of other subjects, each to be taken from there."""
    for entity in (r for r in entities if r.type == "vault.entity" and r.subject not in (subject, None)):
        for alias, id_ in entity.facts["alias_ids"].items():
            if alias.lower() in own:
                fields = {"alias": alias, "entity": entity.facts["id"], "holder": entity.fields["name"]}
                facts = {"id": entity.facts["id"], "alias_id": id_}
                yield Resource(f"vault.alias/{alias}", None, fields, facts)
