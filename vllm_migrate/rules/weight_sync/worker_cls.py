"""VM503: an engine is given a worker class."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, RemoveArgument, RenameArgument, Safety
from vllm_migrate.facts.model import Subject
from vllm_migrate.files.located import Form
from vllm_migrate.files.python import parse_python
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.finding import make_finding, one_line
from vllm_migrate.rules.weight_sync.extension import V0_WORKERS, can_extend, is_worker, module_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Edit, Finding
    from vllm_migrate.facts.model import Fact
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Argument
    from vllm_migrate.rules.base import Context

_SERIALIZED = re.compile(r"\bdumps\(")


class WorkerCls(Rule):
    """An engine is built with `worker_cls=`, naming a class made for V0.

    ## What it does
    Passes the class as `worker_extension_cls="module.Class"`: V1 adds the methods of a plain class to its
    own Worker. A worker class of vLLM's own that is gone is dropped. A class that derives from V1's Worker
    is left alone.

    ## Why it matters
    A class that derives from V0's Worker can't be imported any more, so the engine doesn't start.

    ## Fix safety
    Unsafe: the class must be one that only adds methods, and must have lost its base (worker-subclass does
    that). Where the class is defined out of sight, look before applying.
    """

    code = "VM503"
    name = "worker-cls"
    summary = "an engine is given a worker class made for V0"
    level = Level.ERROR
    safety = Safety.UNSAFE
    examples = (
        Example(
            before=(
                'from vllm import EngineArgs\n\nargs = EngineArgs("m", worker_cls="pkg.sync.WeightSync")\n'
            ),
            after=(
                "from vllm import EngineArgs\n"
                "\n"
                'args = EngineArgs("m", worker_extension_cls="pkg.sync.WeightSync")\n'
            ),
            unsafe=True,
        ),
        Example(
            before=(
                "from vllm import EngineArgs\n"
                "from vllm.v1.worker.gpu_worker import Worker\n"
                "\n"
                "\n"
                "class Mine(Worker):\n"
                "    pass\n"
                "\n"
                "\n"
                'args = EngineArgs("m", worker_cls="train.Mine")\n'
            ),
            unchanged=True,
        ),
        Example(
            before=(
                "from vllm import EngineArgs\n"
                "\n"
                'args = EngineArgs("m", worker_extension_cls="pkg.sync.WeightSync")\n'
            ),
            unchanged=True,
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield worker classes given to an engine."""
        change = context.facts.change(Subject.BEHAVIOUR, "worker-class", context.source, context.target)
        if change is None:
            return
        for argument in file.arguments:
            if argument.owner != "engine" or argument.name != "worker_cls" or argument.dead:
                continue
            literal = argument.value.literal
            if literal in ("auto", None) or (isinstance(literal, str) and literal.startswith("vllm.v1.")):
                continue
            known = next((d for d in file.classes if d.name == _class_name(argument)), None)
            if known is not None and not is_worker(known):
                if not isinstance(literal, str):
                    yield self._by_name(file, argument, change.fact)
                continue
            if known is None and isinstance(literal, str) and _is_of_v1(literal, file, context):
                continue
            edits = _edits(file, argument) if known is None or can_extend(file, known, context) else ()
            message, advice, level = _said(file, argument, change.fact)
            yield make_finding(
                self,
                file,
                argument.span,
                message,
                fact=change.fact,
                level=level,
                edits=edits,
                advice=advice,
                precondition=change.fact.precondition,
                certainty=argument.certainty,
            )

    def _by_name(self, file: FileFacts, argument: Argument, fact: Fact) -> Finding:
        """A class of V1's is passed itself; V1 takes its name."""
        qualified = _qualified(file, argument)
        edits = (RenameArgument(argument.span, "worker_cls", f'"{qualified}"'),) if qualified else ()
        return make_finding(
            self,
            file,
            argument.span,
            f"worker_cls={argument.value.source} passes the class itself: V1 takes its dotted name",
            fact=fact,
            edits=edits,
            advice=f"worker_cls={_shown(file, argument)}",
            precondition="the engine's process can import the class by this name",
            certainty=argument.certainty,
        )


def _said(file: FileFacts, argument: Argument, fact: Fact) -> tuple[str, str, Level | None]:
    """Message, advice and level (None for the fact's) for a class that isn't V1's, or may not be."""
    value = one_line(argument.value.source)
    shown = _shown(file, argument)
    if isinstance(argument.value.literal, str) or _qualified(file, argument):
        advice = (
            f"worker_extension_cls with {shown}, its class without a base; or worker_cls with {shown}, its "
            "class derived from vllm.v1.worker.gpu_worker.Worker"
        )
        return f"worker_cls={value} names a worker made for V0: {fact.because}", advice, None
    message = f"worker_cls={value}: V1 takes the dotted name of a class there, and V0's Worker is gone"
    advice = (
        'the name, "module.Class": as worker_extension_cls where the class has no base, as worker_cls where '
        "it derives from vllm.v1.worker.gpu_worker.Worker"
    )
    return message, advice, None if _SERIALIZED.search(value) else Level.WARNING


def _is_of_v1(dotted: str, file: FileFacts, context: Context) -> bool:
    """Whether the class of that name in another file of the project derives from a worker of V1's."""
    if context.mentions is None:
        return False
    name = re.escape(dotted.rpartition(".")[2].encode())
    derived = re.compile(rb"^class[ \t]+%s\([ \t]*(\w+)" % name, re.MULTILINE)
    for _, source in context.mentions.code(b"vllm.v1.worker", file.path):
        base = derived.search(source)
        of_v1 = rb"from[ \t]+vllm\.v1\.worker[\w.]*[ \t]+import[^\n]*\b%s\b"
        if base is not None and re.search(of_v1 % base[1], source):
            return True
    return False


def _shown(file: FileFacts, argument: Argument) -> str:
    """The class as the string V1 wants."""
    if isinstance(argument.value.literal, str):
        return argument.value.source
    return f'"{_qualified(file, argument) or argument.value.source}"'


def _qualified(file: FileFacts, argument: Argument) -> str:
    """The dotted name of a class that is passed itself, "" where that can't be told."""
    source = argument.value.source
    if any(definition.name == source for definition in file.classes):
        return f"{module_of(file)}.{source}"
    for node in ast.walk(parse_python(file.path, file.source).module):
        if isinstance(node, ast.ImportFrom) and not node.level:
            for name in node.names:
                if source == (name.asname or name.name):
                    return f"{node.module}.{name.name}"
    return argument.value.name if "." in argument.value.name else ""


def _class_name(argument: Argument) -> str:
    literal = argument.value.literal
    return (literal if isinstance(literal, str) else argument.value.source).rpartition(".")[2]


def _edits(file: FileFacts, argument: Argument) -> tuple[Edit, ...]:
    if argument.form not in (Form.KEYWORD, Form.DICT):
        return ()
    literal = argument.value.literal
    if isinstance(literal, str):
        if literal in V0_WORKERS:
            return (RemoveArgument(argument.span),)
        return (RenameArgument(argument.span, "worker_extension_cls"),)
    qualified = _qualified(file, argument)
    if "." not in qualified or qualified.startswith("vllm."):
        return ()
    return (RenameArgument(argument.span, "worker_extension_cls", f'"{qualified}"'),)
