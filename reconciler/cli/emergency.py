"""`idac contain` and `idac freeze`."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence

from reconciler.cli.codes import REFUSED, apply_code, explain_apply, explain_finding
from reconciler.cli.context import Context, actor
from reconciler.cli.ledger import open_ledger
from reconciler.cli.names import known_names
from reconciler.cli.running import Usage, named, new_ticket, print_plan, print_result, reason_of, told
from reconciler.cli.terminal import applying, looking, print_json
from reconciler.clock import stamp
from reconciler.emergency import (
    Done,
    carry_out_now,
    nothing_stands,
    nothing_taken,
    plan_containment,
    plan_freeze,
)
from reconciler.kinds.registry import SUBJECTS
from reconciler.model.estate import Estate
from reconciler.model.manifest import Finding, SubjectRef, Tree
from reconciler.model.record import Purpose, Run
from reconciler.pipeline import Sight, Workshop
from reconciler.providers.protocol import Connection
from reconciler.render.safe import safe

# After this, no other run begins a grant to somebody who was put on hold before (barrier.py), and what it had
# begun is done: a second for its look at the holds, the rest for a call.
MEANWHILE = 3.0  # seconds
ROUNDS = 3


def contain_subject(context: Context, *, subject: str, reason: str, unknown: bool) -> int:
    """Hold one subject, take all it has, prove it, record it. Asks for no manifest and waits for nobody.

    `unknown` says that the name is meant, though nothing here may bear it.
    """
    held, why = named(subject), reason_of(reason)
    kinds = sorted(SUBJECTS)
    if held.kind not in kinds:
        raise Usage(f"{held.kind} is no kind of subject: it is {', '.join(kinds[:-1])} or {kinds[-1]}")
    estate = context.estate()
    finding = None
    with context.connection(estate) as connection:
        done, stands = _rounds(context, estate, held, why, connection)
        if not stands:
            known, pending = known_names(estate, connection), bool(done[0].result.plan.pending)
            finding = nothing_taken(held, known, meant=unknown, pending=pending)
            done = [done[0].with_finding(finding), *done[1:]]
    return _close(context, done, finding)


def freeze_estate(context: Context, *, reason: str) -> int:
    """Write the estate's own hold, and record it. Waits for nobody: a run that goes on sees it within a second."""
    why, estate = reason_of(reason), context.estate()
    with context.connection(estate) as connection:
        with looking(context, connection.readers()) as readers:
            sight = plan_freeze(estate, readers, why, f"operator {actor()['user']}")
        done = _carry_out(context, estate, sight, connection, "freeze")
    context.say(
        'nothing is granted until somebody runs `idac thaw --reason "…" --out thaw.json`, and applies that'
    )
    return _close(context, [done])


def _close(context: Context, done: Sequence[Done], finding: Finding | None = None) -> int:
    if context.json:
        first, *others = [told(one.result, one.record) for one in done]
        print_json(first | ({"followedBy": others} if others else {}))
    codes = [apply_code(one.result, Tree(())) for one in done]
    for one, code in zip(done, codes, strict=True):
        explain_apply(code, one.result, shown=not context.json)
    if finding is not None and finding.severity == "error":
        codes.append(REFUSED)
        explain_finding(max(codes), finding)
    elif finding is not None:
        context.say(safe(finding.message))
    return max(codes)


def _rounds(
    context: Context, estate: Estate, held: SubjectRef, why: str, connection: Connection
) -> tuple[Sequence[Done], bool]:
    """One round; beside another run, as many as it takes until nothing is left that it gave. And whether anything
    stood under the name in any of them."""
    by = f"operator {actor()['user']}"
    with looking(context, connection.readers()) as readers:
        sight = plan_containment(estate, readers, held, why, by)
    stands = not nothing_stands(held, sight)
    done = [_carry_out(context, estate, sight, connection, "contain")]
    while done[-1].beside and len(done) < ROUNDS:
        time.sleep(MEANWHILE)
        with looking(context, connection.readers()) as readers:
            sight = plan_containment(estate, readers, held, why, by, again=True)
        if sight.plan.empty:
            break
        stands = True
        context.say(f"{held} still has something, or another run gave it something meanwhile: that goes too")
        done.append(_carry_out(context, estate, sight, connection, "contain"))
    return done, stands


def _carry_out(context: Context, estate: Estate, sight: Sight, connection: Connection, purpose: Purpose) -> Done:
    if not context.json:
        print_plan(context, sight.plan, None)
    run = Run(str(uuid.uuid4()), purpose, actor(), stamp())
    with applying(context, len(sight.plan.changes)) as progress:
        workshop = Workshop(connection, open_ledger(estate, context.environ), stamp, progress)
        done = carry_out_now(sight, new_ticket(estate), run, workshop)
    if not context.json:
        print_result(context, done.result, done.record)
    if done.beside:
        context.say(f"done without the estate's lock, and looked at again: {safe(done.beside)}")
        context.say(f"if that run writes another copy of the ledger, bring record {done.record.seq} to it")
    elif done.forked:
        context.say(f"this is not the ledger that the last run wrote: bring record {done.record.seq} to that one")
    return done
