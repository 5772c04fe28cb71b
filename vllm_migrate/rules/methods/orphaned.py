"""Overridden methods that the target's class doesn't have: nothing of vLLM's calls what overrides them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vllm_migrate.facts.surface.alike import same_spelling, same_work
from vllm_migrate.rules.backstop.instead import known_successor

if TYPE_CHECKING:
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.rules.base import Context


def said_of_orphan(file: FileFacts, qualified: str, context: Context) -> tuple[str, str] | None:
    """What to say about a method that overrides one the target doesn't have, and the advice.

    None where the target has it or may have it, where the source hadn't, and where the file itself names the
    method anywhere else, since then it may be called from there.

    Args:
        file: where it is defined.
        qualified: the method as the class of vLLM's has it, "vllm.LLM.generate".
        context: gives the API of source and target.
    """
    owner, _, method = qualified.rpartition(".")
    surface = context.api.surface
    absence = context.api.name(qualified)
    place = surface.locate(owner)
    if absence is None or not absence.last or place is None or not place.path:
        return None
    if any(one.context == "assign" and one.qualified == qualified for one in file.references):
        return None  # what is put there by an assignment is told of there
    if context.api.at(str(context.source.version)).parameters(qualified) is None:
        return None
    word = re.escape(method).encode(file.encoding)
    if len(re.findall(rb"(?<!\w)" + word + rb"(?!\w)", file.source)) > len(
        re.findall(rb"\bdef\s+" + word + rb"\s*\(", file.source)
    ):
        return None
    short = owner.rpartition(".")[2]
    members = sorted(surface.members(owner))
    alike = [*same_spelling(method, members), *same_work(method, members)]
    like = (
        f"{short} has {alike[0]}, a guess by its name: see if that is to be overridden, or " if alike else ""
    )
    gone = f"{short}.{method}() is gone: vLLM {absence.last} had it, {context.target.version} does not"
    advice = known_successor(qualified, context) or f"{like}see what the target asks for in its place"
    return f"{gone}, and calls no {method} that overrides it", advice
