"""VM703: the scheduler runs ahead of the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.engines import built
from vllm_migrate.rules.finding import make_finding, since
from vllm_migrate.rules.silent.apart import is_beside_training, may_train
from vllm_migrate.rules.silent.defaults import add, default_change, setting, unwritten
from vllm_migrate.rules.silent.fixed_draws import draws_nothing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.rules.base import Context

_HEAD = "from vllm import LLM\n\n\ndef build(weights):\n"
_SET = "enable_prefix_caching=False, seed=1"
_SYNC = '    llm.collective_rpc("update_weight", args=(weights,))\n    return llm\n'


class AsyncScheduling(Rule):
    """An RL project builds an engine that schedules asynchronously by default.

    ## What it does
    Adds `async_scheduling=False` where an engine is built whose samples are trained on, as V0 had it: the
    file trains or changes weights, a file that does imports it or is imported by it, or its place or its code
    speaks of training data, rollouts or rewards, and what is drawn is kept. Silent with `--recipe fast`,
    where all requests are in sight and decoded greedily, as a judge's are, in tests, in code that only
    evaluates, tries or serves a model, and in a class that only such code makes.

    ## Why it matters
    The scheduler plans a step before the model has finished the last one. The distribution is the same, but
    a weight update between steps, a custom scheduler or a patched `execute_model` meet another order than
    they were written for.

    ## Fix safety
    Safe where the argument was not written: it restores V0's order at some cost in speed.
    """

    code = "VM703"
    name = "async-scheduling"
    summary = "the scheduler runs ahead of the model by default"
    level = Level.NOTE
    safety = Safety.SAFE
    examples = (
        Example(
            before=f'{_HEAD}    llm = LLM("m", {_SET})\n{_SYNC}',
            after=f'{_HEAD}    llm = LLM("m", {_SET}, async_scheduling=False)\n{_SYNC}',
        ),
        Example(
            before=f'{_HEAD}    llm = LLM("m", {_SET})\n{_SYNC}',
            unchanged=True,
            target="0.13.0",
        ),
        Example(
            before=f'{_HEAD}    llm = LLM("m", {_SET}, async_scheduling=True)\n{_SYNC}',
            unchanged=True,
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield engines that schedule asynchronously."""
        change = default_change("async-scheduling", context)
        if change is None or not may_train(file, context) or context.recipe == "fast":
            return
        name, value = setting(change)
        for call in unwritten(file, name, context):
            if is_beside_training(file, call, context) or draws_nothing(file, call, context):
                continue
            yield make_finding(
                self,
                file,
                call.callee,
                f"{built(call)}(...) without {name}: {change.fact.because}{since(change.after)}",
                fact=change.fact,
                level=Level.NOTE,
                edits=add(call, change),
                advice=f"{name}={value}",
                certainty=call.certainty,
            )
