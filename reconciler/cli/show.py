"""`idac show`."""

from __future__ import annotations

from reconciler.cli.context import Context
from reconciler.cli.running import Usage, named
from reconciler.cli.terminal import looking, print_json, print_text
from reconciler.clock import now
from reconciler.errors import InvalidInput
from reconciler.kinds.registry import KINDS
from reconciler.model.manifest import SubjectRef
from reconciler.model.words import did_you_mean
from reconciler.pipeline import make_plan, want
from reconciler.portrait import portray
from reconciler.render.portrait import portrait_document, portrait_text

SHORT = {"profile": "certificateprofile", "tier": "mfatier"}


def show(context: Context, *, subject: str) -> int:
    """One subject or rule: what the manifests want for it, what stands, why, and what would change."""
    ref = named(subject)
    ref = SubjectRef(SHORT.get(ref.kind, ref.kind), ref.name)
    kinds = sorted(name.lower() for name in KINDS)
    if ref.kind not in kinds:
        raise Usage(f"{ref.kind} is no kind: it is one of {', '.join(kinds)}")
    estate = context.estate()
    tree = context.tree(estate)
    wanted = want(estate, tree, now())
    with context.connection(estate) as connection, looking(context, connection.readers()) as readers:
        sight = make_plan(estate, wanted, readers, now())
    portrait = portray(ref, tree, sight.desired, sight.actual, sight.plan)
    if not portrait.known:
        seen = (r.subject for r in sight.actual.resources.values() if r.subject is not None)
        meant = did_you_mean(ref, {*(m.ref for m in tree.manifests), *tree.frozen, *seen})
        gone = f"if it left, `idac records list --subject {ref}` tells of it"
        raise InvalidInput(
            f"nothing is known of {ref}: no manifest names it, and nothing stands",
            remedy=f"{meant} {gone}".lstrip(),
        )
    if context.json:
        print_json(portrait_document(portrait))
    else:
        print_text(portrait_text(portrait, colour=context.colour, verbose=context.verbose))
    return 0
