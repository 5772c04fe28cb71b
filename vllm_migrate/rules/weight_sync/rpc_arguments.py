"""VM507: what is sent to the workers can't be sent."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import InsertStatement, Level, ReplaceExpression, Safety
from vllm_migrate.facts.model import Subject
from vllm_migrate.files.located import Certainty
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.finding import make_finding, one_line
from vllm_migrate.rules.weight_sync.kept_here import is_kept_here
from vllm_migrate.rules.weight_sync.switch import switch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Edit, Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.weight_sync import RpcArgument, WorkerMethod
    from vllm_migrate.rules.base import Context

_LITERAL = re.compile(r"^torch\.\w+$")
_ALLOW = "VLLM_ALLOW_INSECURE_SERIALIZATION"
_TEXT = re.compile(rb"\bdtype=(?:str\(|f?[\"'])")
_MAKERS = ("reduce_tensor", "share_cuda", "ForkingPickler")  # of handles of CUDA IPC
_WORKER = (
    "import torch\nfrom vllm import LLM\n\n\nclass Sync:\n    def update_weight(self, name, dtype, shape):\n"
)
_BODY = (
    "        weight = torch.empty(shape, dtype=dtype)\n"
    "        self.model_runner.model.load_weights([(name, weight)])\n"
)
_CALLER = '\n\ndef send(name, tensor):\n    llm = LLM("m", worker_extension_cls="train.Sync")\n'


class RpcArguments(Rule):
    """A dtype, a tensor or a function is sent to the workers through `collective_rpc` or `apply_model`.

    ## What it does
    Sends a dtype by its name, `str(dtype).split(".")[-1]`, and has the worker's method look it up again with
    `getattr(torch, dtype)`. A function, or a handle of CUDA IPC, which holds functions, is allowed by setting
    `VLLM_ALLOW_INSECURE_SERIALIZATION=1` before vLLM is imported, where the engine is built. A tensor is
    reported with what to do instead. A message that asks another process for a call counts as the call:
    `{"method": "collective_rpc", "kwargs": {"method": "update_weight", "args": (name, dtype, shape)}}`.

    ## Why it matters
    V0 handed the objects over, or pickled them. V1's engine lives in another process and takes plain data: a
    dtype or a function raises `TypeError: Object of type ... is not serializable`, while the trainer already
    waits in the broadcast, so that the run hangs. A tensor arrives as a list of its dtype, shape and bytes.
    An engine in the trainer's own process takes everything, and nothing is reported there.

    ## Fix safety
    Unsafe: both sides have to change together, and other callers of the worker's method may send it a dtype
    still, which the new line allows. The variable lets the engine unpickle what it is sent, which must not be
    open to strangers.
    """

    code = "VM507"
    name = "rpc-arguments"
    summary = "what is sent to the workers is no plain data"
    level = Level.ERROR
    safety = Safety.UNSAFE
    examples = (
        Example(
            before=(
                f"{_WORKER}{_BODY}{_CALLER}"
                '    llm.collective_rpc("update_weight", args=(name, tensor.dtype, tuple(tensor.shape)))\n'
            ),
            after=(
                f"{_WORKER}"
                "        dtype = getattr(torch, dtype) if isinstance(dtype, str) else dtype\n"
                f"{_BODY}{_CALLER}"
                '    llm.collective_rpc("update_weight", args=(name, str(tensor.dtype).split(".")[-1], '
                "tuple(tensor.shape)))\n"
            ),
            unsafe=True,
        ),
        Example(
            before=(
                "from vllm import LLM\n\n\ndef norm():\n"
                '    llm = LLM("m")\n'
                "    return llm.apply_model(lambda model: float(model.lm_head.weight.norm()))\n"
            ),
            after=(
                "import os\n\n"
                f'os.environ.setdefault("{_ALLOW}", "1")  # a function is sent to the engine\'s process\n\n'
                "from vllm import LLM\n\n\ndef norm():\n"
                '    llm = LLM("m")\n'
                "    return llm.apply_model(lambda model: float(model.lm_head.weight.norm()))\n"
            ),
            unsafe=True,
        ),
        Example(
            before=(
                "from vllm import LLM\n\n\ndef send(llm: LLM, model):\n"
                "    for name, tensor in model.named_parameters():\n"
                '        llm.collective_rpc("load_weight", args=(name, tensor.data.cpu()))\n'
            ),
        ),
        Example(
            before=(
                "import os\n\n"
                'os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"\n'
                "from vllm import LLM\n\n\ndef send(llm: LLM, tensor):\n"
                '    llm.collective_rpc("load_weight", args=(tensor.dtype,))\n'
            ),
            unchanged=True,
        ),
        Example(
            before=(
                "from vllm import LLM\n\n\ndef send(llm: LLM, name, dtype: str):\n"
                '    llm.collective_rpc("update_weight", args=(name, dtype))\n'
            ),
            unchanged=True,
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield what can't be sent, and the methods that get a dtype by its name from other files."""
        use = context.project
        allowed = use.pickles or file.use.pickles  # the file's own sign is newer where it was just rewritten
        if allowed or not (file.sent or use.sends_dtype) or is_kept_here(file, use):
            return
        change = context.facts.change(Subject.BEHAVIOUR, "rpc-callables", context.source, context.target)
        if change is None:
            return
        functions = any(sent.kind == "function" and not sent.dead for sent in file.sent)
        what = "a function is" if functions else "handles are"
        allow = switch(file, _ALLOW, "1", f"{what} sent to the engine's process")
        here = set()
        for sent in file.sent:
            if sent.dead or _is_plain(sent, context):
                continue
            here.add((sent.method, sent.place))
            message, edits, advice = _judged(file, sent, context, allow)
            beside = _handles_beside(file, sent, context)
            if beside:
                edits = ()
                advice = (
                    f'os.environ["{_ALLOW}"] = "1" before vLLM is imported, with which both can be sent: '
                    f"where {beside} holds handles of CUDA IPC, it can't be either, whatever the dtype is"
                )
            if sent.kind in ("function", "handle") and edits:
                allow = None  # once in a file
            yield make_finding(
                self,
                file,
                sent.span,
                message,
                fact=change.fact,
                level=Level.WARNING if sent.certainty is Certainty.LIKELY else Level.ERROR,
                safety=Safety.UNSAFE,
                edits=edits,
                advice=advice,
                precondition="every caller of the worker's method is in this project"
                if sent.kind == "dtype"
                else "nobody else can send the engine anything",
                certainty=sent.certainty,
            )
        for method, parameter in _receivers(file, context.project.sends_dtype - here):
            looked_up = _looked_up(file, method, parameter)
            if looked_up is not None and not _goes_as_text(method.name, context):
                yield make_finding(
                    self,
                    file,
                    method.name_span,
                    f"{method.name} is sent {parameter} as a dtype, which V1 can't send: it gets its name",
                    fact=change.fact,
                    safety=Safety.UNSAFE,
                    edits=looked_up,
                    advice=f"{_lookup(parameter)}, at the start of {method.name}",
                    precondition="every caller of the worker's method is in this project",
                )


