"""VM704: sampling defaults from the model's own configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.engines import built
from vllm_migrate.rules.finding import make_finding, since
from vllm_migrate.rules.silent.defaults import add, calls_with, default_change, setting
from vllm_migrate.rules.silent.unset_parameters import Unset, unset_parameters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.rules.base import Context


_BUILD = "from vllm import LLM, SamplingParams\n\n\ndef sample(prompts):\n"


class GenerationConfig(Rule):
    """An engine without `generation_config`, from before its new default, gets requests without parameters.

    ## What it does
    Adds `generation_config="vllm"`, which keeps vLLM's own sampling defaults for requests that don't name
    theirs: `generate()` and `chat()` of an `LLM` without sampling parameters or with None, and requests to
    vLLM's own server that leave fields unset. Where the parameters may be None, it is a note, and so it is
    where nothing of the project asks the engine or makes sampling parameters. Left alone is whoever writes
    `override_generation_config` or imports `vllm.v1`: that is code of today's defaults.

    ## Why it matters
    Since 0.8 the defaults come from the model's generation_config.json: a request without sampling
    parameters is drawn at another temperature, top-p and top-k than before. Explicit `SamplingParams(...)`
    are not touched, whatever they leave out; the model's further end-of-sequence ids stop them in any
    release, under `generation_config="vllm"`, too.

    ## Fix safety
    Unsafe: somebody may rely on the model's own defaults. Nothing is reported for sources from 0.8 on,
    whose default is the same.
    """

    code = "VM704"
    name = "generation-config"
    summary = "sampling defaults come from the model's generation_config.json"
    level = Level.WARNING
    safety = Safety.UNSAFE
    examples = (
        Example(
            before=f'{_BUILD}    llm = LLM("m")\n    return llm.generate(prompts)\n',
            after=f'{_BUILD}    llm = LLM("m", generation_config="vllm")\n    return llm.generate(prompts)\n',
            unsafe=True,
            source="0.7.3",
        ),
        Example(
            before=(
                f'{_BUILD}    llm = LLM("m")\n'
                "    return llm.generate(prompts, SamplingParams(max_tokens=9))\n"
            ),
            unchanged=True,
            source="0.7.3",
        ),
        Example(
            before=(
                "from vllm import AsyncEngineArgs, AsyncLLMEngine\n"
                "from vllm.entrypoints.openai.api_server import build_app\n\n"
                'engine = AsyncLLMEngine.from_engine_args(AsyncEngineArgs("m"))\n'
            ),
            after=(
                "from vllm import AsyncEngineArgs, AsyncLLMEngine\n"
                "from vllm.entrypoints.openai.api_server import build_app\n\n"
                'engine = AsyncLLMEngine.from_engine_args(AsyncEngineArgs("m", generation_config="vllm"))\n'
            ),
            unsafe=True,
            source="0.7.3",
        ),
        Example(
            before=f'{_BUILD}    llm = LLM("m")\n    return llm.generate(prompts)\n',
            unchanged=True,
        ),
        Example(
            before=(
                f'{_BUILD}    llm = LLM("m", generation_config="auto")\n    return llm.generate(prompts)\n'
            ),
            unchanged=True,
            source="0.7.3",
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield engines whose sampling defaults change for some request."""
        change = default_change("generation-config", context)
        if change is None:
            return
        name, value = setting(change)
        for call, written in calls_with(file, name):
            unset = unset_parameters(file, call, context) if written is None else Unset.NEVER
            if unset is not Unset.NEVER:
                yield make_finding(
                    self,
                    file,
                    call.callee,
                    f"{built(call)}(...) without {name}:{since(change.after)} {change.fact.because}",
                    fact=change.fact,
                    level=None if unset is Unset.SOMETIMES else Level.NOTE,
                    edits=add(call, change),
                    advice=f"{name}={value}",
                    certainty=call.certainty,
                )
