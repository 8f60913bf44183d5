"""`idac dev up | down | status` and `idac bootstrap`."""

from __future__ import annotations

from pathlib import Path

from reconciler.cli.context import Context
from reconciler.cli.ledger import ensure_key
from reconciler.cli.terminal import print_json, print_text


def up(context: Context) -> int:
    """Start the trial server."""
    from reconciler.providers.registry import dev_server

    info = dev_server(context.find().parent).up()
    context.say("A trial server: its unseal key and root token lie beside it. Never use it for a real estate.")
    _print(context, {"state": "running", "address": info.address, "caCert": str(info.ca_cert), "pid": info.pid})
    return 0


def down(context: Context) -> int:
    """Stop the trial server, if it runs."""
    from reconciler.providers.registry import dev_server

    stopped = dev_server(context.find().parent).down()
    context.say("stopped" if stopped else "it was not running")
    return 0


def status(context: Context) -> int:
    """0 when the trial server runs, 1 otherwise."""
    from reconciler.providers.registry import dev_server

    seen = dev_server(context.find().parent).status()
    _print(context, {"state": seen.state, "address": seen.address, "pid": seen.pid, "version": seen.version})
    return 0 if seen.state == "running" else 1


def bootstrap(context: Context) -> int:
    """Mounts, issuers, identities and the record key."""
    from reconciler.providers.registry import bootstrap_estate

    estate = context.estate()
    done = bootstrap_estate(estate, context.environ, context.say)
    key_id = ensure_key(estate, context.environ)
    if context.json:
        print_json({"estate": estate.name, "done": list(done), "recordKey": key_id})
    else:
        print_text("".join(f"{line}\n" for line in done) or "everything stood already\n")
        print_text(f"records are signed with key {key_id}\n")
        context.say(f"logins lie in {Path(estate.root) / '.idac'}; hand each runner only its own")
    return 0


def _print(context: Context, facts: dict[str, object]) -> None:
    if context.json:
        print_json(facts)
    else:
        print_text("".join(f"{name}: {value}\n" for name, value in facts.items() if value))
