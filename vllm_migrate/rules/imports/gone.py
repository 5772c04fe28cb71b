"""VM102: an import that has no place on the target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.facts.model import Remedy
from vllm_migrate.rules.backstop.absent import successors
from vllm_migrate.rules.backstop.instead import known_of_module, known_successor, nothing_known, of_name
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.finding import make_finding, since
from vllm_migrate.rules.imports.lookup import broken_imports, broken_references, where_unused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.facts.model import Fact, State
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Import
    from vllm_migrate.rules.base import Context


class GoneImport(Rule):
    """A name or module is imported that the target doesn't have, under any name.

    ## What it does
    Reports imports of modules and names that went with the V0 engine, and says what does their work now
    where something does, and that the import can go where nothing in the file uses it.

    ## Why it matters
    The module fails when it is imported, or, where the import is guarded, runs on without what it wanted.

    ## Fix safety
    Left to a person: what these names did is done in another way, or not at all.
    """

    code = "VM102"
    name = "gone-import"
    summary = "an import has no place on the target"
    level = Level.ERROR
    safety = Safety.MANUAL
    examples = (
        Example(before="from vllm.sequence import SequenceGroup\n\ngroups: list[SequenceGroup] = []\n"),
        Example(before="from vllm.worker.cache_engine import CacheEngine\n\nengine = CacheEngine\n"),
        Example(before="import vllm.core.scheduler as scheduler\n\nkind = scheduler.Scheduler\n"),
        Example(
            before=(
                "import vllm.entrypoints.openai.protocol\n\n"
                "answer = vllm.entrypoints.openai.protocol.ChatCompletionResponse\n"
            )
        ),
        Example(before="from vllm.sequence import SequenceGroup\n\nprint(1)\n"),
        Example(
            before='import os\n\nline = os.popen("ps aux").read()\nfound = "vllm.worker" in line\n',
            unchanged=True,
        ),
        Example(before="from vllm.utils import random_uuid\n\nname = random_uuid()\n", unchanged=True),
        Example(
            before="from vllm.sequence import SequenceGroup\n\ngroups: list[SequenceGroup] = []\n",
            unchanged=True,
            target="0.10.2",
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield the imports that have nowhere to go."""
        for name, fact, state in broken_imports(file, context):
            if state.remedy is not Remedy.MOVE or fact.name != name.qualified:
                yield make_finding(
                    self,
                    file,
                    name.span,
                    _message(name.qualified, fact, state),
                    fact=fact,
                    level=Level.NOTE if name.never_run else None,
                    safety=Safety.MANUAL,
                    advice=where_unused(
                        name,
                        file,
                        _moved_names(file, name, context)
                        or _only_patched(file, name, fact)
                        or _advice(name.qualified, fact, state, context),
                    )
                    or nothing_known(context.api.name(name.qualified)),
                )
        for reference, fact, state in broken_references(file, context):
            if state.remedy is not Remedy.MOVE or fact.name != reference.qualified:
                yield make_finding(
                    self,
                    file,
                    reference.span,
                    _message(reference.qualified, fact, state),
                    fact=fact,
                    level=Level.NOTE if reference.never_run else None,
                    safety=Safety.MANUAL,
                    advice=_advice(reference.qualified, fact, state, context)
                    or nothing_known(context.api.name(reference.qualified)),
                    certainty=reference.certainty,
                )


def _message(qualified: str, fact: Fact, state: State) -> str:
    parent = "" if fact.name == qualified else f" with {fact.name}"
    return f"{qualified} is gone{parent}{since(state, fact.package)}"


def _moved_names(file: FileFacts, name: Import, context: Context) -> str:
    """Where what a file uses of a module that is gone is now; "" where it is no module or nothing moved."""
    if name.name:
        return ""
    used = {one.qualified for one in file.references if one.qualified.startswith(f"{name.qualified}.")}
    moved = []
    for qualified in sorted(used):
        found = context.import_state(qualified)
        known = found is not None and found[0].name == qualified and found[1].remedy is Remedy.MOVE
        now = found[1].to if found is not None and known else ""
        now = now or successors(context.api.surface.where_now(qualified))
        if now:
            moved.append(f"{qualified.removeprefix(f'{name.qualified}.')} is now {now}")
    return "; ".join(moved)


def _only_patched(file: FileFacts, name: Import, fact: Fact) -> str:
    """What to do about a module that is imported to put something into it; "" where it is used otherwise."""
    if name.name:
        return ""
    inside = [one for one in file.references if one.qualified.startswith(f"{name.qualified}.")]
    if not inside or any(one.context != "assign" for one in inside):
        return ""
    patched = " and ".join(dict.fromkeys(one.qualified.removeprefix(f"{name.qualified}.") for one in inside))
    said = f"it is imported to patch {patched}, and the target has nothing there to patch: remove the patch"
    return f"{said}, or see if it belongs elsewhere: {fact.advice}" if "vllm." in fact.advice else said


def _advice(qualified: str, fact: Fact, state: State, context: Context) -> str:
    """What the fact says; where that is about a whole module, also what the target has like this name.

    "" where neither says anything.
    """
    if fact.advice and fact.name == qualified:
        return fact.advice
    known = known_successor(qualified, context)
    if known:
        return known
    alike = of_name(qualified, context)
    surface = context.api.surface
    if surface.module_behind(qualified) or surface.was_foreign(qualified):
        return alike  # what the module was for says nothing of what it had imported
    of_module = known_of_module(qualified, context) or fact.advice
    if of_module:
        return "; ".join(part for part in (alike, of_module) if part)
    if state.to:
        return f"it went with {fact.name}; the successor of that is {state.to}"
    return alike
