"""VM411: a method of vLLM's is overridden or replaced, and the target calls it otherwise."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.facts.model import Subject
from vllm_migrate.resolve.syntax import FUNCTIONS, last_name
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.finding import make_finding, since
from vllm_migrate.rules.methods.model_interface import may_have_old_names, old_names
from vllm_migrate.rules.methods.orphaned import said_of_orphan
from vllm_migrate.rules.module import parsed_module

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.facts.model import Fact, State
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Span
    from vllm_migrate.files.positions import SourceText
    from vllm_migrate.resolve.syntax import Function
    from vllm_migrate.rules.base import Context
    from vllm_migrate.rules.module import Module

_COMPUTE = "compute_logits"
_METADATA = "sampling_metadata"
_LAYER = "from vllm.model_executor.layers.logits_processor import LogitsProcessor\n\n\n"
_MODEL = "from torch import nn\nfrom vllm.config import VllmConfig\n\n\nclass Policy(nn.Module):\n"
_OWN = (
    f"{_MODEL}    def __init__(self, *, vllm_config: VllmConfig, prefix: str = ''):\n"
    "        super().__init__()\n\n"
    "    def forward(self, input_ids, positions):\n        return self.body(input_ids, positions)\n\n"
    "    def compute_logits(self, hidden_states):\n        return self.head(hidden_states)\n\n"
)


@dataclass(frozen=True, slots=True)
class _Signature:
    """What a function of the user's takes, but for `self`."""

    names: frozenset[str]
    needed: tuple[str, ...]
    keywords: bool
    places: bool


