"""The front door's commands that look at one subject, one certificate, or what was recorded."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Name the commands."""
    app.command()(show)
    cert = typer.Typer(help="Certificates as they were delivered.", no_args_is_help=True)
    cert.command("get")(cert_get)
    app.add_typer(cert, name="cert")
    records = typer.Typer(help="List, show and verify signed change records.", no_args_is_help=True)
    for name, command in (("list", records_list), ("show", records_show), ("verify", records_verify)):
        records.command(name)(command)
    app.add_typer(records, name="records")


def show(
    ctx: typer.Context,
    subject: Annotated[str, typer.Argument(metavar="KIND/NAME", help="Such as trader/jdoe, or role/rfq-trader")],
) -> None:
    """One subject or rule: what is desired, what stands, why, and what would change."""
    from reconciler.cli import show as command

    raise typer.Exit(command.show(ctx.obj, subject=subject))


def cert_get(
    ctx: typer.Context,
    credential: Annotated[str, typer.Argument(metavar="KIND/NAME/CREDENTIAL", help="Such as trader/jdoe/mtls")],
) -> None:
    """Print a credential's certificate chain as PEM, if it is good."""
    from reconciler.cli import cert

    raise typer.Exit(cert.get(ctx.obj, credential=credential))


def records_list(
    ctx: typer.Context,
    subject: Annotated[
        str, typer.Option("--subject", metavar="KIND/NAME", help="Only those about this subject")
    ] = "",
    serial: Annotated[
        str,
        typer.Option("--serial", metavar="SERIAL", help="Only those about this certificate, and what was done"),
    ] = "",
) -> None:
    """One line a record, oldest first, with whom it is about."""
    from reconciler.cli import records as commands

    raise typer.Exit(commands.list_records(ctx.obj, subject=subject, serial=serial))


def records_show(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="RECORD", help="A record's number, or a run id")],
) -> None:
    """What one record says. `idac records verify` checks the signatures."""
    from reconciler.cli import records as commands

    raise typer.Exit(commands.show(ctx.obj, name))


def records_verify(
    ctx: typer.Context,
    trust: Annotated[
        str, typer.Option("--trust", metavar="DIR", help="Your own copy of trust/ [default: the ledger's]")
    ] = "",
) -> None:
    """Check every signature, the chain and the journals. Says what cannot be known without an outside anchor."""
    from reconciler.cli import records as commands

    raise typer.Exit(commands.verify(ctx.obj, trust))
