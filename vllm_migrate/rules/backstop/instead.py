"""What the target's API offers where something is gone: as sure in its words as the API makes it.

The surfaces say what is there, by name and signature. That it does the same work they don't say: everything
here that rests on likeness is called a guess.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vllm_migrate.facts.surface.alike import plain, same_spelling, same_work, words
from vllm_migrate.rules.backstop.absent import near, successors

if TYPE_CHECKING:
    from collections.abc import Collection

    from vllm_migrate.facts.surface.compare import Absence
    from vllm_migrate.facts.surface.lookup import Surface
    from vllm_migrate.files.located import Call
    from vllm_migrate.rules.base import Context


_OURS = re.compile(r"\bvllm(?:\.\w+)+")
"""Names of vLLM's in advice."""

_LISTED = 8
"""Parameters named in advice. More would be a signature, not a hint."""

_USUAL = {"nn": "torch.nn", "F": "torch.nn.functional", "np": "numpy"}
"""What names of other packages mean by convention, where the name alone doesn't say it."""

_CLIENTS = {"engine_core": "engine_core_client"}
"""Attributes of the target's engines that hold a client of what they are named after (core_client.py)."""


def known_successor(qualified: str, context: Context) -> str:
    """What the facts say does the work of a name; "" where they don't.

    Nothing is said that names something the target doesn't have.
    """
    advice = context.facts.instead.get(qualified, "")
    return advice if all(context.api.surface.has(one) for one in _OURS.findall(advice)) else ""


def known_of_module(qualified: str, context: Context) -> str:
    """What the facts say does the work of the module that a name went with, or of a package above it."""
    parent = qualified.rpartition(".")[0]
    return (known_successor(parent, context) or known_of_module(parent, context)) if parent else ""


def of_name(qualified: str, context: Context) -> str:
    """What stands where a name stood; "" where nothing is like it."""
    surface = context.api.surface
    if surface.was_foreign(qualified):
        bare = qualified.rpartition(".")[2]
        usual = f" ({bare} is {_USUAL[bare]} by convention)" if bare in _USUAL else ""
        return f"that module had it from another package: import it from there{usual}"
    module = surface.module_behind(qualified)
    if module:
        return f"it is the module {module}, which that module had imported: import it by its own name"
    now = successors(surface.where_now(qualified))
    if now:
        return f"a name like it is now {now}: see if it does the same"
    spelled = successors(surface.spelled_now(qualified)[:1])
    if spelled:
        return f"the target has {spelled}, which is spelled almost like it: see if it does the same"
    grown = successors(surface.grown_now(qualified))
    if grown:
        return f"{grown} came into its module since: a guess by its name, see if it took its place"
    return ""


def nothing_known(absence: Absence | None) -> str:
    """The advice where neither the facts nor the names in the API say what does a thing's work now."""
    last = absence.last if absence is not None else ""
    copied = f"copy it from vLLM {last}" if last else "write it yourself"
    return (
        "no fact here and no name like it says what does its work now: "
        f"look for that in the target's sources, else {copied} or do without"
    )


def of_method(owner: str, method: str, absence: Absence, context: Context) -> str:
    """What to do about a method that is gone.

    Args:
        owner: the class as the target has it.
        method: its name.
        absence: what is known of it.
        context: gives the target's API.
    """
    surface = context.api.surface
    otherwise = "see what took its place, or do without it"
    meant = near(absence, method, surface.methods(owner))
    if meant:
        return f"{otherwise}, or write {meant} if that is meant"
    short = owner.rpartition(".")[2]
    members = sorted(surface.members(owner))
    beside = context.api.at(absence.last).members(owner) if absence.last else ()
    spelled = [one for one in same_spelling(method, members) if one not in beside]
    if spelled:
        return f"{short} has {spelled[0]}, which is spelled almost like it: see if it does the same"
    bare = method.removeprefix("get_")
    if bare != method and bare in members:
        if surface.parameters(f"{owner}.{bare}") is not None:
            return f"{short} has {bare}(): see if that gives the same"
        return f"{short} has {bare}, which is neither called nor awaited: see if that is the same"
    if bare != method and "vllm_config" in members and bare in surface.members("vllm.config.VllmConfig"):
        return f"{short}.vllm_config has {bare}, which is neither called nor awaited: see if that is the same"
    working = [one for one in same_work(method, sorted(surface.methods(owner))) if one not in beside]
    if working:
        return f"{short} has {working[0]}(), by its name for the same: see what it gives"
    further = " or ".join(f"{step}.{method}()" for step in one_step_on(owner, method, surface)[:2])
    if further:
        return f"{further} is a guess by the names: see if it gives the same"
    return otherwise


