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


@emit.command()
def spire(
    ctx: typer.Context,
    out: Annotated[str, typer.Option("--out", metavar="DIR", help="An existing directory: one file a bot")],
    parent: Annotated[
        str,
        typer.Option(
            "--parent",
            metavar="ID",
            help="SPIFFE ID of the nodes that may run them [default: spiffe://<trust domain>/nodes/<environment>]",
        ),
    ] = "",
) -> None:
    """SPIRE registration entries for bots, and which claims their tokens must carry."""
    from reconciler.cli import emit as commands

    raise typer.Exit(commands.spire(ctx.obj, out, parent))
