"""Holds in KV v2: who must be granted nothing until somebody releases them."""

from __future__ import annotations

from reconciler.errors import Rejected
from reconciler.model.estate import Estate
from reconciler.model.manifest import SubjectRef
from reconciler.providers.protocol import Clients

LONGEST = 480  # bytes; metadata values hold 512


def shortened(text: str) -> str:
    """As much of a reason as metadata holds."""
    return text.encode()[:LONGEST].decode(errors="ignore")


def put(clients: Clients, estate: Estate, subject: SubjectRef, reason: str, by: str, at: str) -> None:
    """Write the hold, as contain; read it back."""
    said = {"reason": shortened(reason), "by": by, "at": at}
    kv, name = estate.mounts.kv, f"holds/{subject.principal}"
    contain = clients("contain")
    contain.write(f"{kv}/data/{name}", {"data": said})
    contain.write(f"{kv}/metadata/{name}", {"custom_metadata": said})
    shown = clients("plan").read(f"{kv}/metadata/{name}").data.get("custom_metadata") or {}
    if shown != said:
        raise Rejected(f"the hold on {subject} does not stand after it was written")


def remove(clients: Clients, estate: Estate, subject: SubjectRef) -> None:
    """Delete the hold, as grant; see that it is gone."""
    path = f"{estate.mounts.kv}/metadata/holds/{subject.principal}"
    clients("grant").delete(path)
    if clients("plan").read(path).found:
        raise Rejected(f"the hold on {subject} is still there after its deletion")
