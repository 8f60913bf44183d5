"""`idac emit ...`: named here, imported only when called."""

from __future__ import annotations

from typing import Annotated

import typer

emit = typer.Typer(help="Write what other systems must know, as files.", no_args_is_help=True)


@emit.callback()
def group() -> None:
    """Write what other systems must know, as files."""


@emit.command()
def mfa(
    ctx: typer.Context,
    out: Annotated[str, typer.Option("--out", metavar="DIR", help="An existing directory: one file a tier")],
) -> None:
    """MFA tiers, for identity providers and gateways: what each asks for, and of whom."""
    from reconciler.cli import emit as commands

    raise typer.Exit(commands.mfa(ctx.obj, out))
