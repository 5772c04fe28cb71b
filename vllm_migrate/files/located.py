"""Located facts: where something stands in a file, in bytes, and what it is, as plain values."""

from __future__ import annotations

import dataclasses
from enum import Enum

from vllm_migrate.values import dataclass


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
            "string" (any other string that names it, certain where it is imported by it), "assign" (the
            target of an assignment).
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
        passed_over: it only gives something up, in a `try` that goes on where that fails.
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
    passed_over: bool = False


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
