"""Located facts: what an adapter reads out of a file, as plain values with byte positions.

An adapter turns bytes into a `FileFacts`; rules look only at these values, never at a syntax tree, so one
rule serves a Python keyword, a dictionary entry, a YAML key and a command-line flag alike.
"""

from __future__ import annotations

import dataclasses
from dataclasses import field
from enum import Enum
from typing import TYPE_CHECKING

from vllm_migrate.files.kinds import FileKind as FileKind  # noqa: PLC0414, TC001 - handed on with the facts
from vllm_migrate.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import PurePosixPath

    from vllm_migrate.files.configurations import Configuration
    from vllm_migrate.files.parts import Part


class Certainty(str, Enum):
    """How sure the resolution is that a name means what it says."""

    CERTAIN = "certain"  # import table, one binding
    LIKELY = "likely"  # one of several bindings, a conditional import, an annotation, a naming convention
    GUESS = "guess"  # by name only: reported as a note, never edited


class PinForm(str, Enum):
    """How the version of a package is written."""

    REQUIREMENT = "requirement"  # vllm==0.8.5
    VERSION = "version"  # the version alone: the tag of vLLM's own image, a build argument
    NAMED = "named"  # inside a name that somebody else chose: the tag of an image built around vLLM


class Form(str, Enum):
    """How an argument is written."""

    KEYWORD = "keyword"  # f(name=value)
    DICT = "dict"  # {"name": value}, dict(name=value), kwargs["name"] = value, reaching a call by **
    KEY = "key"  # name: value in YAML or TOML; a field or option whose default reaches a call
    FLAG = "flag"  # --name value on a command line, also inside a Python argument list


@dataclasses.dataclass(frozen=True, slots=True, order=True)  # compared too often for `values.dataclass`
class Span:
    """A half-open range of byte offsets, `[start, end)`."""

    start: int
    end: int


class _Unresolved:
    """The one value `UNRESOLVED`: the code computes it, so reading can't tell it."""

    def __repr__(self) -> str:
        return "UNRESOLVED"

    def __bool__(self) -> bool:
        return False


UNRESOLVED = _Unresolved()


