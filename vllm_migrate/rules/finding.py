"""How a rule says what it found: level and safety follow from the fact and from how sure the reading is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Finding, Level, Safety
from vllm_migrate.facts.model import Effect
from vllm_migrate.files.located import Certainty

if TYPE_CHECKING:
    from vllm_migrate.edits.model import Edit
    from vllm_migrate.facts.model import Fact, State
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Span
    from vllm_migrate.rules.base import Rule

_NEVER_IMPORTED = "the target never imports this module"
_LEVELS = {
    Effect.CRASH: Level.ERROR,
    Effect.SILENT: Level.WARNING,
    Effect.DEPRECATED: Level.NOTE,
    Effect.SLOW: Level.NOTE,
    Effect.NONE: Level.NOTE,
}


def make_finding(
    rule: Rule,
    file: FileFacts,
    span: Span,
    message: str,
    *,
    fact: Fact | None = None,
    level: Level | None = None,
    safety: Safety | None = None,
    edits: tuple[Edit, ...] = (),
    advice: str = "",
    precondition: str = "",
    certainty: Certainty = Certainty.CERTAIN,
) -> Finding:
    """A finding whose level and safety keep the house's promises.

    Without edits it is MANUAL and carries advice; what is only guessed is a note without edits; what is
    likely but not certain is never SAFE.

    Args:
        rule: who found it.
        file: where.
        span: the bytes it is about.
        message: one line.
        fact: the fact behind it; gives level, safety, precondition and advice unless they are named.
        level: overrides the fact's effect.
        safety: overrides the fact's safety.
        edits: what mends it.
        advice: what to write where nothing does.
        precondition: what must hold for the safety to be true.
        certainty: of the reading.
    """
    if level is None:
        level = _LEVELS[fact.effect] if fact else rule.level
    if safety is None:
        safety = Safety(fact.safety) if fact else rule.safety
    if certainty is Certainty.GUESS:
        level, edits = Level.NOTE, ()
    elif certainty is Certainty.LIKELY and safety is Safety.SAFE:
        safety = Safety.UNSAFE
    if not edits or safety is Safety.MANUAL:
        safety, edits = Safety.MANUAL, ()
    return Finding(
        code=rule.code,
        name=rule.name,
        path=file.path,
        span=span,
        level=level,
        safety=safety,
        message=message,
        advice=(advice or (fact.advice if fact else "")) if safety is Safety.MANUAL else "",
        precondition=(precondition or (fact.precondition if fact else ""))
        if safety is not Safety.MANUAL
        else "",
        fact=fact.id if fact else "",
        edits=edits,
    )


_PACKAGES = {"vllm": "vLLM", "trl": "TRL"}


def since(state: State | None, package: str = "vllm") -> str:
    """The words that name a state's first release, with a blank before them; nothing where it has none."""
    return f" since {_PACKAGES[package]} {state.since}" if state and state.since else ""


def made_light(finding: Finding) -> Finding:
    """A finding in a module that the target never imports: a note, whose edits need a reader."""
    return replace(
        finding,
        level=Level.NOTE,
        safety=Safety.UNSAFE if finding.safety is Safety.SAFE else finding.safety,
        message=f"{finding.message}; {_NEVER_IMPORTED}",
    )


def one_line(text: str, limit: int = 60) -> str:
    """Source text for a message: on one line, cut where it is long."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"
