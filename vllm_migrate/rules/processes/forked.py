"""VM806: an engine in a process that can't have one on V1."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, ReplaceExpression, ReplaceText, Safety
from vllm_migrate.facts.model import Subject
from vllm_migrate.files.located import FileKind, Span
from vllm_migrate.files.python import parse_python
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.engines import engine_calls
from vllm_migrate.rules.finding import make_finding, since
from vllm_migrate.rules.processes.variables import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Edit, Finding
    from vllm_migrate.facts.model import Fact, State
    from vllm_migrate.files.located import FileFacts, Variable
    from vllm_migrate.rules.base import Context

_METHOD = "VLLM_WORKER_MULTIPROC_METHOD"
_MAPS = frozenset(
    ("map", "map_async", "imap", "imap_unordered", "starmap", "starmap_async", "apply", "apply_async")
)


class ForkedEngine(Rule):
    """An engine is built in a process that V1 can't start one from.

    ## What it does
    Finds engines built in functions that `multiprocessing.Pool` or a `Process(daemon=True)` runs, and
    `VLLM_WORKER_MULTIPROC_METHOD=forkserver`, which becomes `spawn`.

    ## Why it matters
    V0 with one GPU ran in the process that built it. V1 starts a process for the engine, and the workers of
    a pool and other daemonic processes may not start any: "daemonic processes are not allowed to have
    children". `forkserver` is refused since 0.11.0.

    ## Fix safety
    Unsafe for the variable: spawned workers import the main module again. Processes are left to a person:
    start them with `daemon=False` (`concurrent.futures.ProcessPoolExecutor` does), or keep the engine in them
    with `VLLM_ENABLE_V1_MULTIPROCESSING=0`.
    """

    code = "VM806"
    name = "forked-engine-process"
    summary = "an engine is built where V1 can't start its process"
    level = Level.ERROR
    safety = Safety.UNSAFE
    kinds = KINDS
    examples = (
        Example(
            before=f'import os\n\nos.environ["{_METHOD}"] = "forkserver"\n',
            after=f'import os\n\nos.environ["{_METHOD}"] = "spawn"\n',
            unsafe=True,
        ),
        Example(
            before=f"export {_METHOD}=forkserver\npython train.py\n",
            after=f"export {_METHOD}=spawn\npython train.py\n",
            file_name="run.sh",
            unsafe=True,
        ),
        Example(
            before=(
                "import multiprocessing\n\nfrom vllm import LLM\n\n\ndef work(prompts):\n"
                '    return LLM("m").generate(prompts)\n\n\ndef run(shards):\n'
                "    with multiprocessing.Pool(2) as pool:\n        return pool.map(work, shards)\n"
            ),
        ),
        Example(
            before=(
                "from multiprocessing import Process\n\nfrom vllm import LLM\n\n\ndef work(prompts):\n"
                '    return LLM("m").generate(prompts)\n\n\ndef run(prompts):\n'
                "    Process(target=work, args=(prompts,)).start()\n"
            ),
            unchanged=True,
        ),
        Example(before=f'import os\n\nos.environ["{_METHOD}"] = "spawn"\n', unchanged=True),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield the variable and the processes."""
        refused = context.facts.on_target(Subject.BEHAVIOUR, "spawn-or-fork-only", context.target)
        if refused is not None:
            yield from self._forkserver(file, *refused)
        moved = context.facts.change(Subject.BEHAVIOUR, "engine-process", context.source, context.target)
        if file.kind is FileKind.PYTHON and moved and not file.use.engine_in_process:
            yield from self._daemonic(file)

    def _forkserver(self, file: FileFacts, fact: Fact, state: State) -> Iterator[Finding]:
        for variable in file.variables:
            if variable.name == _METHOD and not variable.dead and variable.value.literal == "forkserver":
                yield make_finding(
                    self,
                    file,
                    variable.span,
                    f"{_METHOD}=forkserver is refused{since(state)}: {fact.because}",
                    fact=fact,
                    safety=Safety.UNSAFE,
                    edits=_spawned(file, variable),
                    precondition="the main module can be imported again",
                )

    def _daemonic(self, file: FileFacts) -> Iterator[Finding]:
        if b"multiprocessing" not in file.source:
            return
        built = {call.function.rpartition(".")[2]: call for call in engine_calls(file)}
        for name, place in _targets(file) if built else ():
            call = built.get(name)
            if name and call is not None:
                yield make_finding(
                    self,
                    file,
                    place,
                    f"{name} builds an engine in a daemonic process, which can't start V1's engine process",
                    safety=Safety.MANUAL,
                    advice=(
                        "run it in a Process(daemon=False) or a concurrent.futures.ProcessPoolExecutor,"
                        " or set VLLM_ENABLE_V1_MULTIPROCESSING=0 in it before vLLM is imported"
                    ),
                    certainty=call.certainty,
                )


def _spawned(file: FileFacts, variable: Variable) -> tuple[Edit, ...]:
    """The edit that makes the value `spawn`, where it stands as it is."""
    written = file.text(variable.span)
    at = written.rfind("forkserver")
    if written.count("forkserver") != 1:
        return ()
    if file.kind is not FileKind.PYTHON:
        start = variable.span.start + len(written[:at].encode(file.encoding))
        return (ReplaceText(Span(start, start + len("forkserver")), "spawn"),)
    parsed = parse_python(file.path, file.source)
    for node in ast.walk(parsed.module):
        if isinstance(node, ast.Constant) and node.value == "forkserver":
            span = parsed.text.span(node)
            if variable.span.start <= span.start and span.end <= variable.span.end:
                quote = file.text(span)[0]
                return (ReplaceExpression(span, f"{quote}spawn{quote}"),)
    return ()


def _targets(file: FileFacts) -> Iterator[tuple[str, Span]]:
    """Functions of the file that a pool or a daemonic process runs, with where it is told to."""
    parsed = parse_python(file.path, file.source)
    pools = {
        ast.unparse(target)
        for node in ast.walk(parsed.module)
        for value, target in _bound(node)
        if isinstance(value, ast.Call) and ast.unparse(value.func).rpartition(".")[2] == "Pool"
    }
    for node in ast.walk(parsed.module):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        if isinstance(called, ast.Attribute) and called.attr in _MAPS and node.args:
            if ast.unparse(called.value) in pools:
                yield ast.unparse(node.args[0]), parsed.text.span(node.args[0])
        elif ast.unparse(called).rpartition(".")[2] == "Process":
            given = {k.arg: k.value for k in node.keywords}
            daemon, target = given.get("daemon"), given.get("target")
            if isinstance(daemon, ast.Constant) and daemon.value is True and target is not None:
                yield ast.unparse(target), parsed.text.span(target)


def _bound(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """What is bound by an assignment or a `with`, and to what."""
    if isinstance(node, ast.Assign):
        yield from ((node.value, target) for target in node.targets)
    elif isinstance(node, ast.withitem) and node.optional_vars is not None:
        yield node.context_expr, node.optional_vars
