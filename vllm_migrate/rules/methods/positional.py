"""VM402: arguments of engines and their methods given by position, which the target takes otherwise."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, RemoveArgument, RenameArgument, ReplaceExpression, Safety
from vllm_migrate.files.located import Argument, Form
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.finding import make_finding, one_line
from vllm_migrate.rules.methods.prompt_token_ids import as_prompts, is_batch, tokens_prompt
from vllm_migrate.rules.positional import shifted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Edit, Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Call
    from vllm_migrate.rules.base import Context
    from vllm_migrate.rules.positional import Shifted

_ENGINES = ("vllm.LLM", "vllm.EngineArgs", "vllm.AsyncEngineArgs")
_METHODS = tuple(
    f"{engine}.{method}"
    for engine, methods in (
        ("vllm.LLM", ("generate", "chat", "encode", "embed", "classify", "score", "beam_search")),
        ("vllm.AsyncLLMEngine", ("generate", "encode", "add_request")),
        ("vllm.LLMEngine", ("add_request",)),
    )
    for method in methods
)
_CALLS = frozenset({*_ENGINES, *_METHODS})
_IDS = re.compile(r"(?:ids|tokens)(?:\[.*\])?$")
_GONE = ("prompt_adapter_request", "guided_options_request")  # with token ids, there only to be passed over


class PositionalArguments(Rule):
    """Arguments of an engine or its methods are given by position, and the target takes them otherwise.

    ## What it does
    Writes them as keywords of what they mean on the source, from the first on that the target reads
    otherwise. Those that give an argument that is gone its old default go. Token ids behind
    `generate(None, params, ...)` become the prompts.

    ## Why it matters
    `LLM(model, tokenizer)` and `generate(prompts, params, None, False)` raise a TypeError: since 0.9.1 and
    0.10.2 what follows is taken by name only. Where an argument came in between, as `priority` did in
    `chat()` in 0.32.0, nothing raises and a chat template becomes a priority.

    ## Fix safety
    Safe: the names are those of the source's own signature, and both releases take them by name. Unsafe
    for token ids that are not seen to be a list per prompt. Where any other argument asks for something that
    the target doesn't take, it is left to a person.
    """

    code = "VM402"
    name = "positional-arguments"
    summary = "arguments given by position are taken otherwise"
    level = Level.ERROR
    safety = Safety.SAFE
    examples = (
        Example(
            before='from vllm import LLM\n\nllm = LLM("m", "m-tokenizer", seed=1)\n',
            after='from vllm import LLM\n\nllm = LLM("m", tokenizer="m-tokenizer", seed=1)\n',
        ),
        Example(
            before=(
                "from vllm import LLM\n\n\ndef rollout(llm: LLM, prompts, params):\n"
                "    return llm.generate(prompts, params, None, False)\n"
            ),
            after=(
                "from vllm import LLM\n\n\ndef rollout(llm: LLM, prompts, params):\n"
                "    return llm.generate(prompts, params, use_tqdm=False)\n"
            ),
            unsafe=True,
        ),
        Example(
            before=(
                'from vllm import LLM\n\nllm = LLM("m")\n'
                'outputs = llm.chat([{"role": "user", "content": "hi"}], None, True, None, "template")\n'
            ),
            after=(
                'from vllm import LLM\n\nllm = LLM("m")\n'
                'outputs = llm.chat([{"role": "user", "content": "hi"}], None, True, None, '
                'chat_template="template")\n'
            ),
        ),
        Example(
            before=(
                'from vllm import LLM\n\nllm = LLM("m")\n'
                "outputs = llm.generate(None, None, ids, use_tqdm=False)\n"
            ),
            after=(
                "from vllm import LLM\nfrom vllm.inputs import TokensPrompt\n\n"
                'llm = LLM("m")\n'
                "outputs = llm.generate([TokensPrompt(prompt_token_ids=token_ids) for token_ids in ids], "
                "None, use_tqdm=False)\n"
            ),
            unsafe=True,
        ),
        Example(
            before=(
                'from vllm import LLM\n\nllm = LLM("m")\noutputs = llm.generate(["a"], None, [[1, 2, 3]])\n'
            ),
        ),
        Example(
            before=(
                "from vllm import AsyncLLMEngine\n\n\ndef ask(args, ids, params, number):\n"
                "    engine = AsyncLLMEngine.from_engine_args(args)\n"
                "    return engine.generate(None, params, number, ids)\n"
            ),
            after=(
                "from vllm import AsyncLLMEngine\nfrom vllm.inputs import TokensPrompt\n\n\n"
                "def ask(args, ids, params, number):\n"
                "    engine = AsyncLLMEngine.from_engine_args(args)\n"
                "    return engine.generate(TokensPrompt(prompt_token_ids=ids), params, number)\n"
            ),
            unsafe=True,
        ),
        Example(
            before=(
                "from vllm import AsyncLLMEngine\n\n\ndef ask(args, text, ids, params, number):\n"
                "    engine = AsyncLLMEngine.from_engine_args(args)\n"
                "    return engine.generate(text, params, number, ids)\n"
            ),
        ),
        Example(
            before=('from vllm import LLM\n\nllm = LLM("m", seed=1)\noutputs = llm.generate(["a"], None)\n'),
            unchanged=True,
        ),
        Example(
            before='from vllm import LLM\n\nllm = LLM("m", "m-tokenizer")\n',
            unchanged=True,
            target="0.8.5",
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield calls whose positional arguments the target takes otherwise."""
        for call in file.calls:
            if call.target not in _CALLS or call.dead or len(call.positional) < 2:  # noqa: PLR2004 (the first stayed first)
                continue
            found = shifted(call, context)
            if found is None:
                continue
            if _is_older(call, found):
                yield self._of_one_prompt(file, call, found)
                continue
            name, value, _ = found.arguments[0]
            edits, safety = found.edits, Safety.SAFE
            if not edits and not call.open_ended:
                edits, safety = _of_token_ids(file, call, found)
            callee = call.target.removeprefix("vllm.")
            now = f"{found.now} there" if found.now else "taken by name only"
            yield make_finding(
                self,
                file,
                found.span,
                f"{one_line(value.source)} is {name} of {callee}() on vLLM {context.source.version} and {now}"
                f" on {context.target.version}",
                level=Level.WARNING if found.now else Level.ERROR,
                safety=safety,
                edits=edits,
                advice=_advice(found),
                precondition=f"the code was written for vLLM {context.source.version}'s order"
                + ("" if safety is Safety.SAFE else ", and the token ids are a list per prompt"),
                certainty=call.certainty,
            )

    def _of_one_prompt(self, file: FileFacts, call: Call, found: Shifted) -> Finding:
        """What is said of token ids that follow the id of a request, with edits where no text is given."""
        _, value, span = found.arguments[0]
        first, place = call.positional[0]
        ids = Argument("generate", "prompt_token_ids", value, Form.KEYWORD, span, span, span)
        prompt, imports = tokens_prompt(file, ids)
        edits: tuple[Edit, ...] = ()
        if first.source.strip() == "None" and len(found.arguments) == 1:
            edits = (ReplaceExpression(place, prompt.format(value.source)), RemoveArgument(span), *imports)
        return make_finding(
            self,
            file,
            found.span,
            f"{one_line(value.source)} was prompt_token_ids of an older AsyncLLMEngine.generate(); token "
            "ids are prompts themselves: TokensPrompt",
            safety=Safety.UNSAFE,
            edits=edits,
            advice=f"prompt=TokensPrompt(prompt_token_ids={one_line(value.source)}), the one prompt of the "
            "request, and what follows by name",
            precondition="it holds the token ids of the prompt",
            certainty=call.certainty,
        )


