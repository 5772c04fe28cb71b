"""`audit --apply`: what was found, written into the user's code: a diff, a question, then files."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from vllm_migrate.cli.output import say_error, write_error_line
from vllm_migrate.errors import ExitCode, InputError, UsageError, VllmMigrateError
from vllm_migrate.report.numbers import plural
from vllm_migrate.report.style import style_for
from vllm_migrate.statistics.verdict import Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from vllm_migrate.audit.code.write_back import WriteBack
    from vllm_migrate.audit.result import AuditResult


@dataclass(frozen=True, slots=True)
class Apply:
    """How to write.

    Attributes:
        wanted: `--apply` was given.
        yes: without a question; `allow_dirty` also over changes that git has not committed.
    """

    wanted: bool
    yes: bool = False
    allow_dirty: bool = False


def check_apply(apply: Apply, places: list[str] | None) -> None:
    """Refuse what can't be done, before engines are started for it.

    Raises:
        UsageError: there is no code to write to.
    """
    if apply.wanted and not places:
        raise UsageError("--apply needs --from-code", hint="name the file that builds the engine")


def apply_result(result: AuditResult, apply: Apply, v1: str) -> ExitCode | None:
    """Write what an audit found; None where that changes nothing about the exit code."""
    if not apply.wanted or result.code is None or result.verdict is None:
        return None
    remedy = result.remedy
    settings = result.settings
    if not settings and result.verdict is Verdict.FAIL and remedy is not None:
        settings = _of_remedy(remedy.settings, remedy.verdict)
    if not settings:
        write_error_line("nothing to write back: the audit found no setting to add")
        return None
    return _applied(list(result.code.places), settings, v1, result.code.ordinal, apply)


def _of_remedy(settings: dict[str, Any], verdict: str | None) -> dict[str, Any]:
    """The settings of the remedy, where no cause was named; not those that were shown not to help."""
    if verdict is None or verdict == Verdict.FAIL or not settings:
        return {}
    write_error_line(f"no cause was named, so these are the remedy's settings, whose verdict is {verdict!s}")
    return settings


def apply_report(path: Path, places: list[str] | None, v1: str, apply: Apply) -> ExitCode:
    """Write what an earlier audit found, from its JSON report.

    Args:
        path: the report.
        places: where the engine is built; None for what the report has.
        v1: the candidate engine.
        apply: how to write.
    """
    try:
        document = _read(path)
        settings = document["settings"]
        remedy = document.get("remedy")
        if not settings and document.get("verdict") == Verdict.FAIL and isinstance(remedy, dict):
            settings = _of_remedy(remedy.get("settings") or {}, remedy.get("verdict"))
        code = document.get("code") or {}
        own = [str(place) for place in code.get("places", ())]
        if not (places or own):
            raise UsageError(f"{path} was made without --from-code", hint="name the code with --from-code")
        if not settings:
            write_error_line(f"nothing to write back: {path} has no setting to add")
            return ExitCode.CLEAN
        ordinal = code.get("ordinal") if not places else None
        if not places and code.get("site"):
            own = _with_site(own, code["site"])
    except VllmMigrateError as error:
        return _failed(error)
    return _applied(places or own, settings, v1, ordinal, apply) or ExitCode.CLEAN


def _with_site(places: list[str], site: dict[str, Any]) -> list[str]:
    """The places with the construction's own file first, so that its ordinal says which one it is."""
    return [f"{site['path']}:{site['line']}", *(one for one in places if one.endswith((".yaml", ".yml")))]


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"can't read {path}: {error.strerror or error}") from None
    except ValueError:
        raise InputError(f"{path} is no JSON report of an audit") from None
    schema = document.get("schema", "") if isinstance(document, dict) else ""
    if not str(schema).startswith("vllm-migrate-audit/") or not isinstance(document.get("settings"), dict):
        raise InputError(f"{path} is no JSON report of an audit")
    found: dict[str, Any] = document
    return found


def _applied(
    places: list[str], settings: dict[str, Any], v1: str, ordinal: int | None, apply: Apply
) -> ExitCode | None:
    from vllm_migrate.audit.code.write_back import lines_of, plan_write_back, write  # noqa: PLC0415 - where asked for

    try:
        made = plan_write_back(places, settings, v1, ordinal=ordinal)
        for line in lines_of(made):
            write_error_line(line)
        if not made.plans:
            return None
        _show(made)
        if not _agreed(made, apply):
            write_error_line("nothing was written; --yes writes it")
            return None
        write(made, allow_dirty=apply.allow_dirty)
    except VllmMigrateError as error:
        return _failed(error)
    write_error_line(f"written: {', '.join(str(plan.path) for plan in made.plans)}")
    return None


def _show(made: WriteBack) -> None:
    from vllm_migrate.report.rewrite_text import coloured_diff  # noqa: PLC0415 - where asked for

    sys.stderr.flush()
    sys.stderr.buffer.write(coloured_diff(made.diff, style_for(sys.stderr)))
    sys.stderr.flush()


def _agreed(made: WriteBack, apply: Apply) -> bool:
    if apply.yes:
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    return typer.confirm(f"Write {plural(len(made.added), 'setting')} to {made.site}?", err=True)


def _failed(error: VllmMigrateError) -> ExitCode:
    say_error(error.message, error.hint)
    return ExitCode.NOT_JUDGED