class OverriddenMethod(Rule):
    """A method of a vLLM class is overridden or replaced by one with the parameters of another release.

    ## What it does
    Compares the parameters of methods in classes that derive from vLLM's, and of functions that are assigned
    over vLLM's methods, with those that the method has on the target. `compute_logits` with sampling metadata
    is found in every class of code that uses vLLM, and where it is called. Of models that the engine loads,
    built from `vllm_config`, `get_input_embeddings` and `get_multimodal_embeddings` are found, which have
    other names. So are overridden methods that a class doesn't have any more, where nothing else in the
    file names them.

    ## Why it matters
    It is vLLM that calls such a method: a parameter that is needed and no longer given, or given and not
    taken, raises a TypeError in the engine's process. A parameter with a default is a warning, because not
    every caller gives it. One that is gone is called by nobody: what it did isn't done, which is a warning.

    ## Fix safety
    Left to a person: what the method does with its parameters is its author's affair.
    """

    code = "VM411"
    name = "overridden-method"
    summary = "a method that vLLM calls has the parameters of another release"
    level = Level.ERROR
    safety = Safety.MANUAL
    examples = (
        Example(
            before=(
                f"{_LAYER}def in_float32(self, hidden_states, lm_head, embedding_bias):\n"
                "    return hidden_states.float() @ lm_head.weight.float().t()\n\n\n"
                "LogitsProcessor._get_logits = in_float32\n"
            ),
        ),
        Example(
            before=(
                f"{_LAYER}class Scaled(LogitsProcessor):\n"
                "    def forward(self, lm_head, hidden_states, sampling_metadata, embedding_bias=None):\n"
                "        return super().forward(lm_head, hidden_states) / 2\n"
            ),
        ),
        Example(
            before=(
                f"{_MODEL}    def compute_logits(self, hidden_states, sampling_metadata):\n"
                "        return self.logits_processor(self.lm_head, hidden_states, sampling_metadata)\n"
            ),
        ),
        Example(
            before=(
                f"{_OWN}    def get_input_embeddings(self, input_ids):\n"
                "        return self.embed(input_ids)\n\n"
                "    def get_multimodal_embeddings(self, **given):\n"
                "        return self.see(**given)\n"
            )
        ),
        Example(
            before=(
                f"{_OWN}    def embed_input_ids(self, input_ids):\n"
                "        return self.embed(input_ids)\n\n"
                "    def get_input_embeddings(self, input_ids):\n"
                "        return self.embed_input_ids(input_ids)\n"
            ),
            unchanged=True,
        ),
        Example(
            before=(
                "from vllm.multimodal.processing import BaseMultiModalProcessor, BaseProcessingInfo\n\n\n"
                "class Voice(BaseMultiModalProcessor[BaseProcessingInfo]):\n"
                "    def _call_hf_processor(self, prompt, mm_data, mm_kwargs):\n"
                "        return self.info.get_tokenizer()(prompt)\n"
            ),
        ),
        Example(
            before=(
                f"{_LAYER}def in_float32(self, hidden_states, lm_head, *others, **more):\n"
                "    return hidden_states.float() @ lm_head.weight.float().t()\n\n\n"
                "LogitsProcessor._get_logits = in_float32\n"
            ),
            unchanged=True,
        ),
        Example(
            before=(
                "from vllm.multimodal.processing import BaseMultiModalProcessor\n\n\n"
                "class Mine(BaseMultiModalProcessor):\n"
                "    def _get_data_parser(self):\n        return Parser()\n"
            ),
        ),
        Example(
            before=(
                f"{_MODEL}    def compute_logits(self, hidden_states, sampling_metadata=None):\n"
                "        return self.logits_processor(self.lm_head, hidden_states)\n"
            ),
            unchanged=True,
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield the methods whose parameters don't fit, and calls of `compute_logits` with one too many."""
        replaced = [r for r in file.references if r.context == "assign" and not r.dead]
        computes = _COMPUTE.encode() in file.source and _METADATA.encode() in file.source
        renamed = may_have_old_names(file)
        if not (file.classes or replaced or computes or renamed):
            return
        module, text = parsed_module(file.path, file.source)
        told: set[Span] = set()
        for qualified, function in _overriding(file, module, text, {r.span: r.qualified for r in replaced}):
            finding = self._compared(file, text, qualified, function, context)
            if finding is not None:
                told.add(finding.span)
                yield finding
        found = context.facts.on_target(Subject.BEHAVIOUR, "compute-logits", context.target)
        if computes and found is not None:
            for finding in self._with_metadata(file, module, text, *found):
                if finding.span not in told:
                    yield finding
        for function in old_names(module) if renamed else ():
            asked = context.facts.on_target(Subject.BEHAVIOUR, function.name, context.target)
            if asked is not None:
                yield make_finding(
                    self,
                    file,
                    _head(file, text, function),
                    f"{function.name}: {asked[0].because}",
                    fact=asked[0],
                    advice=asked[0].advice,
                )

    def _compared(
        self, file: FileFacts, text: SourceText, qualified: str, function: Function, context: Context
    ) -> Finding | None:
        surface = context.api.surface
        now = surface.parameters(qualified)
        before = context.api.at(str(context.source.version)).parameters(qualified)
        if now is None:
            return self._orphan(file, text, qualified, function, context)
        if before is None or list(now) == list(before):
            return None
        own = _signature(function)
        listed = _named(now)
        anything = any(name.startswith("*") and name != "*" for name in now)
        missing = [n for n in own.needed if n not in listed and n in _named(before) and not anything]
        given = [n for n in listed if n not in before and n not in own.names and not own.keywords]
        if not missing and (not given or own.places):
            return None
        row = next(filter(None, (_row(qualified, n, context) for n in (*missing, *given))), None)
        if missing:
            said = f"{_and(missing)} of {qualified}() is no longer given"
            told = f"vLLM calls {function.name} without, which raises"
            advice = f"give {_and(missing)} a default, or take ({', '.join(['self', *now])})"
        else:
            said = f"{qualified}() takes {_and(given)}, too"
            told = f"where vLLM gives it, {function.name} raises"
            advice = f"take {', '.join(f'{n}={now[n]}' if now[n] else n for n in given)} as well"
        return make_finding(
            self,
            file,
            _head(file, text, function),
            f"{said}{since(row[1]) if row else ''}: {told}",
            fact=row[0] if row else None,
            level=Level.ERROR if missing or any(not now[n] for n in given) else Level.WARNING,
            advice=row[0].advice if row and row[0].advice else advice,
        )

    def _orphan(
        self, file: FileFacts, text: SourceText, qualified: str, function: Function, context: Context
    ) -> Finding | None:
        said = said_of_orphan(file, qualified, context)
        if said is None:
            return None
        place = _head(file, text, function)
        return make_finding(self, file, place, said[0], level=Level.WARNING, advice=said[1])

    def _with_metadata(
        self, file: FileFacts, module: Module, text: SourceText, fact: Fact, state: State
    ) -> Iterator[Finding]:
        spans = [
            *(_head(file, text, f) for f in module.functions() if _takes_metadata(f)),
            *(text.span(call) for call in module.all(ast.Call) if _gives_metadata(call)),
        ]
        for span in spans:
            yield make_finding(
                self, file, span, f"{_COMPUTE} with {_METADATA}{since(state)}: {fact.because}",
                fact=fact, advice=fact.advice,
            )  # fmt: skip


def _takes_metadata(function: Function) -> bool:
    return function.name == _COMPUTE and _METADATA in _signature(function).needed


def _gives_metadata(call: ast.Call) -> bool:
    if getattr(call.func, "attr", "") != _COMPUTE:
        return False
    named = [last_name(one) for one in call.args[1:]]
    return any(_METADATA in name for name in named) or any(k.arg == _METADATA for k in call.keywords)


def _overriding(
    file: FileFacts, module: Module, text: SourceText, replaced: Mapping[Span, str]
) -> Iterator[tuple[str, Function]]:
    """The user's functions that stand in for methods of vLLM's, with what those are called."""
    derived = {one.span: [name for name, _ in one.bases if name.startswith("vllm.")] for one in file.classes}
    for node in module.all(ast.ClassDef) if derived else ():
        for base in derived.get(text.span(node), ()):
            for method in node.body:
                if isinstance(method, FUNCTIONS) and not method.name.startswith("__"):
                    yield f"{base}.{method.name}", method
    if not replaced:
        return
    functions = {one.name: one for one in module.functions()}
    for assigned in module.all(ast.Assign):
        function = functions.get(assigned.value.id) if isinstance(assigned.value, ast.Name) else None
        for target in assigned.targets if function is not None else ():
            qualified = replaced.get(text.span(target))
            if qualified and function is not None:
                yield qualified, function


def _signature(function: Function) -> _Signature:
    given = function.args
    places = [a.arg for a in (*given.posonlyargs, *given.args)]
    with_default = places[len(places) - len(given.defaults) :] if given.defaults else []
    static = any(getattr(d, "id", "") == "staticmethod" for d in function.decorator_list)
    own = places if static else places[1:]
    keyword_only = [a.arg for a in given.kwonlyargs]
    needed = [n for n in own if n not in with_default]
    needed += [a for a, d in zip(keyword_only, given.kw_defaults, strict=True) if d is None]
    return _Signature(
        frozenset((*own, *keyword_only)), tuple(needed), given.kwarg is not None, given.vararg is not None
    )


def _named(parameters: Mapping[str, str]) -> list[str]:
    return [name for name in parameters if name[:1] not in ("*", "/")]


def _row(qualified: str, parameter: str, context: Context) -> tuple[Fact, State] | None:
    """The row on a parameter of a method that users override."""
    owner, _, method = qualified.rpartition(".")
    name = f"{owner.rpartition('.')[2]}.{method}.{parameter}"
    return context.facts.on_target(Subject.METHOD_ARGUMENT, name, context.target)


def _head(file: FileFacts, text: SourceText, function: Function) -> Span:
    """A function's name and what stands before it on its line."""
    whole = text.span(function)
    after = file.source.index(function.name.encode(file.encoding), whole.start) + len(function.name)
    return type(whole)(whole.start, after)


def _and(names: list[str]) -> str:
    return " and ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else names[0]
