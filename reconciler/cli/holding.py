"""The front door's commands about holds: who is granted nothing, from when, and until when."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Name the commands."""
    for command in (contain, release, freeze, thaw):
        app.command()(command)


def contain(
    ctx: typer.Context,
    subject: Annotated[str, typer.Argument(metavar="KIND/NAME", help="Such as trader/jdoe")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it stands in the hold and in the record")],
    unknown: Annotated[
        bool, typer.Option("--unknown", help="The name is right, though nothing here bears it yet")
    ] = False,
) -> None:
    """Take everything from one subject now, and hold it. Needs no manifest, and waits for nobody."""
    from reconciler.cli import emergency

    raise typer.Exit(emergency.contain_subject(ctx.obj, subject=subject, reason=reason, unknown=unknown))


def release(
    ctx: typer.Context,
    subject: Annotated[str, typer.Argument(metavar="KIND/NAME", help="Such as trader/jdoe")],
    reason: Annotated[str, typer.Option("--reason", help="Why this subject may be granted things again")],
    out: Annotated[str, typer.Option("--out", metavar="FILE", help="Write the release for review here")] = "",
    auto_approve: Annotated[
        bool, typer.Option("--auto-approve", help="Release in one run, where the policy allows it")
    ] = False,
) -> None:
    """Lift the hold of somebody's emergency containment."""
    from reconciler.cli import releasing

    raise typer.Exit(
        releasing.release(ctx.obj, subject=subject, reason=reason, out=out, auto_approve=auto_approve)
    )


def freeze(
    ctx: typer.Context,
    reason: Annotated[str, typer.Option("--reason", help="Why; every plan says it until somebody thaws")],
) -> None:
    """Grant nothing to anybody until somebody thaws. Containment goes on."""
    from reconciler.cli import emergency

    raise typer.Exit(emergency.freeze_estate(ctx.obj, reason=reason))


def thaw(
    ctx: typer.Context,
    reason: Annotated[str, typer.Option("--reason", help="Why grants may go on")],
    out: Annotated[str, typer.Option("--out", metavar="FILE", help="Write the thaw for review here")] = "",
    auto_approve: Annotated[
        bool, typer.Option("--auto-approve", help="Thaw in one run, where the policy allows it")
    ] = False,
) -> None:
    """End a freeze. Needs what a grant needs."""
    from reconciler.cli import releasing

    raise typer.Exit(releasing.thaw(ctx.obj, reason=reason, out=out, auto_approve=auto_approve))
