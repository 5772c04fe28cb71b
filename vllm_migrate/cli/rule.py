"""`vllm-migrate rule`."""

from __future__ import annotations

from typing import Annotated

import typer

from vllm_migrate.cli.output import Output


def rule(
    code: Annotated[
        str | None, typer.Argument(help="A rule's code, such as VM201; all rules without it.")
    ] = None,
) -> None:
    """Explain a rule, or list them all."""
    from vllm_migrate.rules.registry import all_rules  # noqa: PLC0415 - --help needs no rules
    from vllm_migrate.rules.registry import rule as find  # noqa: PLC0415 - same

    rules = sorted(all_rules(), key=lambda known: known.code)
    if code is None:
        width = max((len(known.name) for known in rules), default=0)
        Output().result("".join(f"{known.code}  {known.name:<{width}}  {known.summary}\n" for known in rules))
        return
    found = find(code)
    from vllm_migrate.rules.document import document  # noqa: PLC0415 - --help needs no rules

    Output().result(document(found).rstrip("\n") + "\n")
