"""`idac plan` and `idac apply`."""

from __future__ import annotations

from pathlib import Path

from reconciler.cli.codes import explain_plan, plan_code
from reconciler.cli.context import Context
from reconciler.cli.ledger import last_policy
from reconciler.cli.releasing import end
from reconciler.cli.running import (
    Usage,
    explained,
    new_ticket,
    print_plan,
    require_auto_approve,
    run_plan,
    show_plan,
    ticket_of,
)
from reconciler.cli.terminal import looking
from reconciler.clock import now
from reconciler.errors import InvalidInput
from reconciler.model.estate import Estate
from reconciler.pipeline import Sight, Wanted, make_plan, only_routine, want
from reconciler.providers.protocol import Connection
from reconciler.render.document import read_plan
from reconciler.review import release_of, since_review


def plan(context: Context, *, out: str, detailed: bool) -> int:
    """Print the plan and, with `out`, write it for review. A refused plan is written too."""
    estate = context.estate()
    wanted = _want(context, estate)
    with context.connection(estate) as connection:
        fresh = _look(context, estate, wanted, connection).plan
    show_plan(context, fresh, new_ticket(estate), out)
    code = plan_code(fresh, wanted.tree, detailed=detailed)
    explain_plan(code, fresh, out, shown=not context.json)
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
        require_auto_approve(estate, "plan")
    lifted = release_of(stored) if stored is not None else None
    if stored is not None and lifted is not None:
        return end(context, estate, *lifted, stored)
    wanted = _want(context, estate)
    with context.connection(estate) as connection:
        sight = _look(context, estate, wanted, connection)
        ticket = ticket_of(estate, sight.plan, stored)
        if stored is None and not context.json:
            print_plan(context, sight.plan, None)
        unreviewed = since_review(stored, sight.plan) if stored is not None else ()
        result = run_plan(context, estate, sight, ticket, connection, "apply", unreviewed)
    return explained(result, wanted.tree, shown=stored is None and not context.json)


def _apply_routine(context: Context) -> int:
    """What policy allows without review; the rest is shown as left."""
    estate = context.estate()
    wanted = _want(context, estate)
    with context.connection(estate) as connection:
        whole = _look(context, estate, wanted, connection)
        sight = only_routine(estate, wanted, whole, now())
        if not context.json:
            print_plan(context, sight.plan, None)
        result = run_plan(context, estate, sight, new_ticket(estate), connection, "routine")
    if left := len(whole.plan.changes):
        context.say(f"{left} changes need a review, and were left: `idac plan` shows them")
    return explained(result, wanted.tree, shown=not context.json)


def _want(context: Context, estate: Estate) -> Wanted:
    then = last_policy(estate)  # first: the record of a large run takes memory, which the manifests use again
    return want(estate, context.tree(estate), now(), then)


def _look(context: Context, estate: Estate, wanted: Wanted, connection: Connection) -> Sight:
    with looking(context, connection.readers()) as readers:
        return make_plan(estate, wanted, readers, now())


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InvalidInput(
            f"cannot read {path}: {error.strerror}", remedy="name the file `idac plan --out` wrote"
        ) from None
