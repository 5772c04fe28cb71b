"""Which engines `audit` uses: from the catalogue, in interpreters of the user's own, or behind a URL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.engines.endpoint.find import is_url
from vllm_migrate.engines.interpreter import SCHEME
from vllm_migrate.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    import typer


def engine_of(
    context: typer.Context, side: str, name: str, python: Path | None, url: str | None = None
) -> str:
    """The engine of one side, as the registry resolves it.

    Args:
        context: tells which options were given on the command line.
        side: "v0" or "v1", the option's name.
        name: as given to `--v0` or `--v1`, or its default.
        python: as given to `--v0-python` or `--v1-python`.
        url: as given to `--v1-url`.

    Raises:
        UsageError: two were given for one side, no URL, or code to take its arguments from beside one.
    """
    source = context.get_parameter_source(side)
    given = {
        f"--{side}": source is not None and source.name == "COMMANDLINE",
        f"--{side}-python": python is not None,
        f"--{side}-url": url is not None,
    }
    named = [option for option, there in given.items() if there]
    if len(named) > 1:
        raise UsageError(f"{' and '.join(named)} exclude each other: each names the engine")
    if url is not None and not is_url(url):
        raise UsageError(f"--{side}-url {url} is no server's address", hint="write http://host:port")
    if url is not None and context.params.get("from_code"):
        raise UsageError(
            f"--from-code and --{side}-url exclude each other: a server has its arguments already"
        )
    return url or (name if python is None else f"{SCHEME}{python}")
