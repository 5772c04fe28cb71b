"""VM804: an environment variable nothing reads."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.finding import make_finding, since
from vllm_migrate.rules.processes.variables import KINDS, changed_variables, removal, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.facts.model import Fact
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.rules.base import Context

_ELSEWHERE = frozenset({"VLLM_USE_V1", "VLLM_ATTENTION_BACKEND"})


class DeadVariable(Rule):
    """An environment variable of vLLM's is set that the target doesn't read.

    ## What it does
    Removes variables that switched parts of the V0 engine, and names the argument or variable that took the
    place of others.

    ## Why it matters
    An unknown variable raises nothing: what it asked for doesn't happen. Where it set a time limit or a
    kernel version, the run behaves otherwise than its author believes.

    ## Fix safety
    Safe where the variable had no meaning but for V0; where something took its place, that is left to a
    person.
    """

    code = "VM804"
    name = "dead-variable"
    summary = "an environment variable is read no more"
    level = Level.NOTE
    safety = Safety.SAFE
    kinds = KINDS
    examples = (
        Example(
            before=(
                "import os\n"
                "\n"
                'os.environ["VLLM_USE_RAY_SPMD_WORKER"] = "1"\n'
                'os.environ["HF_HOME"] = "models"\n'
            ),
            after='import os\n\nos.environ["HF_HOME"] = "models"\n',
        ),
        Example(
            before="export VLLM_USE_RAY_COMPILED_DAG=1\npython train.py\n",
            after="python train.py\n",
            file_name="run.sh",
        ),
        Example(before="export VLLM_RPC_TIMEOUT=10000\npython train.py\n", file_name="run.sh"),
        Example(
            before="export VLLM_RPC_TIMEOUT=10000\npython train.py\n",
            unchanged=True,
            file_name="run.sh",
            target="0.22.1",
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield the variables that are dead."""
        for variable, fact, state in changed_variables(file, context):
            if variable.name not in _ELSEWHERE:
                yield make_finding(
                    self,
                    file,
                    variable.span,
                    f"{shown(variable)} is read no more{since(state)}: {fact.because}",
                    fact=fact,
                    level=Level.WARNING if _is_replaced(file, fact) else None,
                    edits=removal(file, variable),
                    advice=fact.advice or f"remove {variable.name}",
                )


def _is_replaced(file: FileFacts, fact: Fact) -> bool:
    """Whether the file names what takes the variable's place, as code for several releases does."""
    name = re.match(r"\w+(?==)", fact.advice)
    return name is not None and name[0].encode() in file.source
