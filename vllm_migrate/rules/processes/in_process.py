"""VM807: an engine in the trainer's process seeds the trainer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.facts.model import Subject
from vllm_migrate.files.located import Span
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.engines import built, engine_calls
from vllm_migrate.rules.finding import make_finding
from vllm_migrate.rules.silent.apart import may_train
from vllm_migrate.rules.silent.fed import is_test

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.rules.base import Context

_SET = 'import os\n\nfrom vllm import LLM\n\nos.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"\n\n\n'
_SEEDS = re.compile(rb"^[ \t]+((?:np|numpy)\.random\.seed\([^\n()]*)\)", re.MULTILINE)  # not at module level
_STEP = "    loss = step(llm)\n    loss.backward()\n    return llm\n"


class InProcessEngine(Rule):
    """An engine runs in the trainer's process and is built without a seed.

    ## What it does
    Finds engines without `seed=` in a project that trains, where the file sets
    `VLLM_ENABLE_V1_MULTIPROCESSING=0` or the engine uses `external_launcher`.

    Silent in code that only evaluates a model, and in tests that train nothing.

    A file that seeds numpy in a function is told, too, where the target's second model runner draws from it.

    ## Why it matters
    V0 left Python's, numpy's and torch's generators alone when it was given no seed. V1 seeds them with 0
    when it is built: from there on, dropout, shuffling and noise are the same on every rank and after every
    start. The second model runner draws the seeds of requests without one from numpy's generator: who seeds
    numpy at every step repeats its rollouts.

    ## Fix safety
    Left to a person: `torch.random.fork_rng()` around the constructor keeps torch's states; those of
    `random` and `numpy` have to be kept and set back by hand, where the trainer draws from them.
    """

    code = "VM807"
    name = "in-process-engine"
    summary = "an engine in the trainer's process seeds the trainer"
    level = Level.WARNING
    safety = Safety.MANUAL
    examples = (
        Example(before=f'{_SET}def train(step):\n    llm = LLM("m")\n{_STEP}'),
        Example(
            before=(
                "from vllm import LLM\n\n\ndef train(step):\n"
                f'    llm = LLM("m", distributed_executor_backend="external_launcher")\n{_STEP}'
            ),
        ),
        Example(before=f'{_SET}def train(step):\n    llm = LLM("m", seed=7)\n{_STEP}', unchanged=True),
        Example(
            before=f'from vllm import LLM\n\n\ndef train(step):\n    llm = LLM("m")\n{_STEP}', unchanged=True
        ),
        Example(
            before=(
                f"{_SET}import numpy as np\n\n\ndef train(step, number):\n"
                f'    np.random.seed(number)\n    llm = LLM("m", seed=7)\n{_STEP}'
            ),
        ),
        Example(before=f'{_SET}def sample():\n    return LLM("m")\n', unchanged=True),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield engines that seed the process they are built in."""
        if not file.use.engine_in_process or not may_train(file, context):
            return
        if is_test(file.path) and not file.use.trains:
            return
        yield from self._numpy(file, context)
        change = context.facts.change(Subject.BEHAVIOUR, "in-process-seed", context.source, context.target)
        if change is None:
            return
        for call in engine_calls(file):
            if call.argument("seed") is not None or call.open_ended:
                continue
            yield make_finding(
                self,
                file,
                call.callee,
                f"{built(call)}(...) without seed in the trainer's process: {change.fact.because}",
                fact=change.fact,
                advice=(
                    f"with torch.random.fork_rng(): {file.text(call.callee)}(...), and random.getstate() and"
                    " numpy.random.get_state() before it, set back after it"
                ),
                certainty=call.certainty,
            )

    def _numpy(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield functions that seed numpy beside an engine whose requests may draw their seeds from it."""
        name = "v2-runner-draws-seeds-from-numpy"
        change = context.facts.change(Subject.BEHAVIOUR, name, context.source, context.target)
        if change is None or b"random.seed" not in file.source or not file.calls:
            return
        for found in _SEEDS.finditer(file.source):
            yield make_finding(
                self,
                file,
                Span(found.start(1), found.end(1)),
                f"{found[1].decode(file.encoding)}) in the engine's process: {change.fact.because}",
                fact=change.fact,
                level=Level.NOTE,
                advice=change.fact.advice,
            )