def _handles_beside(file: FileFacts, sent: RpcArgument, context: Context) -> str:
    """What is sent with a dtype and is made of handles by its name alone, of which nothing is said."""
    if sent.kind != "dtype":
        return ""
    beside = (
        one
        for one in file.sent
        if one.kind == "handle" and one.method == sent.method and not one.dead and _is_plain(one, context)
    )
    return next((one_line(one.source) for one in beside), "")


def _is_plain(sent: RpcArgument, context: Context) -> bool:
    """Whether what only its name makes a dtype or a handle is none, by what the rest of the project does.

    The worker's method converts what it gets as this parameter, or whoever calls for it in the project hands
    on text; or nothing in the project makes handles.
    """
    if sent.certainty is Certainty.CERTAIN:
        return False
    if sent.kind == "dtype":
        return (sent.method, sent.source) in context.project.converts or _goes_as_text(sent.method, context)
    return sent.kind == "handle" and context.mentions is not None and not context.mentions.any_of(*_MAKERS)


def _goes_as_text(method: str, context: Context) -> bool:
    """Whether the project's calls of the method's name hand a dtype on, all of them as text."""
    if context.mentions is None or not method:
        return False
    called = re.compile(rb"\b%s(?:\.remote)?\(((?:[^()]|\([^()]*\))*)\)" % re.escape(method.encode()))
    given = [
        found
        for _, _, source in context.mentions.files_with(method.encode())
        for found in called.findall(source)
        if b"dtype=" in found
    ]
    return bool(given) and all(_TEXT.search(one) for one in given)


