"""`idac release` and `idac thaw`."""

from __future__ import annotations

from reconciler.cli.context import Context
from reconciler.cli.running import (
    Usage,
    explained,
    named,
    new_ticket,
    print_plan,
    reason_of,
    require_auto_approve,
    run_plan,
    show_plan,
    ticket_of,
)
from reconciler.cli.terminal import looking
from reconciler.clock import now
from reconciler.errors import Refused, Stale
from reconciler.model.estate import Estate
from reconciler.model.manifest import SubjectRef
from reconciler.model.record import Purpose
from reconciler.model.resource import ESTATE
from reconciler.pipeline import plan_release
from reconciler.review import Document


def release(context: Context, *, subject: str, reason: str, out: str, auto_approve: bool) -> int:
    """Lift a hold: in one run where the policy allows it, or by a plan that is reviewed first."""
    held = named(subject)
    if held.kind == ESTATE:
        raise Usage("an estate is thawed: use `idac thaw`")
    return _plan_or_end(context, f"release {held}", held, reason_of(reason), out, auto_approve)


def thaw(context: Context, *, reason: str, out: str, auto_approve: bool) -> int:
    """Lift the estate's own hold, as any other."""
    return _plan_or_end(context, "thaw", SubjectRef(ESTATE, ""), reason_of(reason), out, auto_approve)


def _plan_or_end(context: Context, command: str, held: SubjectRef, why: str, out: str, auto_approve: bool) -> int:
    if bool(out) == auto_approve:
        name = command.split(maxsplit=1)[0]
        raise Usage(f"{name} takes either --out FILE, for review and then `idac apply --plan`, or --auto-approve")
    estate = context.estate()
    if auto_approve:
        require_auto_approve(estate, f"{command} --reason …")
        return end(context, estate, held, why, None)
    with context.connection(estate) as connection, looking(context, connection.readers()) as readers:
        fresh = plan_release(estate, context.tree(estate), readers, held, why, now()).plan
    show_plan(context, fresh, new_ticket(estate), out)
    return 0


def end(context: Context, estate: Estate, held: SubjectRef, why: str, stored: Document | None) -> int:
    """End it: in one run, or as `stored` says, which somebody reviewed."""
    tree = context.tree(estate)
    with context.connection(estate) as connection:
        with looking(context, connection.readers()) as readers:
            try:
                sight = plan_release(estate, tree, readers, held, why, now())
            except Refused as gone:
                if stored is None:
                    raise
                raise Stale(gone.message, remedy=gone.remedy) from None
        ticket = ticket_of(estate, sight.plan, stored)
        if stored is None and not context.json:
            print_plan(context, sight.plan, None)
        purpose: Purpose = "thaw" if held.kind == ESTATE else "release"
        result = run_plan(context, estate, sight, ticket, connection, purpose)
    if result.status == "complete":
        context.say(f"{'thawed' if purpose == 'thaw' else 'released'}: `idac plan` shows what is granted again")
    return explained(result, tree, shown=stored is None and not context.json)
