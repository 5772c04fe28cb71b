"""VM803: VLLM_ATTENTION_BACKEND is set."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import AddArgument, Level, Safety
from vllm_migrate.facts.model import Subject
from vllm_migrate.files.kinds import FileKind
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.engines import engine_calls
from vllm_migrate.rules.finding import make_finding, one_line, since
from vllm_migrate.rules.processes.variables import (
    KINDS,
    changed_variables,
    is_for_another_engine,
    removal,
    shown,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Edit, Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Variable
    from vllm_migrate.rules.base import Context

_NAME = "VLLM_ATTENTION_BACKEND"
_NAMES = "vllm.v1.attention.backends.registry.AttentionBackendEnum"
_OF_IMAGES = frozenset({"TORCH_SDPA"})
"""Backends that the target has for the encoders of images alone."""
_ENDING = re.compile(r"(?i)(?:_VLLM)?_V1$")


class AttentionBackendVariable(Rule):
    """The attention backend is chosen by an environment variable.

    ## What it does
    Removes `VLLM_ATTENTION_BACKEND` and, where one engine is built in the same file, passes
    `attention_backend=` instead. XFORMERS, the usual value in V0-era scripts, has no successor and just
    goes. Scripts and settings that run SGLang, and name nothing else of vLLM's, are left alone.

    ## Why it matters
    The variable is ignored since 0.15: the engine computes attention, and hence the log-probabilities, with
    another kernel than the one chosen. Releases before that refuse XFORMERS.

    ## Fix safety
    Unsafe: another kernel gives slightly other numbers, and V1 may not have the one that was named.
    """

    code = "VM803"
    name = "attention-backend-variable"
    summary = "VLLM_ATTENTION_BACKEND no longer chooses the backend"
    level = Level.WARNING
    safety = Safety.UNSAFE
    kinds = KINDS
    examples = (
        Example(
            before=(
                "import os\n"
                "\n"
                "from vllm import EngineArgs\n"
                "\n"
                'os.environ["VLLM_ATTENTION_BACKEND"] = "FLASH_ATTN"\n'
                'args = EngineArgs("m")\n'
            ),
            after=(
                "import os\n\nfrom vllm import EngineArgs\n\n"
                'args = EngineArgs("m", attention_backend="FLASH_ATTN")\n'
            ),
            unsafe=True,
        ),
        Example(
            before="set -x\nexport VLLM_ATTENTION_BACKEND=XFORMERS\npython train.py\n",
            after="set -x\npython train.py\n",
            file_name="run.sh",
            unsafe=True,
        ),
        Example(before="export VLLM_ATTENTION_BACKEND=FLASHINFER\npython train.py\n", file_name="run.sh"),
        Example(
            before=(
                "import os\n\n\ndef start(args):\n"
                '    os.environ["VLLM_ATTENTION_BACKEND"] = args.attention_backend\n'
            ),
        ),
        Example(before="export VLLM_ATTENTION_BACKEND=TORCH_SDPA\npython train.py\n", file_name="run.sh"),
        Example(
            before="export VLLM_ATTENTION_BACKEND=XFORMERS\npython -m verl.trainer.main_ppo "
            "actor_rollout_ref.rollout.name=sglang\n",
            unchanged=True,
            file_name="run_sglang.sh",
        ),
        Example(
            before="export VLLM_ATTENTION_BACKEND=FLASH_ATTN\n",
            unchanged=True,
            file_name="run.sh",
            target="0.14.1",
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield where the variable stands."""
        changed = {id(variable): (fact, state) for variable, fact, state in changed_variables(file, context)}
        gone = context.facts.on_target(Subject.BEHAVIOUR, "attention-backend-xformers", context.target)
        for variable in () if is_for_another_engine(file) else file.variables:
            if variable.name != _NAME or variable.dead:
                continue
            xformers = (
                str(variable.value.literal).upper() == "XFORMERS" or "XFORMERS" in variable.value.source
            )
            if xformers and gone:
                fact, state = gone
                yield make_finding(
                    self,
                    file,
                    variable.span,
                    f"{shown(variable)}: {fact.because}{since(state)}",
                    fact=fact,
                    level=Level.WARNING,
                    edits=removal(file, variable),
                    precondition="the backend V1 chooses by itself will do",
                )
            elif id(variable) in changed:
                fact, state = changed[id(variable)]
                yield make_finding(
                    self,
                    file,
                    variable.span,
                    f"{shown(variable)} is {state.holds}{since(state)}: {fact.because}",
                    fact=fact,
                    edits=_argument(file, variable, context),
                    precondition="V1 has a backend of this name",
                    advice=_advice(file, variable, context),
                )


def _argument(file: FileFacts, variable: Variable, context: Context) -> tuple[Edit, ...]:
    """The argument in the variable's place, where exactly one engine of this file can take it."""
    removed = removal(file, variable)
    calls = list(engine_calls(file))
    if file.kind is not FileKind.PYTHON or not removed or len(calls) != 1:
        return ()
    call = calls[0]
    if call.open_ended or call.argument("attention_backend") or not isinstance(variable.value.literal, str):
        return ()
    name = _named_now(variable.value.literal, context)
    return (*removed, AddArgument(call.span, "attention_backend", f'"{name}"')) if name else ()


def _named_now(value: str, context: Context) -> str:
    """What the target calls a backend: its name, or that without V1's ending; "" for one it hasn't got."""
    surface = context.api.surface
    if not surface.has(_NAMES):
        return value
    known = surface.members(_NAMES) - _OF_IMAGES
    return next((name for name in (value, _ENDING.sub("", value)) if name.upper() in known), "")


def _advice(file: FileFacts, variable: Variable, context: Context) -> str:
    if variable.action == "read":
        return "the choice is the engine's attention_backend: hand on here what that is given"
    literal = variable.value.literal
    if isinstance(literal, str):
        literal = _named_now(literal, context)
        if not literal:
            return "leave it out: no backend of the target has this name, and it chooses one by itself"
    value = literal if isinstance(literal, str) else variable.value.source or "..."
    if file.kind is FileKind.PYTHON:
        if _NAME in value:
            return "leave it out: what it hands on is no longer read, and the engine hands on its own choice"
        if not isinstance(literal, str) and value != "...":
            return f"attention_backend={one_line(value)} on the engine"
        return f'attention_backend="{value}" on the engine'
    return f'attention_backend="{value}" on the engine, or --attention-backend {value} behind `vllm serve`'