def of_parameter(call: Call, name: str, absence: Absence, context: Context) -> str:
    """What to do about an argument that a call gives and the target doesn't take.

    Dropping it is never proposed: where the signature has other parameters, its value may belong in one.
    """
    surface = context.api.surface
    taken = [one for one in surface.parameters(call.target) or () if one not in ("self", "*", "/")]
    short = call.target.rpartition(".")[2]
    if not taken:
        return f"see what the target does in its place: {short}() takes no arguments there"
    given = {argument.name for argument in call.arguments} | set(taken[: len(call.positional)])
    free = [one for one in taken if one not in given and not one.startswith("*")]
    listed = ", ".join(taken[:_LISTED]) + (", ..." if len(taken) > _LISTED else "")
    there = f"{short}() takes {listed}"
    meant = near(absence, name, free)
    if meant:
        return f"write {meant} if that is meant; {there}"
    holder = next((one for one in taken if _holds(one, name, surface)), "")
    if holder:
        return f"{_class_of(holder)}, which goes into {holder}, has {name}: see if it is set there; {there}"
    spelled = same_spelling(name, free)
    came = [one for one in _came_when_it_went(call.target, absence, context) if one in free]
    if spelled or came:
        likely = " or ".join(_closest(name, spelled or came))
        return f"don't drop its value: it probably goes into {likely}, a guess by the signatures; {there}"
    if free:
        return (
            f"see what the target does in its place before it is dropped: {there}, "
            f"and this call doesn't give {_some(free)}"
        )
    return f"see what the target does in its place before it is dropped: {there}"


def _came_when_it_went(callee: str, absence: Absence, context: Context) -> list[str]:
    """The parameters that the first release without this one had new."""
    if not absence.last:
        return []
    following = context.api.after(absence.last)
    before = context.api.at(absence.last).parameters(callee) or {}
    return [one for one in following.parameters(callee) or () if one not in before]


def _closest(name: str, others: Collection[str]) -> list[str]:
    """Those of some parameters that share a word with one; all of a few where none does."""
    own = set(words(name))
    near_by = [one for one in others if own & set(words(one))]
    return (near_by or list(others))[:3]


def _some(names: list[str]) -> str:
    return ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")


def _holds(parameter: str, name: str, surface: Surface) -> bool:
    """Whether a parameter is by its name a configuration of vLLM's that has a field of this name."""
    return parameter.endswith("_config") and name in surface.members(f"vllm.config.{_class_of(parameter)}")


def _class_of(parameter: str) -> str:
    return "".join(word.capitalize() for word in parameter.split("_"))


def one_step_on(owner: str, method: str, surface: Surface) -> list[str]:
    """The attributes that are by their name objects of a class of the target's that has the method.

    A private method is nobody's to call from there, and what an engine calls its core is a client, which has
    the methods of the core that it hands on.
    """
    if method.startswith("_"):
        return []
    holders = {plain(one.rpartition(".")[2]).removeprefix("base") for one in surface.classes_with(method)}
    attributes = surface.members(owner) - surface.methods(owner)
    return sorted(one for one in attributes if plain(_CLIENTS.get(one, one)) in holders)
