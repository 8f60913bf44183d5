"""`idac plan`, `idac apply`, `idac release`."""

from __future__ import annotations

import json
import os
import tempfile
import uuid
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Literal

from reconciler.cli.codes import apply_code, explain_apply, explain_plan, plan_code
from reconciler.cli.context import Context, actor
from reconciler.cli.ledger import last_policy, open_ledger
from reconciler.cli.terminal import applying, looking, print_json, print_text
from reconciler.clock import now, rfc3339, stamp
from reconciler.errors import IdacError, InvalidInput, Refused
from reconciler.model.estate import Estate, seconds
from reconciler.model.manifest import SubjectRef, Tree
from reconciler.model.plan import PlanTicket
from reconciler.model.record import Run, RunResult
from reconciler.pipeline import Sight, Wanted, Workshop, apply_plan, make_plan, plan_release, want
from reconciler.providers.protocol import Connection
from reconciler.render.document import plan_document, read_plan, result_document
from reconciler.render.text import outcome_text, plan_text
from reconciler.review import require_same

Purpose = Literal["apply", "release"]


def plan(context: Context, *, out: str, detailed: bool) -> int:
    """Print the plan and, with `out`, write it for review. A refused plan is written too."""
    estate = context.estate()
    wanted = _want(context, estate)
    with context.connection(estate) as connection:
        fresh = _look(context, estate, wanted, connection).plan
    ticket = new_ticket(estate)
    document = plan_document(fresh, ticket)
    if out:
        write_file(Path(out), json.dumps(document, indent=2) + "\n")
    if context.json:
        print_json(document)
    else:
        print_text(plan_text(fresh, ticket if out else None, colour=context.colour))
    code = plan_code(fresh, wanted.tree, detailed=detailed)
    explain_plan(code, fresh, out)
    return code


def apply(context: Context, *, reviewed: str, auto_approve: bool) -> int:
    """Plan afresh, hold it against what was reviewed, carry it out and record it."""
    if bool(reviewed) == auto_approve:
        raise Usage("apply takes either --plan FILE or --auto-approve")
    stored = read_plan(_read(reviewed), reviewed) if reviewed else None
    estate = context.estate()
    if auto_approve:
        _require_auto_approve(estate)
    wanted = _want(context, estate)
    with context.connection(estate) as connection:
        sight = _look(context, estate, wanted, connection)
        ticket = new_ticket(estate)
        if stored is not None:
            longest = timedelta(seconds=seconds(estate.spec.policy.plan_expiry))
            ticket = require_same(stored, plan_document(sight.plan, ticket), now(), longest)
        if stored is None and not context.json:
            print_text(plan_text(sight.plan, None, colour=context.colour))
        result = _carry_out(context, estate, sight, ticket, connection, "apply")
    return _code(result, wanted.tree)


def release(context: Context, *, subject: str, reason: str, auto_approve: bool) -> int:
    """Lift a hold. Needs what a grant needs: for now, a policy that allows it in one run."""
    kind, _, name = subject.partition("/")
    if not kind or not name or "/" in name:
        raise Usage(f"{subject!r} is not KIND/NAME, such as trader/jdoe")
    if not reason.strip():
        raise Usage("--reason says nothing")
    estate = context.estate()
    if not auto_approve:
        raise Usage("release takes --auto-approve where the policy allows it")
    _require_auto_approve(estate)
    tree = context.tree(estate)
    with context.connection(estate) as connection:
        with looking(context, connection.readers()) as readers:
            sight = plan_release(estate, tree, readers, SubjectRef(kind, name), reason.strip())
        if not context.json:
            print_text(plan_text(sight.plan, None, colour=context.colour))
        result = _carry_out(context, estate, sight, new_ticket(estate), connection, "release")
    return _code(result, tree)


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
    return want(estate, context.tree(estate), now(), last_policy(estate))


def _look(context: Context, estate: Estate, wanted: Wanted, connection: Connection) -> Sight:
    with looking(context, connection.readers()) as readers:
        return make_plan(estate, wanted, readers, now())


def _carry_out(
    context: Context, estate: Estate, sight: Sight, ticket: PlanTicket, connection: Connection, purpose: Purpose
) -> RunResult:
    run = Run(str(uuid.uuid4()), purpose, actor(), stamp())
    total = len(sight.plan.changes) + len(sight.plan.routine)
    with applying(context, total) as progress:
        workshop = Workshop(connection, open_ledger(estate, context.environ), stamp, progress)
        result, record = apply_plan(sight, ticket, run, workshop)
    if context.json:
        print_json({**result_document(result), "record": {"seq": record.seq, "sha256": record.sha256}})
    else:
        print_text(outcome_text(result.outcomes, result.proofs, colour=context.colour))
        print_text(f"Record {record.seq}, signed: sha256:{record.sha256}\n")
    return result


def _code(result: RunResult, tree: Tree) -> int:
    code = apply_code(result, tree)
    explain_apply(code, result)
    return code


def _require_auto_approve(estate: Estate) -> None:
    if not estate.spec.policy.auto_approve:
        raise Refused(
            "the estate's policy does not allow --auto-approve",
            remedy="run `idac plan --out plan.json`, have it reviewed, then `idac apply --plan plan.json`",
        )


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InvalidInput(
            f"cannot read {path}: {error.strerror}", remedy="name the file `idac plan --out` wrote"
        ) from None
