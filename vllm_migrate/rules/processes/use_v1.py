"""VM802: VLLM_USE_V1 is set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.finding import make_finding, since
from vllm_migrate.rules.processes.variables import KINDS, changed_variables, removal, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Variable
    from vllm_migrate.rules.base import Context


class UseV1Variable(Rule):
    """The variable that chose between the engines is set.

    ## What it does
    Removes `VLLM_USE_V1` from Python, shell, YAML and TOML.

    ## Why it matters
    0.11.0 refuses to start with 0; later releases ignore the variable, so that code that says V0 runs V1,
    with other log-probabilities.

    ## Fix safety
    Safe: there is one engine left. A read of the variable is left to a person.
    """

    code = "VM802"
    name = "use-v1-variable"
    summary = "VLLM_USE_V1 no longer chooses the engine"
    level = Level.WARNING
    safety = Safety.SAFE
    kinds = KINDS
    examples = (
        Example(
            before='import os\n\nos.environ["VLLM_USE_V1"] = "0"\nos.environ["HF_HOME"] = "models"\n',
            after='import os\n\nos.environ["HF_HOME"] = "models"\n',
        ),
        Example(
            before="set -e\nexport VLLM_USE_V1=0\npython train.py\n",
            after="set -e\npython train.py\n",
            file_name="run.sh",
        ),
        Example(before="VLLM_USE_V1=1 python train.py\n", after="python train.py\n", file_name="run.sh"),
        Example(
            before='env_vars:\n  HF_HOME: models\n  VLLM_USE_V1: "0"\n',
            after="env_vars:\n  HF_HOME: models\n",
            file_name="runtime_env.yaml",
        ),
        Example(before='import os\n\nengine = os.environ.get("VLLM_USE_V1", "0")\n'),
        Example(before="export VLLM_LOGGING_LEVEL=DEBUG\n", unchanged=True, file_name="run.sh"),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield where the variable stands."""
        found = [row for row in changed_variables(file, context) if row[0].name == "VLLM_USE_V1"]
        for variable, fact, state in found:
            if variable.action == "read" and any(_writes_back(other, variable) for other, _, _ in found):
                continue
            zero = str(variable.value.literal) == "0" and variable.action in ("set", "default")
            effect = (
                "the engine refuses to start"
                if state.holds == "0 raises"
                else "it is ignored and V1 runs anyway"
            )
            if not zero:
                effect = "there is no other engine"
            yield make_finding(
                self,
                file,
                variable.span,
                f"{shown(variable)}{since(state)}: {effect}",
                fact=fact,
                level=Level.WARNING if zero or variable.action == "read" else Level.NOTE,
                edits=removal(file, variable),
                advice="take the V1 branch of what depends on it"
                if variable.action == "read"
                else "remove it",
            )


def _writes_back(one: Variable, read: Variable) -> bool:
    """Whether a variable is read only to set it: `environ["A"] = environ.get("A", "0")`."""
    return one.action != "read" and one.span.start <= read.span.start and read.span.end <= one.span.end
