"""What every command that plans, applies or ends something shares: its words, its ticket, its run, its output."""

from __future__ import annotations

import json
import os
import re
import tempfile
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from reconciler.cli.codes import apply_code, explain_apply
from reconciler.cli.context import Context, actor
from reconciler.cli.ledger import open_ledger
from reconciler.cli.terminal import applying, print_json, print_text
from reconciler.clock import now, rfc3339, stamp
from reconciler.errors import IdacError, InvalidInput, Refused
from reconciler.load.secrets import find_secrets
from reconciler.model.estate import Estate, seconds
from reconciler.model.manifest import SubjectRef, Tree
from reconciler.model.plan import Plan, PlanTicket
from reconciler.model.record import Purpose, RecordRef, Run, RunResult
from reconciler.model.words import printable
from reconciler.pipeline import Sight, Workshop, apply_plan
from reconciler.providers.protocol import Connection
from reconciler.render.document import plan_document, result_document
from reconciler.render.text import outcome_text, plan_text
from reconciler.review import Document, require_same

_NAMED = re.compile(r"\A([a-z]+)/([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)\Z")


REMOVED = "(the rest looked like a secret, and was left out)"


class Usage(IdacError):
    """The flags do not fit together."""

    code = "E064"
    exit_code = 64


def named(subject: str) -> SubjectRef:
    """`trader/jdoe` as it is typed. Raises `Usage` for anything else."""
    if not (found := _NAMED.match(subject)):
        raise Usage(f"{subject!r} is not KIND/NAME, such as trader/jdoe")
    return SubjectRef(found[1], found[2])


def reason_of(text: str) -> str:
    """A reason on one line, in characters that every system takes: no wording stops an emergency.

    From what looks like a secret on it is cut off, for it stands in holds and records. Raises `Usage` for nothing.
    """
    found = min(find_secrets(text), default=None)
    if found is not None:
        text = f"{text[: _word(text, found)]} {REMOVED}"
    if not (said := printable(text)):
        raise Usage("--reason says nothing")
    return said


def _word(text: str, place: int) -> int:
    """Where the word around a place begins."""
    return next((n + 1 for n in range(place - 1, -1, -1) if text[n].isspace()), 0)


def show_plan(context: Context, fresh: Plan, ticket: PlanTicket, out: str) -> None:
    """Print a plan and, with `out`, write it for review."""
    document = plan_document(fresh, ticket)
    if out:
        write_file(Path(out), json.dumps(document, indent=2) + "\n")
    if context.json:
        print_json(document)
    else:
        print_plan(context, fresh, ticket if out else None)


def print_plan(context: Context, fresh: Plan, ticket: PlanTicket | None) -> None:
    """A plan for people; `ticket` where it was written for review."""
    if context.quiet:
        fresh = replace(fresh, findings=tuple(f for f in fresh.findings if f.severity != "info"))
    print_text(plan_text(fresh, ticket, colour=context.colour, verbose=context.verbose))


def ticket_of(estate: Estate, fresh: Plan, stored: Document | None) -> PlanTicket:
    """The reviewed plan's ticket, if that plan is what would happen now; a new one for a run without review."""
    ticket = new_ticket(estate)
    if stored is None:
        return ticket
    longest = timedelta(seconds=seconds(estate.spec.policy.plan_expiry))
    return require_same(stored, plan_document(fresh, ticket), now(), longest)


def new_ticket(estate: Estate) -> PlanTicket:
    """A random id and the plan's short life. Outside the digest."""
    created = now()
    expires = created + timedelta(seconds=seconds(estate.spec.policy.plan_expiry))
    return PlanTicket(str(uuid.uuid4()), rfc3339(created), rfc3339(expires))


def write_file(path: Path, text: str) -> None:
    """Write a whole file or nothing: a half-written plan must never be reviewed."""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise InvalidInput(f"cannot write {path}: {error.strerror}", remedy="name a writable path") from None


def run_plan(
    context: Context,
    estate: Estate,
    sight: Sight,
    ticket: PlanTicket,
    connection: Connection,
    purpose: Purpose,
    unreviewed: Sequence[str] = (),
) -> RunResult:
    """Carry a plan out under the estate's lock, and print what became of it."""
    run = Run(str(uuid.uuid4()), purpose, actor(), stamp())
    total = len(sight.plan.changes) + len(sight.plan.routine)
    with applying(context, total) as progress:
        workshop = Workshop(connection, open_ledger(estate, context.environ), stamp, progress)
        result, record = apply_plan(sight, ticket, run, workshop)
    if context.json:
        print_json(told(result, record))
    else:
        print_result(context, result, record, unreviewed)
    return result


def told(result: RunResult, record: RecordRef) -> dict[str, Any]:
    """What became of a run, and where its record is, as a document."""
    return {**result_document(result), "record": {"seq": record.seq, "sha256": record.sha256}}


def print_result(context: Context, result: RunResult, record: RecordRef, unreviewed: Sequence[str] = ()) -> None:
    """The same for people."""
    print_text(outcome_text(result.outcomes, result.proofs, unreviewed, colour=context.colour))
    print_text(f"Record {record.seq}, signed: sha256:{record.sha256}\n")


def explained(result: RunResult, tree: Tree, *, shown: bool) -> int:
    """The exit code of a run, and on stderr why it is not 0. `shown`: its plan was printed as text."""
    code = apply_code(result, tree)
    explain_apply(code, result, shown=shown)
    return code


def require_auto_approve(estate: Estate, command: str) -> None:
    """Raises `Refused` where the policy wants a review; `command` is what to run for one."""
    if not estate.spec.policy.auto_approve:
        raise Refused(
            "the estate's policy does not allow --auto-approve",
            remedy=f"run `idac {command} --out plan.json`, have it reviewed, then `idac apply --plan plan.json`",
        )
