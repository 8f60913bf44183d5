"""`idac plan`, `idac apply`, `idac release`."""

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

from reconciler.cli.codes import apply_code, explain_apply, explain_plan, plan_code
from reconciler.cli.context import Context, actor
from reconciler.cli.ledger import last_policy, open_ledger
from reconciler.cli.terminal import applying, looking, print_json, print_text
from reconciler.clock import now, rfc3339, stamp
from reconciler.errors import IdacError, InvalidInput, Refused, Stale
from reconciler.model.estate import Estate, seconds
from reconciler.model.manifest import SubjectRef, Tree
from reconciler.model.plan import Plan, PlanTicket
from reconciler.model.record import Purpose, RecordRef, Run, RunResult
from reconciler.model.resource import ESTATE
from reconciler.pipeline import Sight, Wanted, Workshop, apply_plan, make_plan, only_routine, plan_release, want
from reconciler.providers.protocol import Connection
from reconciler.render.document import plan_document, read_plan, result_document
from reconciler.render.text import outcome_text, plan_text
from reconciler.review import Document, release_of, require_same, since_review

_NAMED = re.compile(r"\A([a-z]+)/([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)\Z")


def plan(context: Context, *, out: str, detailed: bool) -> int:
    """Print the plan and, with `out`, write it for review. A refused plan is written too."""
    estate = context.estate()
    wanted = _want(context, estate)
    with context.connection(estate) as connection:
        fresh = _look(context, estate, wanted, connection).plan
    _show(context, fresh, new_ticket(estate), out)
    code = plan_code(fresh, wanted.tree, detailed=detailed)
    explain_plan(code, fresh, out)
    return code


def apply(context: Context, *, reviewed: str, auto_approve: bool, routine: bool = False) -> int:
    """Plan afresh, hold it against what was reviewed, carry it out and record it."""
    if [bool(reviewed), auto_approve, routine].count(True) != 1:
        raise Usage("apply takes one of --plan FILE, --auto-approve and --routine")
    if routine:
        return _apply_routine(context)
    stored = read_plan(_read(reviewed), reviewed) if reviewed else None
    estate = context.estate()
    if auto_approve:
        _require_auto_approve(estate, "plan")
    lifted = release_of(stored) if stored is not None else None
    if stored is not None and lifted is not None:
        return _release(context, estate, *lifted, stored)
    wanted = _want(context, estate)
    with context.connection(estate) as connection:
        sight = _look(context, estate, wanted, connection)
        ticket = _ticket(estate, sight.plan, stored)
        if stored is None and not context.json:
            print_plan(context, sight.plan, None)
        unreviewed = since_review(stored, sight.plan) if stored is not None else ()
        result = _carry_out(context, estate, sight, ticket, connection, "apply", unreviewed)
    return _code(result, wanted.tree)


def _apply_routine(context: Context) -> int:
    """What policy allows without review; the rest is shown as left."""
    estate = context.estate()
    wanted = _want(context, estate)
    with context.connection(estate) as connection:
        whole = _look(context, estate, wanted, connection)
        sight = only_routine(estate, wanted, whole, now())
        if not context.json:
            print_plan(context, sight.plan, None)
        result = _carry_out(context, estate, sight, new_ticket(estate), connection, "routine")
    if left := len(whole.plan.changes):
        context.say(f"{left} changes need a review, and were left: `idac plan` shows them")
    return _code(result, wanted.tree)


def release(context: Context, *, subject: str, reason: str, out: str, auto_approve: bool) -> int:
    """Lift a hold: in one run where the policy allows it, or by a plan that is reviewed first."""
    held = named(subject)
    if held.kind == ESTATE:
        raise Usage("an estate is thawed: use `idac thaw`")
    return _end(context, f"release {held}", held, reason_of(reason), out, auto_approve)


def thaw(context: Context, *, reason: str, out: str, auto_approve: bool) -> int:
    """Lift the estate's own hold, as any other."""
    return _end(context, "thaw", SubjectRef(ESTATE, ""), reason_of(reason), out, auto_approve)


def _end(context: Context, command: str, held: SubjectRef, why: str, out: str, auto_approve: bool) -> int:
    if bool(out) == auto_approve:
        name = command.split(maxsplit=1)[0]
        raise Usage(f"{name} takes either --out FILE, for review and then `idac apply --plan`, or --auto-approve")
    estate = context.estate()
    if auto_approve:
        _require_auto_approve(estate, f"{command} --reason …")
        return _release(context, estate, held, why, None)
    with context.connection(estate) as connection, looking(context, connection.readers()) as readers:
        fresh = plan_release(estate, context.tree(estate), readers, held, why, now()).plan
    _show(context, fresh, new_ticket(estate), out)
    return 0


def named(subject: str) -> SubjectRef:
    """`trader/jdoe` as it is typed. Raises `Usage` for anything else."""
    if not (found := _NAMED.match(subject)):
        raise Usage(f"{subject!r} is not KIND/NAME, such as trader/jdoe")
    return SubjectRef(found[1], found[2])


def reason_of(text: str) -> str:
    """A reason that says something. Raises `Usage`."""
    if not text.strip():
        raise Usage("--reason says nothing")
    return text.strip()


def _release(context: Context, estate: Estate, held: SubjectRef, why: str, stored: Document | None) -> int:
    tree = context.tree(estate)
    with context.connection(estate) as connection:
        with looking(context, connection.readers()) as readers:
            try:
                sight = plan_release(estate, tree, readers, held, why, now())
            except Refused as gone:
                if stored is None:
                    raise
                raise Stale(gone.message, remedy=gone.remedy) from None
        ticket = _ticket(estate, sight.plan, stored)
        if stored is None and not context.json:
            print_plan(context, sight.plan, None)
        purpose: Purpose = "thaw" if held.kind == ESTATE else "release"
        result = _carry_out(context, estate, sight, ticket, connection, purpose)
    return _code(result, tree)


def _show(context: Context, fresh: Plan, ticket: PlanTicket, out: str) -> None:
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
    print_text(plan_text(fresh, ticket, colour=context.colour))


def _ticket(estate: Estate, fresh: Plan, stored: Document | None) -> PlanTicket:
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


class Usage(IdacError):
    """The flags do not fit together."""

    code = "E064"
    exit_code = 64


def _want(context: Context, estate: Estate) -> Wanted:
    then = last_policy(estate)  # first: the record of a large run takes memory, which the manifests use again
    return want(estate, context.tree(estate), now(), then)


def _look(context: Context, estate: Estate, wanted: Wanted, connection: Connection) -> Sight:
    with looking(context, connection.readers()) as readers:
        return make_plan(estate, wanted, readers, now())


def _carry_out(
    context: Context,
    estate: Estate,
    sight: Sight,
    ticket: PlanTicket,
    connection: Connection,
    purpose: Purpose,
    unreviewed: Sequence[str] = (),
) -> RunResult:
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


def _code(result: RunResult, tree: Tree) -> int:
    code = apply_code(result, tree)
    explain_apply(code, result)
    return code


def _require_auto_approve(estate: Estate, command: str) -> None:
    if not estate.spec.policy.auto_approve:
        raise Refused(
            "the estate's policy does not allow --auto-approve",
            remedy=f"run `idac {command} --out plan.json`, have it reviewed, then `idac apply --plan plan.json`",
        )


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InvalidInput(
            f"cannot read {path}: {error.strerror}", remedy="name the file `idac plan --out` wrote"
        ) from None
