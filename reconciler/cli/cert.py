"""`idac cert get`."""

from __future__ import annotations

import re
from datetime import datetime

from reconciler.cli.context import Context
from reconciler.cli.running import Usage
from reconciler.cli.terminal import print_json, print_text
from reconciler.clock import now
from reconciler.errors import InvalidInput, Refused
from reconciler.kinds.subject import SubjectSpec
from reconciler.load import load
from reconciler.model.delivery import Delivery
from reconciler.model.estate import Estate
from reconciler.model.manifest import SubjectRef
from reconciler.providers.protocol import Connection

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_CREDENTIAL = re.compile(rf"\A([a-z]+)/({_LABEL})/({_LABEL})\Z")


def get(context: Context, *, credential: str) -> int:
    """The certificate chain of one credential to stdout, if it is good."""
    found = _CREDENTIAL.match(credential)
    if found is None:
        raise Usage(f"{credential!r} is not KIND/NAME/CREDENTIAL, such as trader/jdoe/mtls")
    estate = context.estate()
    with context.connection(estate) as connection:
        given = _delivery(estate, connection, SubjectRef(found[1], found[2]), found[3])
    if context.json:
        print_json(_document(given))
    if given.state != "good":
        ended = f"ended {given.not_after}" if given.state == "expired" else "is revoked"
        raise Refused(
            f"certificate {given.serial} of {credential} {ended}", remedy="run `idac plan` to see what is due"
        )
    if _ending(given):
        context.say(
            f"certificate {given.serial} ends {given.not_after}: `idac apply --routine` renews it when it is due"
        )
    if not context.json:
        print_text(given.chain)
    return 0


def _delivery(estate: Estate, connection: Connection, subject: SubjectRef, credential: str) -> Delivery:
    try:
        return connection.delivery(subject, credential)
    except InvalidInput:
        if not _fetched(estate, subject, credential):
            raise
    raise InvalidInput(
        f"nothing is delivered for {subject}/{credential}: it is a runtime credential",
        remedy="the workload fetches its certificates itself (docs/bots.md)",
    )


def _fetched(estate: Estate, subject: SubjectRef, credential: str) -> bool:
    """Whether the manifest says that the workload fetches it."""
    specs = (m.spec for m in load(estate).manifests if m.ref == subject)
    mine = (one for spec in specs if isinstance(spec, SubjectSpec) for one in spec.credentials)
    return any(one.name == credential and one.key.runtime for one in mine)


def _ending(given: Delivery) -> bool:
    """Whether the last third of its life has begun: where a renewal is due at the latest."""
    begin, end = datetime.fromisoformat(given.not_before), datetime.fromisoformat(given.not_after)
    return now() >= end - (end - begin) / 3


def _document(given: Delivery) -> dict[str, str]:
    return {
        "subject": str(given.subject),
        "credential": given.credential,
        "state": given.state,
        "serial": given.serial,
        "fingerprint": given.fingerprint,
        "notBefore": given.not_before,
        "notAfter": given.not_after,
        "chain": given.chain,
    }
