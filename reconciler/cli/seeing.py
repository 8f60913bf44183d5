"""The front door's commands that look at one thing."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Name the commands."""
    app.command()(show)
    cert = typer.Typer(help="Certificates as they were delivered.", no_args_is_help=True)
    cert.command("get")(cert_get)
    app.add_typer(cert, name="cert")


def show(
    ctx: typer.Context,
    subject: Annotated[str, typer.Argument(metavar="KIND/NAME", help="Such as trader/jdoe, or role/rfq-trader")],
) -> None:
    """Everything about one subject or rule: desired and actual, why, and what would change."""
    from reconciler.cli import show as command

    raise typer.Exit(command.show(ctx.obj, subject=subject))


def cert_get(
    ctx: typer.Context,
    credential: Annotated[str, typer.Argument(metavar="KIND/NAME/CREDENTIAL", help="Such as trader/jdoe/mtls")],
) -> None:
    """Print a credential's certificate chain as PEM, if it is good."""
    from reconciler.cli import cert

    raise typer.Exit(cert.get(ctx.obj, credential=credential))
