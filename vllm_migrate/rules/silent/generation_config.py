"""VM704: sampling defaults from the model's own configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.engines import built
from vllm_migrate.rules.finding import make_finding, since
from vllm_migrate.rules.silent.defaults import add, calls_with, default_change, setting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.files.located import FileFacts
    from vllm_migrate.rules.base import Context


class GenerationConfig(Rule):
    """An engine is built without `generation_config`, from a source older than its new default.

    ## What it does
    Adds `generation_config="vllm"`, which keeps vLLM's own sampling defaults for requests that don't name
    theirs.

    ## Why it matters
    Since 0.8 the defaults come from the model's generation_config.json: a request without sampling
    parameters is drawn at another temperature, top-p and top-k than before. Explicit `SamplingParams(...)`
    are not touched.

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
            before='from vllm import EngineArgs\n\nargs = EngineArgs("m")\n',
            after='from vllm import EngineArgs\n\nargs = EngineArgs("m", generation_config="vllm")\n',
            unsafe=True,
            source="0.7.3",
        ),
        Example(before='from vllm import EngineArgs\n\nargs = EngineArgs("m")\n', unchanged=True),
        Example(
            before='from vllm import EngineArgs\n\nargs = EngineArgs("m", generation_config="auto")\n',
            unchanged=True,
            source="0.7.3",
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield engines whose sampling defaults change."""
        change = default_change("generation-config", context)
        if change is None:
            return
        name, value = setting(change)
        for call, written in calls_with(file, name):
            if written is None:
                yield make_finding(
                    self,
                    file,
                    call.callee,
                    f"{built(call)}(...) without {name}:{since(change.after)} {change.fact.because}",
                    fact=change.fact,
                    edits=add(call, change),
                    advice=f"{name}={value}",
                    certainty=call.certainty,
                )
