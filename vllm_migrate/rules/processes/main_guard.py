"""VM801: an engine is built while the main module is imported."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, Safety, WrapInMain
from vllm_migrate.facts.model import Subject
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.finding import make_finding
from vllm_migrate.rules.module import parsed_module
from vllm_migrate.rules.processes.spawned import why_spawned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Edit, Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Span
    from vllm_migrate.rules.base import Context

_STARTS = frozenset({"vllm.LLM", "vllm.AsyncLLMEngine.from_engine_args", "vllm.LLMEngine.from_engine_args"})
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_PROCESS = "V1 starts the engine in a process of its own, which"


class MissingMainGuard(Rule):
    """An engine is built at the top level of a module, without a `__main__` guard.

    ## What it does
    Moves the top-level code from the engine on into `main()` and calls it under `if __name__ == "__main__":`.
    Where functions read the engine as a global, or follow it, or other modules import the file, it is said
    where to build it. Left alone are modules that pytest runs, and applications that a server imports.

    It is a warning where the file, or what runs it, shows that the engine's process is spawned:
    `VLLM_WORKER_MULTIPROC_METHOD=spawn`, or CUDA that is used above the engine. Else it is a note: on GPUs
    vLLM forks, and a fork imports nothing again.

    ## Why it matters
    V1 starts the engine in a process of its own. Where that process is spawned, as it is once CUDA is in
    use, under WSL and in the builds for CPUs and XPUs, it imports the main module again, builds an engine
    again, and Python stops it with "An attempt has been made to start a new process before the current
    process has finished its bootstrapping phase".

    ## Fix safety
    Unsafe: what moves into `main()` is no longer there for other modules and for functions that read it as
    a global.
    """

    code = "VM801"
    name = "missing-main-guard"
    summary = "an engine is built while the main module is imported"
    level = Level.WARNING
    safety = Safety.UNSAFE
    examples = (
        Example(
            before='from vllm import LLM\n\nllm = LLM("m")\nprint(llm.generate(["a"]))\n',
            after=(
                "from vllm import LLM\n"
                "\n"
                "\n"
                "def main():\n"
                '    llm = LLM("m")\n'
                '    print(llm.generate(["a"]))\n'
                "\n"
                "\n"
                'if __name__ == "__main__":\n'
                "    main()\n"
            ),
            unsafe=True,
        ),
        Example(
            before=(
                "from vllm import LLM\n"
                "\n"
                'if __name__ == "__main__":\n'
                '    llm = LLM("m")\n'
                '    print(llm.generate(["a"]))\n'
            ),
            unchanged=True,
        ),
        Example(
            before=(
                'from vllm import LLM\n\nllm = LLM("m")\n\n\ndef answer(prompt):\n'
                "    return llm.generate([prompt])\n"
            ),
        ),
        Example(before='from vllm import LLM\n\n\ndef build():\n    return LLM("m")\n', unchanged=True),
        Example(
            before=(
                'from vllm import LLM\n\nllm = LLM("m")\n\n\ndef test_answer():\n'
                '    assert llm.generate(["a"])\n'
            ),
            unchanged=True,
            file_name="test_engine.py",
        ),
        Example(
            before="from functools import partial\n\nfrom vllm import LLM\n\nbuild = partial(LLM, seed=1)\n",
            unchanged=True,
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield the first engine that is built on import."""
        change = context.facts.change(Subject.BEHAVIOUR, "engine-process", context.source, context.target)
        if change is None or file.use.engine_in_process or _is_run_by_another(file):
            return
        for call in file.calls:
            if call.at_import and not call.dead and call.target in _STARTS:
                why = why_spawned(file, call, context)
                again = (
                    f"is spawned here ({why}) and imports the main module again"
                    if why
                    else "imports the main module again where it is spawned: on CPUs and XPUs, under WSL,"
                    " or once CUDA is in use"
                )
                yield make_finding(
                    self,
                    file,
                    call.callee,
                    f"{file.text(call.callee)}(...) runs when the module is imported: {_PROCESS} {again}",
                    fact=change.fact,
                    level=Level.WARNING if why else Level.NOTE,
                    edits=_wrap(file, call.span),
                    advice=_advice(file, context),
                    certainty=call.certainty,
                )
                return


def _is_run_by_another(file: FileFacts) -> bool:
    """Whether pytest or a server's own command imports the file: then that is the main module."""
    source = file.source
    if b"def test_" in source and re.search(rb"^(?:async )?def test_", source, re.MULTILINE):
        return b"pytest.main" not in source and not file.use.main_guard
    if b"app = " not in source or b".run(" in source:
        return False
    return (
        re.search(rb"^app = (?:FastAPI|Flask|Starlette|Quart|Litestar)\(", source, re.MULTILINE) is not None
    )


def _wrap(file: FileFacts, span: Span) -> tuple[Edit, ...]:
    """The edit that wraps from the top-level statement around the span on, where nothing keeps it from that.

    What moves into `main()` is no global any more: no function may read it, and none may be defined there.
    """
    if file.use.main_guard:
        return ()
    module, text = parsed_module(file.path, file.source)
    body = module.tree.body
    for index, statement in enumerate(body):
        place = text.span(statement)
        if place.start <= span.start and span.end <= place.end:
            moved = body[index:]
            if any(isinstance(one, _DEFINITIONS) for one in moved):
                return ()
            bound = _names(moved, ast.Store)
            read = _names([one for one in body[:index] if isinstance(one, _DEFINITIONS)], ast.Load)
            return () if bound & read else (WrapInMain(place),)
    return ()


def _names(statements: list[ast.stmt], context: type[ast.expr_context]) -> set[str]:
    return {
        node.id
        for statement in statements
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, context)
    }


def _advice(file: FileFacts, context: Context) -> str:
    """What to write where the code can't be moved into a function as it is."""
    name = file.path.stem
    imports = re.compile(
        rb"^[ \t]*(?:from[ \t]+(?:[\w.]*\.)?%s[ \t]+import\b|import[ \t]+(?:[\w.]*\.)?%s\b"
        rb"|from[ \t]+[\w.]+[ \t]+import[ \t]+%s\b)" % ((name.encode(),) * 3),
        re.MULTILINE,
    )
    others = context.mentions.code(name.encode(), file.path) if context.mentions is not None else ()
    if any(imports.search(source) for _, source in others):
        return (
            "other modules import this one: build the engine in a function that they call when they need it, "
            'from a script whose own code stands under `if __name__ == "__main__":`'
        )
    return (
        'build it under `if __name__ == "__main__":` with all that runs after it; assigned there, not in a '
        "function, its name stays the global that functions read"
    )
