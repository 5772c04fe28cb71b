"""VM705: every engine is seeded with 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.edits.model import AddArgument, Level, Safety
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.engines import built
from vllm_migrate.rules.finding import make_finding
from vllm_migrate.rules.silent.apart import is_beside_training, may_train
from vllm_migrate.rules.silent.defaults import default_change, unwritten
from vllm_migrate.rules.silent.fixed_draws import needs_no_seed
from vllm_migrate.rules.silent.replicas import read_replicas

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.rules.base import Context

_SYNC = '    llm.collective_rpc("update_weight", args=(weights,))\n    return llm\n'


class Seed(Rule):
    """An RL project builds an engine without a seed.

    ## What it does
    Finds engines built without `seed=` in a project that trains on rollouts, and seeds them with what tells
    one replica from the other where that is in sight: the index of the loop that builds them, or a rank that
    the function around has. Ranks of one tensor-parallel group under `external_launcher`, which must agree,
    are divided by its size.

    Silent where all of an engine's requests are in sight and each has a seed of its own or is decoded
    greedily, or where all sampling parameters of the project are so, in code that only tests, evaluates,
    tries or serves a model, and where nothing says that the engine's samples are trained on.

    ## Why it matters
    V0 left the seed alone. V1 seeds every engine with 0: replicas draw the same rollouts for the same
    prompts, which halves or worse what a group of them is worth.

    ## Fix safety
    Unsafe: V0's None has no equal, and a number that looks like a rank may be another. Where none is in
    sight it is left to a person, because a constant would be wrong for replicas; where nothing in the file
    speaks of replicas it is a note. What a seed does to a trainer in the same process is VM807's.
    """

    code = "VM705"
    name = "seed"
    summary = "every engine is seeded with 0"
    level = Level.WARNING
    safety = Safety.UNSAFE
    examples = (
        Example(
            before=(
                "from vllm import LLM\n\n\ndef build(weights, rank):\n"
                f'    llm = LLM("m", enable_prefix_caching=False, async_scheduling=False)\n{_SYNC}'
            ),
            after=(
                "from vllm import LLM\n\n\ndef build(weights, rank):\n"
                f'    llm = LLM("m", enable_prefix_caching=False, async_scheduling=False, seed=rank)\n{_SYNC}'
            ),
            unsafe=True,
        ),
        Example(
            before=(
                "from vllm import LLM\n\n\ndef build(weights):\n"
                f'    llm = LLM("m", enable_prefix_caching=False, async_scheduling=False)\n{_SYNC}'
            )
        ),
        Example(
            before=(
                "from vllm import LLM\n\n\ndef build(weights, rank):\n"
                f'    llm = LLM("m", seed=rank, enable_prefix_caching=False, async_scheduling=False)\n{_SYNC}'
            ),
            unchanged=True,
        ),
        Example(before='from vllm import LLM\n\n\ndef build():\n    return LLM("m")\n', unchanged=True),
        Example(
            before=(
                "from vllm import LLM, SamplingParams\n\n\ndef run(prompts, loss):\n    loss.backward()\n"
                '    llm = LLM("m", async_scheduling=False)\n'
                "    return llm.generate(prompts, SamplingParams(temperature=0))\n"
            ),
            unchanged=True,
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield engines without a seed."""
        change = default_change("seed", context)
        if change is None or not may_train(file, context):
            return
        for call in unwritten(file, "seed", context):
            if needs_no_seed(file, call, context) or is_beside_training(file, call, context):
                continue
            replicas = read_replicas(file, call)
            number = replicas.number
            if file.use.engine_in_process and not replicas.expected:
                continue  # what it does to the trainer is another rule's
            yield make_finding(
                self,
                file,
                call.callee,
                f"{built(call)}(...) without seed: {change.fact.because}",
                fact=change.fact,
                level=None if replicas.expected else Level.NOTE,
                safety=Safety.UNSAFE,
                edits=(AddArgument(call.span, "seed", number),) if number else (),
                precondition=f"{number} is another number for each engine that draws rollouts of its own",
                certainty=call.certainty,
            )