def _is_older(call: Call, found: Shifted) -> bool:
    """Whether a call of an asynchronous engine is in the order that had token ids after the request's id.

    Releases before the source's took `(prompt, sampling_params, request_id, prompt_token_ids, lora_request)`.
    No release after them takes None for the prompt.
    """
    name, value, _ = found.arguments[0]
    if call.target != "vllm.AsyncLLMEngine.generate" or name != "lora_request":
        return False
    if value.literal is None:
        return False
    return call.positional[0][0].source.strip() == "None" or _IDS.search(value.source) is not None


def _of_token_ids(file: FileFacts, call: Call, found: Shifted) -> tuple[tuple[Edit, ...], Safety]:
    """The edits that make prompts of token ids by position, where there are no other prompts."""
    name, value, span = found.arguments[0]
    first, place = call.positional[0]
    if found.lost != ("prompt_token_ids",) or name != "prompt_token_ids" or first.source.strip() != "None":
        return (), Safety.MANUAL
    ids = Argument(call.target.rpartition(".")[2], name, value, Form.KEYWORD, span, span, span)
    prompt, imports = tokens_prompt(file, ids)
    prompts = as_prompts(ids, prompt)
    if prompts is None or any(call.argument(other) for other, _, _ in found.arguments):
        return (), Safety.MANUAL
    named = tuple(
        RemoveArgument(where) if other in _GONE else RenameArgument(where, other)
        for other, _, where in found.arguments[1:]
    )
    edits = (ReplaceExpression(place, prompts), RemoveArgument(span), *named, *imports)
    return edits, Safety.SAFE if is_batch(file, ids) else Safety.UNSAFE


def _advice(found: Shifted) -> str:
    said = f"write {one_line(found.as_keywords)}" if found.as_keywords else "leave it out"
    if "prompt_token_ids" in found.lost:
        return f"{said}, and token ids as prompts=[TokensPrompt(prompt_token_ids=ids) for ids in ...]"
    return f"{said}; {', '.join(found.lost)} is gone" if found.lost else said
