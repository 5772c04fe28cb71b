"""VM201: an engine argument without a successor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, RemoveStatement, Safety
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.engine_arguments.device import PRECONDITION, chosen_gpu
from vllm_migrate.rules.engine_arguments.lookup import (
    KINDS,
    asks_for_nothing,
    changed_arguments,
    has_successor,
    written,
)
from vllm_migrate.rules.finding import make_finding, one_line, since
from vllm_migrate.rules.replacement import replace_argument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Edit, Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Argument
    from vllm_migrate.rules.base import Context
    from vllm_migrate.rules.replacement import Replacement


class GoneEngineArgument(Rule):
    """An engine argument is given that the target doesn't take.

    ## What it does
    Finds arguments of `LLM`, `EngineArgs` and the server that are gone, as keywords, dictionary entries,
    YAML and TOML keys and flags, and drops those that have no effect on the V1 engine. A field or an option
    of the project's own that is handed over by keyword is left alone where other code reads it, too: there
    only the keyword goes.

    ## Why it matters
    `LLM(...)` raises a TypeError and `vllm serve` refuses to start. A key that is null in a settings file,
    where the engine never took null, is a note: whoever reads the file passes it to none.

    ## Fix safety
    Safe where the argument did nothing on V1 that is lost with it. Arguments that still mean something are
    left to a person; a GPU named by `device=` is, from vLLM 0.24.0 on, named by `device_ids=`, which is
    unsafe, because the argument may have named something else than a GPU. Keys in YAML and TOML are unsafe,
    because other code may read them. So are fields of a dataclass and options of a parser that reach the
    engine, which go only where no other place in the project has their name.
    """

    code = "VM201"
    name = "gone-engine-argument"
    summary = "an engine argument is gone"
    level = Level.ERROR
    safety = Safety.SAFE
    kinds = KINDS
    examples = (
        Example(
            before='from vllm import LLM\n\n\ndef build():\n    return LLM("m", swap_space=16, seed=1)\n',
            after='from vllm import LLM\n\n\ndef build():\n    return LLM("m", seed=1)\n',
        ),
        Example(
            before=(
                "from vllm import EngineArgs\n\n"
                'options = {"model": "m", "use_v2_block_manager": True}\nargs = EngineArgs(**options)\n'
            ),
            after='from vllm import EngineArgs\n\noptions = {"model": "m"}\nargs = EngineArgs(**options)\n',
        ),
        Example(
            before='from vllm import EngineArgs\n\nargs = EngineArgs("m", device="cuda:3")\n',
            after='from vllm import EngineArgs\n\nargs = EngineArgs("m", device_ids=[3])\n',
            unsafe=True,
        ),
        Example(
            before='from vllm import LLM\n\n\ndef build(where):\n    return LLM("m", device=where)\n',
            after=(
                "from vllm import LLM\n\n\ndef build(where):\n"
                '    return LLM("m", device_ids=[int(str(where).partition(":")[2])] '
                'if ":" in str(where) else None)\n'
            ),
            unsafe=True,
        ),
        Example(
            before='from vllm import EngineArgs\n\nargs = EngineArgs("m", device="cuda:3")\n',
            target="0.23.0",
        ),
        Example(
            before='from vllm import EngineArgs\n\nargs = EngineArgs("m", device="cuda")\n',
            after='from vllm import EngineArgs\n\nargs = EngineArgs("m")\n',
        ),
        Example(
            before="vllm serve m \\\n    --swap-space 16 \\\n    --port 8000\n",
            after="vllm serve m \\\n    --port 8000\n",
            file_name="run.sh",
        ),
        Example(
            before="vllm serve m \\\n    --port 8000 \\\n    --preemption-mode recompute\n",
            after="vllm serve m \\\n    --port 8000\n",
            file_name="run.sh",
        ),
        Example(
            before="[vllm]\nswap_space = 16  # GiB\nseed = 1\n",
            after="[vllm]\nseed = 1\n",
            file_name="inference.toml",
            unsafe=True,
        ),
        Example(
            before="engine_kwargs:\n  swap_space: null  # the engine's own\n  seed: 1\n",
            after="engine_kwargs:\n  seed: 1\n",
            file_name="rollout.yaml",
            unsafe=True,
        ),
        Example(
            before='from vllm import EngineArgs\n\nargs = EngineArgs("m", swap_space=4)\n',
            unchanged=True,
            target="0.17.1",
        ),
        Example(
            before='from accelerate import Engine\n\nengine = Engine("m", swap_space=4)\n', unchanged=True
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield the arguments that have to go."""
        for argument, fact, state in changed_arguments(file, context):
            if has_successor(state):
                continue
            replacement = replace_argument(file, argument, state)
            edits = replacement.edits or _undeclared(argument, replacement, context)
            gpu = chosen_gpu(argument, context) if not edits else ()
            name = written(argument)
            message = f"{name} is gone{since(state)}: {fact.because}"
            unset = asks_for_nothing(file, argument, context)
            advice = (
                f"remove {name}"
                if replacement.decided
                else f"instead of {name}={one_line(argument.value.source)}: {fact.advice}"
            )
            safety = Safety.UNSAFE if edits and argument.form.value == "key" else None
            if edits and fact.safety == "manual":
                safety = Safety.SAFE if argument.form.value != "key" else Safety.UNSAFE
            precondition = "no other code reads the key" if argument.form.value == "key" else ""
            if gpu:
                edits, safety, precondition = gpu, Safety.UNSAFE, PRECONDITION
            yield make_finding(
                self,
                file,
                argument.span,
                f"{message}; null asks for nothing" if unset else message,
                fact=fact,
                level=Level.NOTE if unset else None,
                safety=safety,
                edits=edits,
                advice=advice,
                precondition=precondition,
                certainty=argument.certainty,
            )


def _undeclared(argument: Argument, replacement: Replacement, context: Context) -> tuple[Edit, ...]:
    """The edit that takes out a field or option that nothing else in the project knows."""
    declared = argument.declared
    if declared is None or context.mentions is None or not replacement.decided or replacement.text:
        return ()
    alone = context.mentions.is_declared_alone(argument.name, declared)
    return (RemoveStatement(declared.statement),) if alone else ()
