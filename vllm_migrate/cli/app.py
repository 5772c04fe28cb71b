"""The command line: finds the command, loads it, and turns whatever happens into an exit code.

Commands are loaded when they are called. Nothing here imports one, so that `check` doesn't pay for `audit`.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
import typer.core
import typer.main

from vllm_migrate import __version__
from vllm_migrate.cli.output import say_error, write_error_line
from vllm_migrate.cli.panels import PanelCommand
from vllm_migrate.cli.quick import QuickCommand, QuickHelp, convert_plainly
from vllm_migrate.errors import ExitCode, VllmMigrateError

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMMANDS = {
    "check": "Find what breaks or silently changes on the target version.",
    "rewrite": "Apply the edits that keep the code doing what it did.",
    "baseline": "Write down what is found today, so that `check` says only what comes after.",
    "rule": "Explain a rule, or list them all.",
    "engines": "Install, list, examine and remove the engines that `audit` runs.",
    "audit": "Replay the same prompts through V0 and V1, and judge V1.",
    "reward": "Ask a reward whether it can be trained against.",
    "record": "Record V0's side of an audit once, or a candidate's replay of it.",
    "compare": "Judge a recorded candidate against a recorded reference, without an engine.",
    "watch": "Compare two training runs by their logs: when did the candidate leave, in which metric first.",
}

_QUICK = frozenset({"check", "rewrite", "baseline", "rule"})
"""The commands of the static wing, soon done: no pydantic (see `quick`) and no garbage collector."""


class _Commands(QuickHelp, typer.core.TyperGroup):
    """A group whose commands are modules of this package, imported when called."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, summary in _COMMANDS.items():
            self.add_command(typer.core.TyperCommand(name=name, help=summary), name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command named by the first argument, loaded."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, _load(name) if name in _COMMANDS else command, rest


def _load(name: str) -> Any:
    if name not in _QUICK:
        gc.enable()
    module = importlib.import_module(f"vllm_migrate.cli.{name}")
    if hasattr(module, "app"):
        command = typer.main.get_command(module.app)
    else:
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        quick = name in _QUICK
        single.command(name, cls=QuickCommand if quick else PanelCommand)(getattr(module, name))
        command = typer.main.get_command(single)
        if quick:
            convert_plainly(command.params)
    command.name = name
    return command


app = typer.Typer(
    cls=_Commands,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"vllm-migrate {__version__}\n")
        raise typer.Exit


@app.callback(help="Move RL post-training code from vLLM V0 to V1 without moving the learning signal.")
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Say which version this is.", is_eager=True, callback=_version)
    ] = False,
    traceback: Annotated[
        bool, typer.Option("--traceback", help="Show where an unexpected error came from.")
    ] = False,
) -> None:
    del version, traceback  # acted on by the callback, and where errors are caught


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave with its exit code: 0, 1 or 2."""
    args = list(sys.argv[1:] if arguments is None else arguments)
    code = run(args)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _close_stdout()
        code = ExitCode.NOT_JUDGED
    sys.exit(int(code))


def run(args: list[str]) -> int:
    """Run the command line; never raises for what a user can cause."""
    command = typer.main.get_command(app)
    convert_plainly(command.params)
    # `--traceback` may stand anywhere: it's wanted when something has just failed.
    traceback = "--traceback" in args
    args = [arg for arg in args if arg != "--traceback"]
    try:
        with command.make_context("vllm-migrate", args or ["--help"]) as context:
            command.invoke(context)
    except typer.Exit as left:
        return left.exit_code
    except VllmMigrateError as error:
        say_error(error.message, error.hint)
        return ExitCode.NOT_JUDGED
    except (KeyboardInterrupt, typer.Abort):
        write_error_line("interrupted")
        return ExitCode.NOT_JUDGED
    except BrokenPipeError:
        _close_stdout()
        return ExitCode.NOT_JUDGED
    except Exception as error:
        if traceback:
            raise
        if hasattr(error, "format_message"):  # a usage error of typer's, whichever module holds its class
            say_error(error.format_message().rstrip("."), "`vllm-migrate --help` lists commands and options")
        else:
            say_error(
                f"unexpected {type(error).__name__}: {error}",
                "this is a defect; run again with --traceback and report it",
            )
        return ExitCode.NOT_JUDGED
    return ExitCode.CLEAN


def _close_stdout() -> None:
    """The reader has gone: nothing more may be written there, not even by the interpreter on its way out."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
