"""VM202: an engine argument that lives on under another name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.rules.base import Example, Rule
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

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.rules.base import Context


class RenamedEngineArgument(Rule):
    """An engine argument is given that has another name on the target.

    ## What it does
    Writes the new name, with the new form of the value where that changed: `disable_log_requests=False`
    becomes `enable_log_requests=True`, `task="generate"` becomes `runner="generate"`.

    ## Why it matters
    `LLM(...)` raises a TypeError and `vllm serve` refuses to start.

    ## Fix safety
    Safe where the facts know the value as it is written; a value that is computed is left to a person.
    Speculative decoding is configured by one dictionary now, which is written out but not edited.
    """

    code = "VM202"
    name = "renamed-engine-argument"
    summary = "an engine argument has another name"
    level = Level.ERROR
    safety = Safety.SAFE
    kinds = KINDS
    examples = (
        Example(
            before=(
                "from vllm import AsyncEngineArgs\n"
                "\n"
                'args = AsyncEngineArgs("m", disable_log_requests=False)\n'
            ),
            after=(
                'from vllm import AsyncEngineArgs\n\nargs = AsyncEngineArgs("m", enable_log_requests=True)\n'
            ),
        ),
        Example(
            before=(
                'from vllm import AsyncEngineArgs\n\nargs = AsyncEngineArgs("m", disable_log_requests=True)\n'
            ),
            after='from vllm import AsyncEngineArgs\n\nargs = AsyncEngineArgs("m")\n',
        ),
        Example(
            before=(
                'from vllm import EngineArgs\n\nargs = EngineArgs("m", guided_decoding_backend="xgrammar")\n'
            ),
            after=(
                "from vllm import EngineArgs\n"
                "\n"
                'args = EngineArgs("m", structured_outputs_config={"backend": "xgrammar"})\n'
            ),
        ),
        Example(
            before='from vllm import EngineArgs\n\nargs = EngineArgs("m", task="embed")\n',
            after=(
                'from vllm import EngineArgs\n\nargs = EngineArgs("m", runner="pooling", convert="embed")\n'
            ),
        ),
        Example(
            before=(
                "from vllm import EngineArgs\n"
                "\n"
                'args = EngineArgs("m", speculative_model="d", num_speculative_tokens=5)\n'
            )
        ),
        Example(
            before="vllm serve m --guided-decoding-backend xgrammar --port 8000\n",
            after='vllm serve m --structured-outputs-config \'{"backend": "xgrammar"}\' --port 8000\n',
            file_name="run.sh",
        ),
        Example(
            before='[engine_args]\nguided_decoding_backend = "xgrammar"  # fast\ndtype = "bfloat16"\n',
            after=(
                '[engine_args]\nstructured_outputs_config = { "backend" = "xgrammar" }  # fast\n'
                'dtype = "bfloat16"\n'
            ),
            file_name="config.toml",
            unsafe=True,
        ),
        Example(
            before="engine_kwargs:\n  guided_decoding_backend: xgrammar  # fast\n  dtype: bfloat16\n",
            after=(
                'engine_kwargs:\n  structured_outputs_config: {"backend": "xgrammar"}  # fast\n'
                "  dtype: bfloat16\n"
            ),
            file_name="rollout.yaml",
            unsafe=True,
        ),
        Example(
            before=(
                'from vllm import EngineArgs\n\nargs = EngineArgs("m", guided_decoding_backend="xgrammar")\n'
            ),
            unchanged=True,
            target="0.11.0",
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield the arguments to rename."""
        for argument, fact, state in changed_arguments(file, context):
            if not has_successor(state):
                continue
            replacement = replace_argument(file, argument, state)
            name = written(argument)
            message = f"{name} is gone{since(state)}: {fact.because}"
            unset = asks_for_nothing(file, argument, context)
            if replacement.decided:
                advice = f"write {replacement.text}" if replacement.text else f"remove {name}"
            else:
                advice = f"instead of {name}={one_line(argument.value.source)}: {fact.advice or state.to}"
            yield make_finding(
                self,
                file,
                argument.span,
                f"{message}; null asks for nothing" if unset else message,
                fact=fact,
                level=Level.NOTE if unset else None,
                edits=replacement.edits,
                advice=advice,
                safety=Safety.UNSAFE if argument.form.value == "key" else None,
                precondition="no other code reads the key" if argument.form.value == "key" else "",
                certainty=argument.certainty,
            )
