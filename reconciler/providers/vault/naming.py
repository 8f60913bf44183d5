"""Names of entities that somebody changed: policies give power to a name, and the logins reach entities by it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.model.estate import Estate
from reconciler.model.manifest import SubjectRef
from reconciler.providers.protocol import Clients
from reconciler.providers.vault.resources import entity_name


def give_name_back(clients: Clients, estate: Estate, subject: SubjectRef, entity: Mapping[str, Any]) -> None:
    """Give a renamed entity its name back, as govern; nothing where it bears it.

    Where another entity bears that name, this one first gives up the name it has, which may be that one's. Raises
    `Rejected` then, unless the other has given up this one's meanwhile: the next run does the rest.
    """
    own, path = entity_name(estate, subject), f"identity/entity/id/{entity['id']}"
    if entity["name"] == own:
        return
    govern, other = clients("govern"), clients("plan").read(f"identity/entity/name/{own}")
    if other.found and other.data["id"] != entity["id"]:
        govern.write(path, {"name": f"{estate.prefix}{subject.kind}._{entity['id']}"})  # no subject is called so
    govern.write(path, {"name": own})


__all__ = ["give_name_back"]
