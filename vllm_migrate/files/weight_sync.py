"""Located facts about weights on their way into an engine: its workers, what is sent to them, and when."""

from __future__ import annotations

from vllm_migrate.files.located import Certainty, Span
from vllm_migrate.values import dataclass


@dataclass(frozen=True, slots=True)
class WorkerMethod:
    """A method that runs on the workers: of a worker extension, or of a class derived from a Worker.

    Attributes:
        parameters: their names without `self`; `body` the first statement after the docstring.
        converts: the parameters that it starts by calling something on: `dtype = by_name(dtype)`.
    """

    name: str
    name_span: Span
    parameters: tuple[str, ...]
    body: Span
    converts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkerClass:
    """A class whose methods run on the workers, as far as the file tells.

    Attributes:
        qualified: "package.module.Class", from the file's place in the project.
        named: some string in this file names it.
        derived: it derives from a class of vLLM's.
        constructor: its `__init__`; None without one.
        attributes: what a class without `__init__` has in its place, one `name = value` a line, where the
            constructor only calls the base's and sets constants; None where it does more.
        calls_super: it calls `super()` outside of `__init__`.
    """

    name: str
    qualified: str
    name_span: Span
    methods: tuple[WorkerMethod, ...]
    named: bool = False
    derived: bool = False
    constructor: Span | None = None
    attributes: str | None = None
    calls_super: bool = False


@dataclass(frozen=True, slots=True)
class RpcArgument:
    """Something sent to the workers by `collective_rpc` or `apply_model` that isn't plain data.

    Attributes:
        kind: "function", "dtype", "tensor" or "handle" (of CUDA IPC, which holds functions).
        method: the worker's method that gets it, "" where a function is called instead.
        place: its index among the arguments, as text, or its keyword; "" for the function that is called.
        span: the expression, `source` its text; `call` the whole call.
    """

    kind: str
    method: str
    place: str
    span: Span
    source: str
    call: Span
    certainty: Certainty = Certainty.CERTAIN
    dead: bool = False


@dataclass(frozen=True, slots=True)
class WeightUpdate:
    """A call on the trainer's side that changes an engine's weights.

    Attributes:
        engine: the expression that holds the engine, as text ("self.llm").
        owner: its class ("vllm.LLM", "vllm.AsyncLLMEngine"), "ray:vllm.LLM" for an actor, "" where unknown.
        span: the call.
        point: the statement after which the last tensor is in place; None where the code doesn't show it.
        unclear: why it doesn't: "returned", "expression", "one-tensor" (its callers send the others).
        headers: `for` and `if` headers, outermost first, that belong around what is done after `point`.
        is_async: it stands in an `async def`.
        function: qualified name of the function around it, "" at module level.
        reset: the prefix cache is reset after it, by this function, its callers or a method beside it; or it
            is empty, because the engine was woken up before it and is put to sleep in the same file.
        woken: the engine is woken up before it in the same function.
        paused: generation is paused before it in the same function.
    """

    engine: str
    owner: str
    span: Span
    point: Span | None = None
    unclear: str = ""
    headers: tuple[str, ...] = ()
    is_async: bool = False
    function: str = ""
    reset: bool = False
    woken: bool = False
    paused: bool = False
    certainty: Certainty = Certainty.CERTAIN
    dead: bool = False


@dataclass(frozen=True, slots=True)
class WithPatch:
    """A `with` block whose items patch something by name, as TRL's first colocated generation did.

    Attributes:
        items: per context item its target string ("torch.distributed.get_world_size"), span, and, where
            the item is a name bound earlier, the span of that binding statement.
        statement: the whole block; `body` its body.
    """

    items: tuple[PatchItem, ...]
    statement: Span
    body: Span


@dataclass(frozen=True, slots=True)
class PatchItem:
    """One `patch("dotted.target", ...)` and where it is used."""

    target: str
    span: Span
    binding: Span | None = None
