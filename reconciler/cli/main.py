"""The front door: commands are named here and imported only when they are called, so that `--help` is quick."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from reconciler.cli import emitting, holding, seeing, streams, usage
from reconciler.cli.context import Context, Format
from reconciler.errors import IdacError

HELP = "Identity-as-code for trading firms: plan, apply, revoke, and prove it."
EPILOG = (
    "Exit codes: 0 done or no changes; 1 error; 2 changes pending (plan --detailed-exitcode); "
    "3 refused by a rule, guard or missing approval; 4 the plan is stale; 5 applied in part; 64 usage. "
    "The options above may stand behind the command too."
)
USAGE = 64

app = typer.Typer(
    name="idac",
    help=HELP,
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
dev = typer.Typer(help="A real OpenBao on this machine, for trying things out.", no_args_is_help=True)
app.add_typer(dev, name="dev")
app.add_typer(emitting.emit, name="emit")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"idac {version('idac')}")
        raise typer.Exit()


@app.callback()
def options(
    ctx: typer.Context,
    config: Annotated[
        str, typer.Option("--config", metavar="FILE", help="idac.yaml [default: looked for here and above]")
    ] = "",
    format: Annotated[Format, typer.Option("--format", help="How to print results")] = Format.text,
    no_color: Annotated[bool, typer.Option("--no-color", help="No colours (NO_COLOR does the same)")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No talk and no info lines")] = False,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Show every field, also those that are always the same")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version")
    ] = False,
) -> None:
    """Say where the estate is and how to print."""
    ctx.obj = Context(config=config, format=format, no_color=no_color, quiet=quiet, verbose=verbose)


@app.command()
def init(
    ctx: typer.Context,
    directory: Annotated[str, typer.Argument(metavar="DIR", help="Made where it is not there")],
) -> None:
    """Write an estate to begin with, and say how to go on. Overwrites nothing."""
    from reconciler.cli import init as command

    raise typer.Exit(command.init(ctx.obj, directory=directory))


@app.command()
def validate(ctx: typer.Context) -> None:
    """Check all manifests, without any network. Every fault, with file, line and column."""
    from reconciler.cli import manifests

    raise typer.Exit(manifests.validate(ctx.obj))


@app.command()
def schema(ctx: typer.Context) -> None:
    """Print the JSON Schema of all manifests, for editors. Needs no estate."""
    from reconciler.cli import manifests

    raise typer.Exit(manifests.schema(ctx.obj))


@app.command()
def plan(
    ctx: typer.Context,
    out: Annotated[str, typer.Option("--out", metavar="FILE", help="Write the plan for review here")] = "",
    detailed: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit 2 when changes are pending, as in Terraform")
    ] = False,
) -> None:
    """Compare the manifests with what stands. Changes nothing."""
    from reconciler.cli import changes

    raise typer.Exit(changes.plan(ctx.obj, out=out, detailed=detailed))


@app.command()
def apply(
    ctx: typer.Context,
    reviewed: Annotated[str, typer.Option("--plan", metavar="FILE", help="Apply exactly this reviewed plan")] = "",
    auto_approve: Annotated[
        bool, typer.Option("--auto-approve", help="Plan and apply in one run, where the policy allows it")
    ] = False,
    routine: Annotated[
        bool, typer.Option("--routine", help="Only what policy allows without review: renewals, ended overlaps")
    ] = False,
) -> None:
    """Carry out a plan, prove what was revoked, sign a record."""
    from reconciler.cli import changes

    raise typer.Exit(changes.apply(ctx.obj, reviewed=reviewed, auto_approve=auto_approve, routine=routine))


holding.register(app)
seeing.register(app)


@app.command()
def bootstrap(ctx: typer.Context) -> None:
    """Make the mounts, issuers and four identities, as administrator. Twice changes nothing."""
    from reconciler.cli import server

    raise typer.Exit(server.bootstrap(ctx.obj))


@app.command()
def demo(
    ctx: typer.Context,
    keep: Annotated[str, typer.Option("--keep", metavar="DIR", help="Leave the demo's files here")] = "",
) -> None:
    """On a real OpenBao: a trader joins, leaves, is proved dead."""
    from reconciler.cli import demo as demonstration

    raise typer.Exit(demonstration.run(ctx.obj, keep=keep))


@dev.command("up")
def dev_up(ctx: typer.Context) -> None:
    """Start OpenBao under .idac/ beside idac.yaml, on loopback only."""
    from reconciler.cli import server

    raise typer.Exit(server.up(ctx.obj))


@dev.command("down")
def dev_down(ctx: typer.Context) -> None:
    """Stop it. Its data stays."""
    from reconciler.cli import server

    raise typer.Exit(server.down(ctx.obj))


@dev.command("status")
def dev_status(ctx: typer.Context) -> None:
    """Say whether it runs, and where."""
    from reconciler.cli import server

    raise typer.Exit(server.status(ctx.obj))


def main() -> None:
    """Run the command line. The one place where everything that went wrong becomes words and an exit code."""
    streams.prepare()
    try:
        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = _complain("interrupted; run `idac plan` to see what stands", 130)
    except Exception as error:  # noqa: BLE001 - the outermost command; a traceback could show a secret
        code = _complain(f"a fault in idac itself: {type(error).__name__} {_where(error)}", 1)
    unwritten, why = streams.finish()
    if why:
        _complain(why, unwritten)
    sys.exit(unwritten or code)


def run(arguments: list[str]) -> int:
    """One command; its exit code. Faults of idac itself are raised."""
    try:
        code = app(arguments, standalone_mode=False, prog_name="idac")
    except IdacError as error:
        return _complain(str(error), error.exit_code)
    except typer.Abort:
        return _complain("aborted", 1)
    except typer.TyperException as error:
        if (other := usage.rearranged(arguments, error)) is not None:  # nothing has been done yet
            return run(other)
        # Its own exit code for these is 2, which is ours for "changes pending".
        message = error.format_message()
        if message.startswith("Usage:"):  # a group called with nothing: its help is the answer
            sys.stderr.write(f"{message}\n")
            return USAGE
        return _complain(usage.complaint(error), USAGE)
    return int(code or 0)


def _complain(message: str, code: int) -> int:
    from reconciler.render.safe import safe_lines

    sys.stderr.write(f"idac: {safe_lines(message)}\n")
    return code


def _where(error: BaseException) -> str:
    """The place of a fault in our own code; never the message, which might carry what it choked on."""
    import traceback

    frames = [f for f in traceback.extract_tb(error.__traceback__) if "reconciler" in f.filename]
    if not frames:
        return ""
    return f"at {frames[-1].filename.rsplit('reconciler', 1)[-1].lstrip('/')}:{frames[-1].lineno}"


if __name__ == "__main__":
    main()