@dataclass(frozen=True, slots=True)
class Value:
    """What is written where a value stands.

    Attributes:
        source: the text as written.
        literal: its value where it is a literal (str, int, float, bool, None, list, dict), else `UNRESOLVED`.
        name: the qualified name it resolves to where it is a name, else "".
    """

    source: str
    literal: object = UNRESOLVED
    name: str = ""


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name. `import a.b as c` has name "" and module "a.b".

    Attributes:
        module: absolute module name ("vllm.utils").
        name: the name taken from it; "" for a plain `import module`, "*" for a star import.
        alias: the name it is bound to in this file.
        span: the one alias inside the statement.
        statement: the whole statement.
        guarded: inside a `try` with an `except ImportError`, under a version test or TYPE_CHECKING.
        dead: in a branch that the target version never takes.
        uses: spans of the name's later uses in this file.
        own: from a module of the project itself: TRL's own tree is no user of TRL.
        never_run: under TYPE_CHECKING, or in a `try` whose handler the target takes wherever the name is.
    """

    module: str
    name: str
    alias: str
    span: Span
    statement: Span
    guarded: bool = False
    dead: bool = False
    uses: tuple[Span, ...] = ()
    own: bool = False
    never_run: bool = False

    @property
    def qualified(self) -> str:
        """`module.name`, or the module alone."""
        return f"{self.module}.{self.name}" if self.name and self.name != "*" else self.module


@dataclass(frozen=True, slots=True)
class Reference:
    """A dotted use of something that lives under `vllm.` or `trl.`, written through an import.

    Attributes:
        qualified: "vllm.worker.worker.Worker".
        context: "name", "base" (a class base), "patch" (string target of mock.patch or monkeypatch),
            "string" (any other string that names it), "assign" (the target of an assignment).
        dead: in a branch that the target version never takes.
        never_run: in an annotation that nothing evaluates, in a `try` whose handler the target takes, or as
            the name of a logger.
        brought: what of vLLM's a module of the project has imported and this file takes from there: the
            qualified name, or its beginning; "" where this file itself takes it from vLLM.
    """

    qualified: str
    span: Span
    context: str = "name"
    certainty: Certainty = Certainty.CERTAIN
    dead: bool = False
    never_run: bool = False
    brought: str = ""


@dataclass(frozen=True, slots=True)
class Declaration:
    """What declares a field of a dataclass or an option of a parser.

    Attributes:
        statement: all of it.
        holder: the class, "" for an option; `place` how many fields of it come before.
    """

    statement: Span
    holder: str = ""
    place: int = 0


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument to something of vLLM's or TRL's, however it is written.

    Attributes:
        owner: what takes it: "engine" (LLM, EngineArgs, AsyncEngineArgs, a server's flags, engine_kwargs
            in YAML), "sampling" (SamplingParams), "generate" / "chat" / "encode" (methods of an engine),
            or a qualified class name such as "trl.GRPOConfig".
        name: in Python spelling, `swap_space` for `--swap-space`.
        span: all that goes when the argument goes (for a keyword without its comma, for a flag with its
            value).
        name_span: the name as written (for a flag without the leading dashes).
        call: index into `FileFacts.calls` of the call that takes it, or -1.
        items: what goes with it where its words are items of a list (`["--swap-space", "4"]`), else None.
        fixed: it can be told but not edited where it stands: a default that others read, words that lie
            apart, a string with escapes.
        declared: where it is a field or option of the user's own, what declares it.
    """

    owner: str
    name: str
    value: Value
    form: Form
    span: Span
    name_span: Span
    value_span: Span | None
    call: int = -1
    certainty: Certainty = Certainty.CERTAIN
    dead: bool = False
    items: Span | None = None
    fixed: bool = False
    declared: Declaration | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A call that resolves to vLLM or TRL, or to a method of an engine object.

    Attributes:
        target: qualified name: "vllm.LLM", "vllm.SamplingParams", "vllm.LLM.generate",
            "vllm.LLM.collective_rpc".
        span: the whole call expression.
        callee: the expression before the parenthesis; `receiver` the part of it before the last dot, as text.
        arguments: keyword arguments, and dictionary entries known to reach this call through `**`.
        positional: the positional arguments in order.
        open_ended: True where a `**` reaches it that could not be followed, so absence of a keyword proves
            nothing.
        wrapped: it reaches the target through a function or class of the user's that gives it arguments of
            its own; the call in there is located, too.
        presets: `functools.partial(LLM, ...)`, where an argument that is added is a default for its callers.
        own_mapping: a dictionary of the enclosing function's own that reaches it through `**`, where a key
            that is added to it before the statement at `own_mapping_before` goes nowhere else.
        function: qualified name of the enclosing function or method, "" at module level.
        at_import: runs when the module is imported: module level, not under a `__main__` guard.
    """

    target: str
    span: Span
    callee: Span
    receiver: str = ""
    arguments: tuple[Argument, ...] = ()
    positional: tuple[tuple[Value, Span], ...] = ()
    open_ended: bool = False
    wrapped: bool = False
    presets: bool = False
    own_mapping: str = ""
    own_mapping_before: Span | None = None
    function: str = ""
    at_import: bool = False
    certainty: Certainty = Certainty.CERTAIN
    dead: bool = False

    def argument(self, name: str) -> Argument | None:
        """The argument of that name, if it is given."""
        return next((a for a in self.arguments if a.name == name), None)


@dataclass(frozen=True, slots=True)
class Chain:
    """A walk into an engine's insides, `llm.llm_engine.model_executor.driver_worker.model_runner.model`.

    Attributes:
        root: the expression it starts from, as text ("self.llm"); it resolves to an engine object.
        attributes: the attributes after it, outermost last.
        span: the whole chain, `root_span` its start.
        bound_to: the local name it is assigned to where the chain is the whole right-hand side, else "".
        statement: the statement it stands in.
        method_calls: calls of a method on the chain's end or on the name it is bound to, such as
            `load_weights`.
        patched: True where the chain is the target of an assignment.
        escapes: the name it is bound to is also used otherwise than in `method_calls`.
        dead: in a branch that the target version never takes; rules don't get to see such a chain.
        owner: the class of the engine the walk starts from, "" where only the walk itself tells it.
        is_async: it stands in an `async def`.
        further: what is walked on where `bound_to` is an attribute, `self.model_runner`: ("model",).
        releases: the statements that do nothing but give what is reached there a local name.
    """

    root: str
    attributes: tuple[str, ...]
    span: Span
    root_span: Span
    statement: Span
    bound_to: str = ""
    method_calls: tuple[MethodCall, ...] = ()
    patched: bool = False
    certainty: Certainty = Certainty.CERTAIN
    escapes: bool = False
    dead: bool = False
    owner: str = ""
    is_async: bool = False
    further: tuple[str, ...] = ()
    releases: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class MethodCall:
    """`receiver.method(arguments)` where the receiver is not itself a vLLM object.

    Attributes:
        span: the call expression; `arguments_span` what stands between the parentheses.
        statement: the statement it stands in; `whole` is True where the call is all of it.
        opened: what an enclosing `with` holds open and the arguments read from, "" where there is none.
    """

    receiver: str
    method: str
    span: Span
    arguments_span: Span
    statement: Span
    whole: bool = False
    opened: str = ""


@dataclass(frozen=True, slots=True)
class Attribute:
    """A read or assignment of an attribute of a vLLM object: `output.metrics`, `sampling_params.best_of = 2`.

    Attributes:
        owner: qualified class: "vllm.SamplingParams", "vllm.RequestOutput", "vllm.CompletionOutput".
    """

    owner: str
    name: str
    span: Span
    assigned: bool = False
    certainty: Certainty = Certainty.LIKELY


@dataclass(frozen=True, slots=True)
class ClassDefinition:
    """A class with a base that resolves to vLLM.

    Attributes:
        name: its name; `bases` the qualified names of its bases, with their spans.
        bases_span: the parenthesised base list including the parentheses.
        methods: names it defines; `calls_super_init` whether it relies on the base's constructor.
    """

    name: str
    span: Span
    name_span: Span
    bases: tuple[tuple[str, Span], ...]
    bases_span: Span
    methods: tuple[str, ...] = ()
    calls_super: bool = False


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


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable set, read or removed.

    Attributes:
        action: "set", "default" (setdefault, `${X:-v}`), "read" or "unset".
        span: what goes when the setting goes: the statement, the line, or the one assignment before a
            command.
        removable: False where removing the span would leave something broken (a value used elsewhere).
    """

    name: str
    value: Value
    action: str
    span: Span
    name_span: Span
    removable: bool = True
    dead: bool = False


