"""Positional arguments that mean something else on the target, or are taken there only by name.

What a position means is read from the API of the source and of the target, as extracted from their wheels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.edits.model import RemoveArgument, RenameArgument
from vllm_migrate.files.located import UNRESOLVED, Span
from vllm_migrate.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vllm_migrate.edits.model import Edit
    from vllm_migrate.facts.surface.lookup import Surface
    from vllm_migrate.files.located import Call, Value
    from vllm_migrate.rules.base import Context

_ENGINE = "vllm.EngineArgs"


@dataclass(frozen=True, slots=True)
class Shifted:
    """The positional arguments of one call from the first on that the target reads otherwise.

    Attributes:
        arguments: per argument its name on the source, its value and its place.
        now: what the target takes the first of them for; "" where it takes none at that position.
        lost: names among them that the target doesn't take at all, and whose value asks for something.
        edits: what names them all; empty where one is lost or can't be told.
    """

    arguments: tuple[tuple[str, Value, Span], ...]
    now: str
    lost: tuple[str, ...]
    edits: tuple[Edit, ...]

    @property
    def span(self) -> Span:
        """From the first of them to the last."""
        return Span(self.arguments[0][2].start, self.arguments[-1][2].end)

    @property
    def as_keywords(self) -> str:
        """What to write in their place."""
        kept = [(name, value) for name, value, _ in self.arguments if name not in self.lost]
        return ", ".join(f"{name}={value.source}" for name, value in kept)


def shifted(call: Call, context: Context) -> Shifted | None:
    """The positional arguments of a call that the target reads otherwise; None where there are none.

    A star among them ends what can be told.
    """
    from vllm_migrate.facts.surface.compare import comparison  # noqa: PLC0415 - most files ask for nothing

    before = comparison(context.source.package, context.source.version).surface
    old, new = before.parameters(call.target), context.api.surface.parameters(call.target)
    if not old or not new:
        return None
    was, now = _positions(old), _positions(new)
    count = next((i for i, (v, _) in enumerate(call.positional) if v.source.startswith("*")), None)
    starred = count is not None
    given = call.positional[: count if count is not None else len(call.positional)]
    first = next((i for i in range(min(len(given), len(was))) if not _is_same(was, now, i)), None)
    if first is None or len(given) > len(was):
        return None
    arguments = tuple((was[i], *given[i]) for i in range(first, len(given)))
    lost = tuple(
        name
        for name, value, _ in arguments
        if not _taken(call.target, name, context) and not _asks_for_nothing(value, old[name])
    )
    clash = any(call.argument(name) is not None for name, _, _ in arguments)
    edits = () if lost or starred or clash or call.open_ended else _named(call, arguments, old, context)
    return Shifted(arguments, (now[first : first + 1] or [""])[0], lost, edits)


def _is_same(was: list[str], now: list[str], place: int) -> bool:
    """Whether a place means what it did: the same name, or another for the same thing.

    `LLM.score(data_1, data_2)` takes what `LLM.score(text_1, text_2)` took: one name came where the other one
    went, and what stands after it is the same, or new as well.
    """
    for old, new in zip(was[place:], now[place:], strict=False):
        if old == new:
            return True
        if old in now or new in was:
            return False
    return len(was) == len(now)


def _positions(parameters: Mapping[str, str]) -> list[str]:
    """The parameters that can be given by position, in order."""
    names: list[str] = []
    for name in parameters:
        if name.startswith("*"):
            break
        if name != "/":
            names.append(name)
    return names


def _taken(callee: str, name: str, context: Context) -> bool:
    """Whether the target takes a keyword of that name, itself or for the engine behind it."""
    surface: Surface = context.api.surface
    if surface.takes(callee, name, listed=True):
        return True
    return callee == "vllm.LLM" and surface.takes(_ENGINE, name, listed=True)


def _asks_for_nothing(value: Value, default: str) -> bool:
    """Whether the value written is the default it had."""
    if value.literal is UNRESOLVED:
        return False
    return value.source == default or repr(value.literal) == default


def _named(
    call: Call, arguments: tuple[tuple[str, Value, Span], ...], old: Mapping[str, str], context: Context
) -> tuple[Edit, ...]:
    edits: list[Edit] = []
    for name, value, span in arguments:
        if _taken(call.target, name, context):
            edits.append(RenameArgument(span, name))
        elif _asks_for_nothing(value, old[name]):
            edits.append(RemoveArgument(span))
    return tuple(edits)
