"""VM505: the trainer calls the workers through the executor's private methods."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, ReplaceExpression, Safety
from vllm_migrate.facts.model import Subject
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.finding import make_finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Chain, MethodCall
    from vllm_migrate.rules.base import Context

PRIVATE_CALLS = frozenset(
    {"_run_workers", "run_workers", "stop_remote_worker_execution_loop", "_driver_execute_model"}
)


class PrivateRpc(Rule):
    """Workers are called through `model_executor._run_workers` or another private method of the executor.

    ## What it does
    Writes `llm.collective_rpc("method", args=(...), kwargs={...})`, which both engines have.

    ## Why it matters
    On V1 the executor lives in the engine's process and has no such method.

    ## Fix safety
    Unsafe: the method must exist on V1's worker or come with a worker_extension_cls, and its arguments are
    sent to another process. Calls through an asynchronous engine have to be awaited and are left to a
    person.
    """

    code = "VM505"
    name = "private-rpc"
    summary = "workers are called through a private method"
    level = Level.ERROR
    safety = Safety.UNSAFE
    examples = (
        Example(
            before=(
                "from vllm import LLM\n\n\ndef sync(llm: LLM, name, tensor):\n"
                '    llm.llm_engine.model_executor._run_workers("update_weight", name, tensor=tensor)\n'
            ),
            after=(
                "from vllm import LLM\n\n\ndef sync(llm: LLM, name, tensor):\n"
                '    llm.collective_rpc("update_weight", args=(name,), kwargs={"tensor": tensor})\n'
            ),
            unsafe=True,
        ),
        Example(
            before=(
                "from vllm import LLM\n\n\ndef sync(llm: LLM, name):\n"
                '    return llm.collective_rpc("update_weight", args=(name,))\n'
            ),
            unchanged=True,
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield calls of the executor's private methods."""
        change = context.facts.change(
            Subject.ATTRIBUTE, "model_executor._run_workers", context.source, context.target
        )
        if change is None:
            return
        for chain in file.chains:
            for call in chain.method_calls:
                if call.method in PRIVATE_CALLS:
                    code = _rpc(file, chain, call)
                    yield make_finding(
                        self,
                        file,
                        call.span,
                        f"{call.method} is gone from the executor: {change.fact.because}",
                        fact=change.fact,
                        edits=(ReplaceExpression(call.span, code),) if code else (),
                        advice="remove the call: V1 keeps no such loop"
                        if "loop" in call.method
                        else change.fact.advice,
                        certainty=chain.certainty,
                    )


def _rpc(file: FileFacts, chain: Chain, call: MethodCall) -> str | None:
    """The call as a collective_rpc, or None where that can't be written."""
    if chain.attributes[:2] != ("llm_engine", "model_executor") or "run_workers" not in call.method:
        return None
    arguments = file.text(call.arguments_span).strip()
    source = f"f({arguments}\n)"
    try:
        tree = ast.parse(source, mode="eval").body
    except SyntaxError:
        return None
    if not isinstance(tree, ast.Call) or not tree.args or any(isinstance(a, ast.Starred) for a in tree.args):
        return None
    if any(keyword.arg is None for keyword in tree.keywords):
        return None
    parts = [ast.get_source_segment(source, node) or "" for node in tree.args]
    code = f"{chain.root}.collective_rpc({parts[0]}"
    if parts[1:]:
        code += f", args=({', '.join(parts[1:])}{',' if len(parts) == 2 else ''})"  # noqa: PLR2004 (a tuple of one)
    if tree.keywords:
        pairs = ", ".join(f'"{k.arg}": {ast.get_source_segment(source, k.value)}' for k in tree.keywords)
        code += f", kwargs={{{pairs}}}"
    return f"{code})"