@dataclass(frozen=True, slots=True)
class VersionComparison:
    """vLLM's version and a bound compared as text: `vllm.__version__ >= "0.7.0"`.

    Attributes:
        operator: "<", "<=", ">" or ">=", with the version on its left, however it is written.
        bound: the version compared with, as written.
        span: the whole comparison; `version_span` and `bound_span` its two sides.
        asserted: what it says is asserted, so that the program ends where it is false.
    """

    operator: str
    bound: str
    span: Span
    version_span: Span
    bound_span: Span
    asserted: bool = False
    dead: bool = False


@dataclass(frozen=True, slots=True)
class Pin:
    """A requirement on a package: `vllm==0.8.5` in requirements, pyproject, setup.py or a `pip install`.

    Attributes:
        specifier: "==0.8.5", "" where there is none; `specifier_span` its place (empty span where there is
            none).
        form: how the version stands there.
    """

    package: str
    specifier: str
    span: Span
    specifier_span: Span
    extras: tuple[str, ...] = ()
    form: PinForm = PinForm.REQUIREMENT


@dataclass(frozen=True, slots=True)
class Use:
    """What a file does that matters to several rules: is it RL, and how does it build its engines?

    Attributes:
        reads_logprobs: reads rollout logprobs (`.logprobs`, `.cumulative_logprob`) or asks for them.
        keeps_logprobs: writes the logprobs of sampled tokens out beside the tokens, for others to read.
        waits_for_finished: drives an engine itself and only takes what is finished: steps it and looks at
            `finished`, or keeps the last of what an asynchronous one yields.
        takes_logprobs, takes_prompt_logprobs: does something with logprobs that came back, whoever asked for
            them: of sampled tokens, of prompts.
        syncs_weights: changes the weights of a live engine.
        trains: calls an optimizer, a backward pass or a TRL/verl/OpenRLHF trainer.
        main_guard: the file has `if __name__ == "__main__":`.
        resets_cache: calls reset_prefix_cache.
        engine_in_process: sets VLLM_ENABLE_V1_MULTIPROCESSING=0 (`in_process_by_variable`) or uses
            external_launcher (`launched` has the file).
        pickles: sets VLLM_ALLOW_INSECURE_SERIALIZATION.
        pauses: calls pause_generation.
        cache_on, cache_off, cache_default, cache_open: builds an engine with a prefix cache that isn't
            literally off; is off; without a word about it; with arguments that can't be followed and may say.
        updates_located: changes the weights of an engine that is known (`FileFacts.updates`).
        extensions: classes named by `worker_extension_cls` or `worker_cls`, as written.
        rpc_names: names of worker methods called through `collective_rpc`, each with the file it is in.
        extension_methods: methods of classes without a Worker as base that run on the workers, each with the
            class's qualified name.
        loose_names: strings that may name such a method elsewhere than in a `collective_rpc`.
        sends_dtype: worker methods that are sent a dtype, each with the place of the argument.
        worker_methods: methods of classes that run on the workers.
        passes_on: settings of an engine's that are written for one that is built elsewhere: a seed in the
            keywords of an actor that hands them on.
        converts: worker methods that convert a parameter themselves, each with the parameter.
        walks: files that walk to the model of an engine that another file builds.
    """

    reads_logprobs: bool = False
    takes_logprobs: bool = False
    takes_prompt_logprobs: bool = False
    syncs_weights: bool = False
    trains: bool = False
    main_guard: bool = False
    resets_cache: bool = False
    engine_in_process: bool = False
    in_process_by_variable: bool = False
    launched: frozenset[str] = frozenset()
    pickles: bool = False
    pauses: bool = False
    cache_on: bool = False
    cache_off: bool = False
    cache_default: bool = False
    cache_open: bool = False
    updates_located: bool = False
    extensions: frozenset[str] = frozenset()
    rpc_names: frozenset[tuple[str, str]] = frozenset()
    extension_methods: frozenset[tuple[str, str]] = frozenset()
    loose_names: frozenset[str] = frozenset()
    sends_dtype: frozenset[tuple[str, str]] = frozenset()
    worker_methods: frozenset[str] = frozenset()
    passes_on: frozenset[str] = frozenset()
    keeps_logprobs: bool = False
    waits_for_finished: bool = False
    converts: frozenset[tuple[str, str]] = frozenset()
    walks: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class FileFacts:
    """Everything an adapter found in one file.

    Attributes:
        path: relative to the root the user named, with forward slashes.
        source: the file's bytes, unchanged.
        encoding: how `source` decodes; `newline` its line ending as most lines have it.
        parts: the files inside it, whose facts are theirs and not repeated here.
        configurations: the mappings of other files that it hands on as keywords.
        servers: where commands name vLLM's server, in front of its flags; scripts only.
        never_imports: modules that it imports only in branches the target version never takes.
        may_import: modules that it imports in any branch, where it is read as one of a project's.
    """

    path: PurePosixPath
    kind: FileKind
    source: bytes
    encoding: str = "utf-8"
    newline: str = "\n"
    imports: tuple[Import, ...] = ()
    references: tuple[Reference, ...] = ()
    calls: tuple[Call, ...] = ()
    arguments: tuple[Argument, ...] = ()
    chains: tuple[Chain, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    classes: tuple[ClassDefinition, ...] = ()
    functions: tuple[tuple[int, int], ...] = ()  # first and last line, from 1; lambdas, too
    patches: tuple[WithPatch, ...] = ()
    updates: tuple[WeightUpdate, ...] = ()
    workers: tuple[WorkerClass, ...] = ()
    sent: tuple[RpcArgument, ...] = ()
    variables: tuple[Variable, ...] = ()
    pins: tuple[Pin, ...] = ()
    comparisons: tuple[VersionComparison, ...] = ()
    use: Use = field(default_factory=Use)
    suppressions: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()
    configurations: tuple[Configuration, ...] = ()
    servers: tuple[Span, ...] = ()
    never_imports: frozenset[str] = frozenset()
    may_import: frozenset[str] = frozenset()

    @property
    def running(self) -> Iterator[FileFacts]:
        """The facts of the file and of the parts of it that run, which is what a project consists of."""
        yield self
        for part in self.parts:
            if not part.quoted:
                yield from part.facts.running

    def text(self, span: Span) -> str:
        """The source text of a span."""
        return self.source[span.start : span.end].decode(self.encoding)
