"""Which engines `audit` uses: names from the catalogue, or interpreters of the user's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.engines.interpreter import SCHEME
from vllm_migrate.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    import typer


def engine_of(context: typer.Context, side: str, name: str, python: Path | None) -> str:
    """The engine of one side, as the registry resolves it.

    Args:
        context: tells which options were given on the command line.
        side: "v0" or "v1", the option's name.
        name: as given to `--v0` or `--v1`, or its default.
        python: as given to `--v0-python` or `--v1-python`.

    Raises:
        UsageError: two were given for one side.
    """
    if python is None:
        return name
    source = context.get_parameter_source(side)
    if source is not None and source.name == "COMMANDLINE":
        raise UsageError(f"--{side} and --{side}-python exclude each other: both name the engine")
    return f"{SCHEME}{python}"
