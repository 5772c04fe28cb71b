"""VM806: an engine in a process that can't have one on V1."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, ReplaceExpression, ReplaceText, Safety
from vllm_migrate.facts.model import Subject
from vllm_migrate.files.kinds import FileKind
from vllm_migrate.files.located import Span
from vllm_migrate.files.python import parse_python
from vllm_migrate.resolve.syntax import FUNCTIONS
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.engines import engine_calls
from vllm_migrate.rules.finding import make_finding, since
from vllm_migrate.rules.processes.variables import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from vllm_migrate.edits.model import Edit, Finding
    from vllm_migrate.facts.model import Fact, State
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Call, Variable
    from vllm_migrate.files.python import ParsedPython
    from vllm_migrate.rules.base import Context

_METHOD = "VLLM_WORKER_MULTIPROC_METHOD"
_MAPS = frozenset(
    ("map", "map_async", "imap", "imap_unordered", "starmap", "starmap_async", "apply", "apply_async")
)

_DEEPEST = 4


class ForkedEngine(Rule):
    """An engine is built in a process that V1 can't start one from.

    ## What it does
    Finds engines built in functions that `multiprocessing.Pool` or a daemonic `Process` runs
    (`daemon=True`, `process.daemon = True`, `torch.multiprocessing.spawn(daemon=True)`), by themselves or by
    what they call in the same file, and `VLLM_WORKER_MULTIPROC_METHOD=forkserver`, which becomes `spawn`.

    `multiprocessing.set_start_method()` is left alone: vLLM takes its context by name, from that variable,
    and forks unless CUDA is in use or Ray or the variable asks for `spawn`, on V0 as on V1. A child of
    `os.fork()` is not daemonic and may start V1's process; where the parent has used CUDA it can't use it on
    either engine.

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
                "from multiprocessing import Process\n\nfrom vllm import LLM\n\n\ndef load():\n"
                '    return LLM("m")\n\n\ndef work(prompts):\n    return load().generate(prompts)\n\n\n'
                "def run(prompts):\n    process = Process(target=work, args=(prompts,))\n"
                "    process.daemon = True\n    process.start()\n"
            ),
        ),
        Example(
            before=(
                "import torch.multiprocessing as mp\n\nfrom vllm import LLM\n\n\ndef work(rank):\n"
                '    LLM("m", seed=rank)\n\n\ndef run():\n    mp.spawn(work, nprocs=2, daemon=True)\n'
            ),
        ),
        Example(
            before=(
                "import torch.multiprocessing as mp\n\nfrom vllm import LLM\n\n\ndef work(rank):\n"
                '    LLM("m", seed=rank)\n\n\ndef run():\n'
                '    mp.set_start_method("fork")\n    mp.spawn(work, nprocs=2)\n'
            ),
            unchanged=True,
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
        direct = {call.function.rpartition(".")[2]: call for call in engine_calls(file)}
        if not direct:
            return
        parsed = parse_python(file.path, file.source)
        built = _builders(parsed.module, direct)
        for name, place in _targets(parsed):
            call = built.get(name.removeprefix("self."))
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


def _builders(module: ast.Module, direct: Mapping[str, Call]) -> dict[str, Call]:
    """The functions that build an engine, by what they call in the same file, too."""
    calls = {
        node.name: {
            ast.unparse(inner.func).removeprefix("self.")
            for inner in ast.walk(node)
            if isinstance(inner, ast.Call) and isinstance(inner.func, (ast.Name, ast.Attribute))
        }
        for node in ast.walk(module)
        if isinstance(node, FUNCTIONS)
    }
    found = {name: call for name, call in direct.items() if name}
    for _ in range(_DEEPEST):  # from caller to caller
        for name, called in calls.items():
            reached = next((found[one] for one in called if one in found and one != name), None)
            if reached is not None:
                found.setdefault(name, reached)
    return found


def _targets(parsed: ParsedPython) -> Iterator[tuple[str, Span]]:
    """Functions of the file that a pool or a daemonic process runs, with where it is told to."""
    daemons = {
        ast.unparse(target.value)
        for node in ast.walk(parsed.module)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and node.value.value is True
        for target in node.targets
        if isinstance(target, ast.Attribute) and target.attr == "daemon"
    }
    named = {value: ast.unparse(target) for node in ast.walk(parsed.module) for value, target in _bound(node)}
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
            target = given.get("target")
            if target is not None and (_is_true(given.get("daemon")) or named.get(node) in daemons):
                yield ast.unparse(target), parsed.text.span(target)
        elif (
            ast.unparse(called).rpartition(".")[2] == "spawn"
            and node.args
            and any(keyword.arg == "daemon" and _is_true(keyword.value) for keyword in node.keywords)
        ):
            yield ast.unparse(node.args[0]), parsed.text.span(node.args[0])


def _is_true(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def _bound(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """What is bound by an assignment or a `with`, and to what."""
    if isinstance(node, ast.Assign):
        yield from ((node.value, target) for target in node.targets)
    elif isinstance(node, ast.withitem) and node.optional_vars is not None:
        yield node.context_expr, node.optional_vars
