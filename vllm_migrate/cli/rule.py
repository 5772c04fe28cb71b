"""`vllm-migrate rule`."""

from __future__ import annotations

from typing import Annotated

import typer

from vllm_migrate.cli.output import Output
from vllm_migrate.errors import UsageError


def rule(
    code: Annotated[
        str | None, typer.Argument(help="A rule's code, such as VM201; all rules without it.")
    ] = None,
) -> None:
    """Explain a rule, or list them all."""
    from vllm_migrate.rules.registry import all_rules  # noqa: PLC0415 - --help needs no rules

    rules = sorted(all_rules(), key=lambda known: known.code)
    if code is None:
        width = max((len(known.name) for known in rules), default=0)
        Output().result("".join(f"{known.code}  {known.name:<{width}}  {known.summary}\n" for known in rules))
        return
    found = next((known for known in rules if known.code == code.upper() or known.name == code.lower()), None)
    if found is None:
        from difflib import get_close_matches  # noqa: PLC0415 - --help needs no rules

        close = get_close_matches(code.upper(), [known.code for known in rules], n=1)
        raise UsageError(
            f"no rule {code!r}",
            hint=f"did you mean {close[0]}?" if close else "`vllm-migrate rule` lists them",
        )
    from vllm_migrate.rules.document import page  # noqa: PLC0415 - --help needs no rules

    Output().result(page(found).rstrip("\n") + "\n")
