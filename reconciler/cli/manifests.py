"""`idac validate` and `idac schema`."""

from __future__ import annotations

from reconciler.cli.context import Context
from reconciler.cli.terminal import print_json, print_text
from reconciler.clock import now


def validate(context: Context) -> int:
    """Check the manifests offline; 0 when there is no error."""
    from reconciler.pipeline import validate as check
    from reconciler.render.document import finding_document
    from reconciler.render.findings import findings_text

    estate = context.estate()
    tree = context.tree(estate)
    findings = check(estate, tree, now())
    valid = tree.absence_is_intent and not any(f.severity == "error" for f in findings)
    if context.json:
        document = {
            "estate": estate.name,
            "valid": valid,
            "manifests": len(tree.manifests),
            "whole": tree.absence_is_intent,
            "whyNot": tree.why_not,
            "findings": [finding_document(f) for f in findings],
        }
        print_json(document)
    else:
        shown = [f for f in findings if not (context.quiet and f.severity == "info")]
        print_text(findings_text(estate.name, tree, shown, colour=context.colour))
    return 0 if valid else 1


def schema(context: Context) -> int:
    """The manifests' JSON Schema, whatever the format asked for."""
    from reconciler.kinds.schema import json_schema

    print_json(json_schema())
    return 0
