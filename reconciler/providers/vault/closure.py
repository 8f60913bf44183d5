"""The entities of one subject, found without reading those of all the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reconciler.model.estate import Estate
from reconciler.model.manifest import SubjectRef
from reconciler.providers.protocol import Client
from reconciler.providers.vault.ownership import aliases
from reconciler.providers.vault.policies import SUBJECT_KINDS
from reconciler.providers.vault.resources import entity_name
from reconciler.providers.vault.seen import entity_at


def entities_of(client: Client, estate: Estate, subject: SubjectRef) -> Iterator[Mapping[str, Any]]:
    """The entity of the subject's name; and, where that one has not the subject's alias, whoever has it.

    One request as a rule. The second case takes one LIST of all entities: somebody renamed the entity, moved an
    alias, or there is none. An alias stands on one entity alone. Raises `TargetError`.
    """
    if subject.kind not in SUBJECT_KINDS:
        return  # the estate itself has none
    path = f"identity/entity/name/{entity_name(estate, subject)}"
    entity = entity_at(path, client.read(path))
    if entity is not None:
        yield entity
        if _complete(estate, subject, entity):
            return
    known = entity["id"] if entity is not None else ""
    ids = [id_ for id_ in _holders(client, estate, subject) if id_ != known]
    for asked, answer in client.read_many(f"identity/entity/id/{id_}" for id_ in ids):
        found = entity_at(asked, answer)
        if found is not None:
            yield found


def _complete(estate: Estate, subject: SubjectRef, entity: Mapping[str, Any]) -> bool:
    """Whether it has the aliases that it should: on cert auth, and a bot on its workload issuer's mount too."""
    mounts = [a.split(":")[0] for a in aliases(entity) if a.endswith(f":{subject.principal}")]
    workload = any(mount.startswith(estate.mounts.workloads) for mount in mounts)
    return estate.mounts.cert in mounts and (workload or subject.kind != "bot")


def _holders(client: Client, estate: Estate, subject: SubjectRef) -> Sequence[str]:
    """Ids of the entities that a LIST shows with an alias of this subject's on a mount of the estate."""
    infos = client.list("identity/entity/id").data.get("key_info") or {}
    mounts = f"auth/{estate.prefix}"
    return [
        id_
        for id_, info in infos.items()
        for alias in info.get("aliases") or ()
        if alias.get("name") == subject.principal and str(alias.get("mount_path", "")).startswith(mounts)
    ]
