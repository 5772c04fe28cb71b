"""How the target gives what a walk into an engine was for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.facts.model import Subject
from vllm_migrate.facts.surface.alike import plain, same_work
from vllm_migrate.rules.backstop.instead import one_step_on

if TYPE_CHECKING:
    from vllm_migrate.facts.surface.lookup import Surface
    from vllm_migrate.files.located import Chain
    from vllm_migrate.rules.base import Context

_ASYNC = "vllm.AsyncLLMEngine"
_ALL = "vllm.config.VllmConfig"
_OF_WORKERS = frozenset({"model_executor", "driver_worker", "workers"})
"""What an engine inside another reaches its workers by."""


def instead_of_step(chain: Chain, steps: tuple[str, ...], owners: tuple[str, ...], context: Context) -> str:
    """The advice where the first of some steps into an engine is gone.

    Args:
        chain: the walk.
        steps: the attributes from the one that is gone on.
        owners: the classes that the walk may have come to before it.
        context: gives the target's API and the facts.
    """
    surface = context.api.surface
    wanted = (*steps[1:], *(call.method for call in chain.method_calls[:1]))[:1]
    if steps[0] in surface.members(_ALL):
        holder = "".join(word.capitalize() for word in steps[0].split("_"))
        moved = _row(f"{holder}.{wanted[0]}", context) if wanted else ""
        return moved or f"vllm_config.{steps[0]}, where the target keeps it"
    if steps[0] == "engine" and wanted and chain.owner == _ASYNC:
        found = _of_the_engine_itself(wanted[0], surface)
        if found:
            return f"ask {_one_line(chain.root)} itself: {found}"
    if steps == ("engine",) and not wanted and chain.owner == _ASYNC and chain.root.endswith(")"):
        # Taken of the call that builds it, to be kept in its place.
        return "the target's AsyncLLM has no engine of that kind in it: use the asynchronous engine itself"
    if steps[0] == "engine" and wanted and chain.owner == _ASYNC and wanted[0] not in _OF_WORKERS:
        return (
            "the target's AsyncLLM has no engine of that kind in it, and nothing by a name like "
            f"{wanted[0]}: see what of its own does the work, or do without"
        )
    rows = (_row(f"{owner.rpartition('.')[2]}.{steps[0]}", context) for owner in owners)
    return next((row for row in rows if row), "") or "do without it"


def _of_the_engine_itself(name: str, surface: Surface) -> str:
    """What an asynchronous engine has for something asked of the engine inside it; "" for nothing."""
    members = sorted(surface.members(_ASYNC))
    methods = surface.methods(_ASYNC)
    if name in members:
        getter = f" and get_{name}()" if f"get_{name}" in methods else ""
        return f"the target's AsyncLLM has {name}{getter}"
    alike = [one for one in members if plain(one) == plain(name)] or same_work(name, members)
    further = [f"{step}.{name}()" for step in one_step_on(_ASYNC, name, surface)]
    if alike or further:
        found = " or ".join([*(f"{one}()" if one in methods else one for one in alike), *further][:2])
        return f"the target's AsyncLLM has {found}, which by the names tells the same"
    return ""


def _row(name: str, context: Context) -> str:
    """What the facts advise about an attribute that the target doesn't have as the source had it."""
    change = context.facts.change(Subject.ATTRIBUTE, name, context.source, context.target)
    return change.fact.advice if change is not None else ""


def _one_line(text: str) -> str:
    return " ".join(text.split())