def _judged(
    file: FileFacts, sent: RpcArgument, context: Context, allow: Edit | None
) -> tuple[str, tuple[Edit, ...], str]:
    """Message, edits and advice for one thing that is sent."""
    source = one_line(sent.source)
    if sent.kind == "handle":
        message = f"{source} holds functions, which V1 can't send to {sent.method or 'the workers'}"
        advice = (
            f'os.environ["{_ALLOW}"] = "1" before vLLM is imported, or the handles pickled into bytes here '
            f"and unpickled in {sent.method or 'the function'}"
        )
        return message, (allow,) if allow else (), advice
    if sent.kind == "function":
        message = f"the function {source} is sent to the engine's process, which takes plain data"
        advice = (
            f'os.environ["{_ALLOW}"] = "1" before vLLM is imported, or a method of a worker_extension_cls '
            "called by its name"
        )
        return message, (allow,) if allow else (), advice
    if sent.kind == "tensor":
        message = f"{source} is a tensor: {sent.method} gets a list of its dtype, shape and bytes instead"
        advice = (
            f"send {sent.method} the name, the dtype's name and the shape, and the tensor itself by a "
            "broadcast of torch.distributed or by a handle of CUDA IPC"
        )
        return message, (), advice
    name = f'"{source.removeprefix("torch.")}"' if _LITERAL.match(source) else f'str({source}).split(".")[-1]'
    message = f"{source} is a torch.dtype, which V1 can't send to {sent.method or 'the workers'}"
    advice = f"{name} in its place, and dtype = getattr(torch, dtype) in {sent.method or 'the function'}"
    replaced = ReplaceExpression(sent.span, name)
    receivers = list(_receivers(file, frozenset({(sent.method, sent.place)})))
    if receivers:
        looked_up = [_looked_up(file, *receiver) for receiver in receivers]
        if any(edits == () for edits in looked_up):
            return message, (), advice
        return message, (replaced, *(edit for edits in looked_up for edit in edits or ())), advice
    return message, (replaced,) if sent.method in context.project.worker_methods else (), advice


def _receivers(file: FileFacts, places: frozenset[tuple[str, str]]) -> Iterator[tuple[WorkerMethod, str]]:
    """The methods in this file that get a dtype at some of these places, each with its parameter."""
    for worker in file.workers:
        for method in worker.methods:
            for name, place in sorted(places):
                if name != method.name:
                    continue
                if place.isdigit() and int(place) < len(method.parameters):
                    yield method, method.parameters[int(place)]
                elif place in method.parameters:
                    yield method, place


def _looked_up(file: FileFacts, method: WorkerMethod, parameter: str) -> tuple[Edit, ...] | None:
    """What makes a method take a dtype's name; None where it does already, () where it can't be written."""
    if f"getattr(torch, {parameter}" in file.text(method.body) or parameter in method.converts:
        return None
    if not re.search(rb"(?m)^(?:\xef\xbb\xbf|[ \t]+)?import torch\b(?![.])", file.source):
        return ()
    return (InsertStatement(method.body, _lookup(parameter), before=True),)


def _lookup(parameter: str) -> str:
    return f"{parameter} = getattr(torch, {parameter}) if isinstance({parameter}, str) else {parameter}"
