"""VM410: a method of an engine, or an argument of a call, that is gone and has a successor."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, ReplaceExpression, Safety
from vllm_migrate.facts.model import Subject
from vllm_migrate.rules.backstop.absent import is_expected
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.finding import make_finding, one_line, since
from vllm_migrate.rules.methods.successors import called, instead
from vllm_migrate.rules.replacement import replace_argument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.facts.model import Fact, State
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Argument
    from vllm_migrate.rules.base import Context

_LISTS = ("[", "(", "{", "list(", "tuple(", "set(", "sorted(")
_TOKENIZER = "from transformers import AutoTokenizer\nfrom vllm import LLM\n\n\n"
_ONE_ID = re.compile(r"""(?:[\w.\[\]]*[._])?(?:request_id|req_id|rid)|f?(["'])[^"']*\1|str\(\w+\)""")
"""How a single request's id is written: by that name, as a text, as `str(...)`."""


class GoneMethodOrArgument(Rule):
    """A method is called, or an argument is given, that the facts know to be gone.

    ## What it does
    Finds methods of `LLM` and the engines that went (`set_tokenizer`, `get_model_config`,
    `start_background_loop`, `reward`), and arguments of methods and constructors (`prompt_adapter_request`,
    `guided_options_request`, `PoolingParams(normalize=)`, `LoRARequest(lora_local_path=)`,
    `CompilationConfig(level=)`). Arguments that only have another name are renamed, and those that ask for
    nothing are dropped. Of a method whose result is an attribute by now, `get_model_config()`, the attribute
    is read. An id that is given to `abort_request` alone is put in a list. `set_tokenizer` goes where the
    tokenizer is the model's own, and becomes the engine's `tokenizer=` where it is read from another path.

    ## Why it matters
    The call raises an AttributeError or a TypeError. `abort_request` raises nothing: it takes a list of ids
    now, and a text is taken for a list of letters.

    ## Fix safety
    Safe where the value means the same under either name. The list around an id is unsafe: the name alone
    says that it is one; so is a `set_tokenizer` that goes: files beside the model decide what it loads. What
    else takes a method's place is left to a person.
    """

    code = "VM410"
    name = "gone-method-or-argument"
    summary = "a method or an argument of a call is gone"
    level = Level.ERROR
    safety = Safety.SAFE
    examples = (
        Example(
            before=(
                "from vllm.lora.request import LoRARequest\n\n"
                'adapter = LoRARequest("policy", 1, lora_local_path="adapter")\n'
            ),
            after=(
                "from vllm.lora.request import LoRARequest\n\n"
                'adapter = LoRARequest("policy", 1, lora_path="adapter")\n'
            ),
        ),
        Example(
            before=("from vllm.config import CompilationConfig\n\nconfig = CompilationConfig(level=3)\n"),
            after="from vllm.config import CompilationConfig\n\nconfig = CompilationConfig(mode=3)\n",
        ),
        Example(
            before=(
                "from vllm import LLM\n\n\ndef answer(texts, params):\n"
                '    llm = LLM("m")\n'
                "    return llm.generate(texts, params, prompt_adapter_request=None)\n"
            ),
            after=(
                "from vllm import LLM\n\n\ndef answer(texts, params):\n"
                '    llm = LLM("m")\n'
                "    return llm.generate(texts, params)\n"
            ),
        ),
        Example(
            before=(
                "from vllm import AsyncLLMEngine\n\n\nasync def pause(engine: AsyncLLMEngine):\n"
                "    await engine.pause_generation(wait_for_inflight_requests=True)\n"
            ),
            after=(
                "from vllm import AsyncLLMEngine\n\n\nasync def pause(engine: AsyncLLMEngine):\n"
                '    await engine.pause_generation(mode="wait")\n'
            ),
            unsafe=True,
            source="0.12.0",
        ),
        Example(before='from vllm import LLM\n\nllm = LLM("m")\nllm.set_tokenizer(None)\n'),
        Example(
            before=(
                f"{_TOKENIZER}def build(path):\n    llm = LLM(path, seed=1)\n"
                '    tokenizer = AutoTokenizer.from_pretrained(path, padding_side="left")\n'
                "    llm.set_tokenizer(tokenizer)\n    return llm, tokenizer\n"
            ),
            after=(
                f"{_TOKENIZER}def build(path):\n    llm = LLM(path, seed=1)\n"
                '    tokenizer = AutoTokenizer.from_pretrained(path, padding_side="left")\n'
                "    return llm, tokenizer\n"
            ),
            unsafe=True,
        ),
        Example(
            before=(
                f"{_TOKENIZER}def build(path, base):\n    llm = LLM(path, seed=1)\n"
                "    llm.set_tokenizer(AutoTokenizer.from_pretrained(base))\n    return llm\n"
            ),
            after=(
                f"{_TOKENIZER}def build(path, base):\n    llm = LLM(path, seed=1, tokenizer=base)\n"
                "    return llm\n"
            ),
            unsafe=True,
        ),
        Example(
            before=(
                f"{_TOKENIZER}def build(path):\n    llm = LLM(path, seed=1)\n"
                "    tokenizer = AutoTokenizer.from_pretrained(path)\n"
                '    tokenizer.add_tokens(["<think>"])\n    llm.set_tokenizer(tokenizer)\n'
            ),
        ),
        Example(
            before=(
                "from vllm import LLMEngine\n\n\ndef stop(engine: LLMEngine, request_id: str):\n"
                "    engine.abort_request(request_id)\n"
            ),
            after=(
                "from vllm import LLMEngine\n\n\ndef stop(engine: LLMEngine, request_id: str):\n"
                "    engine.abort_request([request_id])\n"
            ),
            unsafe=True,
        ),
        Example(
            before=(
                "from vllm import LLMEngine\n\n\ndef stop(engine: LLMEngine, late):\n"
                "    engine.abort_request(late)\n"
            )
        ),
        Example(
            before=(
                "from vllm import LLMEngine\n\n\ndef longest(args):\n"
                "    engine = LLMEngine.from_engine_args(args)\n"
                "    return engine.get_model_config().max_model_len\n"
            ),
            after=(
                "from vllm import LLMEngine\n\n\ndef longest(args):\n"
                "    engine = LLMEngine.from_engine_args(args)\n"
                "    return engine.model_config.max_model_len\n"
            ),
        ),
        Example(
            before=(
                "from vllm import AsyncLLMEngine\n\n\nasync def longest(args):\n"
                "    engine = AsyncLLMEngine.from_engine_args(args)\n"
                "    config = await engine.get_model_config()\n    return config.max_model_len\n"
            ),
            after=(
                "from vllm import AsyncLLMEngine\n\n\nasync def longest(args):\n"
                "    engine = AsyncLLMEngine.from_engine_args(args)\n"
                "    config = engine.model_config\n    return config.max_model_len\n"
            ),
        ),
        Example(
            before=(
                "from vllm import AsyncLLMEngine\n\n\ndef longest(args):\n"
                "    engine = AsyncLLMEngine.from_engine_args(args)\n"
                "    return engine.engine.get_model_config().max_model_len\n"
            ),
            after=(
                "from vllm import AsyncLLMEngine\n\n\ndef longest(args):\n"
                "    engine = AsyncLLMEngine.from_engine_args(args)\n"
                "    return engine.model_config.max_model_len\n"
            ),
        ),
        Example(
            before=(
                "from vllm import AsyncLLMEngine\n\n\ndef longest(args):\n"
                "    engine = AsyncLLMEngine.from_engine_args(args)\n    inner = engine.engine\n"
                "    return inner.get_model_config().max_model_len\n"
            ),
        ),
        Example(
            before=(
                "from vllm import AsyncLLMEngine\n\n\ndef ask(engine: AsyncLLMEngine):\n"
                "    return engine.get_model_config()\n"
            ),
        ),
        Example(
            before=(
                "from vllm import LLMEngine\n\n\ndef stop(engine: LLMEngine, request_id: str):\n"
                "    engine.abort_request([request_id])\n"
            ),
            unchanged=True,
        ),
        Example(before="from vllm import PoolingParams\n\nparams = PoolingParams(normalize=True)\n"),
        Example(
            before=(
                "from vllm import LLM\n\n\ndef rewards(texts):\n"
                '    llm = LLM("m", runner="pooling")\n'
                "    return llm.reward(texts)\n"
            ),
            source="0.10.2",
        ),
        Example(
            before=(
                "from vllm import LLM\n\n\ndef rewards(texts):\n"
                '    llm = LLM("m", runner="pooling")\n'
                "    return llm.reward(texts)\n"
            ),
            unchanged=True,
            source="0.10.2",
            target="0.23.0",
        ),
        Example(
            before="from peft import LoRARequest\n\nadapter = LoRARequest(lora_local_path='a')\n",
            unchanged=True,
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield methods and arguments that are gone."""
        for method, callee, span, certainty in called(file):
            found = context.facts.on_target(Subject.METHOD, method, context.target)
            if found is None:
                continue
            fact, state = found
            edits, safety, precondition = instead(file, method, callee, span, found)
            yield make_finding(
                self,
                file,
                callee,
                f"{method}() is {state.holds}{since(state)}: {fact.because}",
                fact=fact,
                level=Level.NOTE if is_expected(file, method.rpartition(".")[2]) else None,
                safety=safety,
                edits=edits,
                precondition=precondition,
                certainty=certainty,
            )
        yield from self._aborted_by_text(file, context)
        for argument in file.arguments:
            gone = changed_parameter(argument, context)
            if gone is not None and argument.name != "prompt_token_ids":  # VM401 has those
                yield self._argument(file, argument, *gone)

    def _aborted_by_text(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield calls of `abort_request` whose id, given by place, is not written as a list."""
        found = context.facts.on_target(Subject.METHOD_ARGUMENT, "abort_request.request_id", context.target)
        if found is None:
            return
        for call in file.calls:
            if call.target != "vllm.LLMEngine.abort_request" or call.dead or not call.positional:
                continue
            value, span = call.positional[0]
            if not value.source.lstrip().startswith(_LISTS):
                given = one_line(value.source)
                yield make_finding(
                    self,
                    file,
                    span,
                    f"abort_request({given}): {found[0].because}",
                    fact=found[0],
                    safety=Safety.UNSAFE,
                    edits=(ReplaceExpression(span, f"[{value.source}]"),) if _is_one_id(value.source) else (),
                    advice=f"abort_request([{given}]), unless {given} is a list already",
                    precondition=f"{given} is the id of one request",
                    certainty=call.certainty,
                )

    def _argument(self, file: FileFacts, argument: Argument, fact: Fact, state: State) -> Finding:
        replacement = replace_argument(file, argument, state)
        name, value = argument.name, one_line(argument.value.source)
        if replacement.decided:
            advice = f"write {replacement.text}" if replacement.text else f"remove {name}"
        else:
            advice = f"instead of {name}={value}: {fact.advice or state.to}"
        asks_for_nothing = bool(replacement.edits) and not replacement.text
        return make_finding(
            self,
            file,
            argument.span,
            f"{name} of {fact.name.rpartition('.')[0]}() is {state.holds}{since(state)}: {fact.because}",
            fact=fact,
            safety=Safety.SAFE if asks_for_nothing and fact.safety == "manual" else None,
            edits=replacement.edits,
            advice=advice,
            precondition=fact.precondition or "it asks for what happens anyway",
            certainty=argument.certainty,
        )


def _is_one_id(written: str) -> bool:
    """Whether what is written for ids is one: by its name, or because it is a text."""
    return _ONE_ID.fullmatch(written.strip()) is not None


def changed_parameter(argument: Argument, context: Context) -> tuple[Fact, State] | None:
    """The row about an argument of a method or a constructor that the target doesn't take as it is."""
    if argument.dead or argument.owner in ("engine", "sampling") or argument.owner.startswith("trl."):
        return None
    callee = argument.owner.rpartition(".")[2]  # the method, or the class however it was imported
    return context.facts.on_target(Subject.METHOD_ARGUMENT, f"{callee}.{argument.name}", context.target)
