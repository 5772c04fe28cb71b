"""VM401: token ids are given beside the prompts."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import (
    AddImport,
    Level,
    RemoveArgument,
    RenameArgument,
    ReplaceExpression,
    Safety,
)
from vllm_migrate.facts.model import Subject
from vllm_migrate.files.located import Form
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.finding import make_finding, one_line, since
from vllm_migrate.rules.scope import is_visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Edit, Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Argument, Call
    from vllm_migrate.rules.base import Context

_METHODS = ("generate", "encode")
_BATCH = "it holds a list of token ids per prompt"
_ONE = "no text stands beside the ids of the prompt"
_WRITTEN = (Form.KEYWORD, Form.DICT)


class PromptTokenIds(Rule):
    """Token ids are passed as `prompt_token_ids=`, which the target's methods don't take.

    ## What it does
    Passes them as prompts: `prompts=[TokensPrompt(prompt_token_ids=ids) for ids in ...]`, with the import
    that takes. A `prompts=None` beside it goes. An asynchronous engine takes one prompt a call:
    `prompt=TokensPrompt(prompt_token_ids=ids)`. Calls of a Ray actor's own `generate` are not touched.

    ## Why it matters
    `generate()` and `encode()` raise a TypeError.

    ## Fix safety
    Safe where the code shows that the value is a list with a list of ids per prompt; V0 also took the ids
    of one single prompt, so where that can't be told the edit is unsafe. The ids that an asynchronous engine
    is given are always those of one. Prompts and token ids given together are left to a person.
    """

    code = "VM401"
    name = "prompt-token-ids"
    summary = "token ids are prompts of their own kind"
    level = Level.ERROR
    safety = Safety.SAFE
    examples = (
        Example(
            before=(
                "from vllm import LLM\n\n\ndef rollout(llm: LLM, batch, params):\n"
                "    ids = [tokens.tolist() for tokens in batch]\n"
                "    return llm.generate(prompt_token_ids=ids, sampling_params=params)\n"
            ),
            after=(
                "from vllm import LLM\n"
                "from vllm.inputs import TokensPrompt\n"
                "\n"
                "\n"
                "def rollout(llm: LLM, batch, params):\n"
                "    ids = [tokens.tolist() for tokens in batch]\n"
                "    return llm.generate(prompts=[TokensPrompt(prompt_token_ids=token_ids) for "
                "token_ids in ids], sampling_params=params)\n"
            ),
            unsafe=True,
        ),
        Example(
            before=(
                "from vllm import LLM\n"
                "\n"
                "\n"
                "def rollout(batch, params):\n"
                '    llm = LLM("m")\n'
                "    idx_list = []\n"
                "    for row in batch:\n"
                "        idx_list.append(row)\n"
                "    return llm.generate(prompts=None, sampling_params=params, "
                "prompt_token_ids=idx_list, use_tqdm=False)\n"
            ),
            after=(
                "from vllm import LLM\n"
                "from vllm.inputs import TokensPrompt\n"
                "\n"
                "\n"
                "def rollout(batch, params):\n"
                '    llm = LLM("m")\n'
                "    idx_list = []\n"
                "    for row in batch:\n"
                "        idx_list.append(row)\n"
                "    return llm.generate(sampling_params=params, "
                "prompts=[TokensPrompt(prompt_token_ids=ids) for ids in idx_list], "
                "use_tqdm=False)\n"
            ),
        ),
        Example(
            before=(
                "def rollout(batch, params):\n"
                "    from vllm import LLM\n"
                "\n"
                '    llm = LLM("m")\n'
                "    return llm.generate(prompt_token_ids=[row.ids for row in batch], "
                "sampling_params=params)\n"
            ),
            after=(
                "def rollout(batch, params):\n"
                "    from vllm import LLM\n"
                "    from vllm.inputs import TokensPrompt\n"
                "\n"
                '    llm = LLM("m")\n'
                "    return llm.generate(prompts=[TokensPrompt(prompt_token_ids=token_ids) for token_ids in "
                "[row.ids for row in batch]], sampling_params=params)\n"
            ),
        ),
        Example(
            before=(
                "class Judge:\n"
                "    def start(self):\n"
                "        from vllm import LLM\n"
                "\n"
                '        self.llm = LLM("m")\n'
                "\n"
                "    def ask(self, ids):\n"
                "        return self.llm.generate(prompt_token_ids=[ids])\n"
            ),
            after=(
                "class Judge:\n"
                "    def start(self):\n"
                "        from vllm import LLM\n"
                "\n"
                '        self.llm = LLM("m")\n'
                "\n"
                "    def ask(self, ids):\n"
                '        return self.llm.generate(prompts=[{"prompt_token_ids": ids}])\n'
            ),
        ),
        Example(
            before=(
                "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from vllm import LLM\n\n\n"
                'def rollout(llm: "LLM", ids):\n    return llm.generate(prompt_token_ids=[ids])\n'
            ),
            after=(
                "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from vllm import LLM\n\n\n"
                'def rollout(llm: "LLM", ids):\n'
                '    return llm.generate(prompts=[{"prompt_token_ids": ids}])\n'
            ),
            unsafe=True,
        ),
        Example(
            before=(
                "from vllm import LLM\n\n\ndef rollout(texts, ids, params):\n"
                '    llm = LLM("m")\n'
                "    return llm.generate(texts, params, prompt_token_ids=ids)\n"
            ),
        ),
        Example(
            before=(
                "from vllm import LLM\n\n\ndef rollout(prompts, params):\n"
                '    llm = LLM("m")\n'
                '    return llm.generate([{"prompt_token_ids": ids} for ids in prompts], params)\n'
            ),
            unchanged=True,
        ),
        Example(
            before=(
                "from vllm import LLM\n\n\ndef rollout(llm: LLM, prompts, params):\n"
                "    options = dict(sampling_params=params)\n"
                '    options["prompt_token_ids"] = prompts\n'
                "    return llm.generate(**options)\n"
            ),
            after=(
                "from vllm import LLM\nfrom vllm.inputs import TokensPrompt\n\n\n"
                "def rollout(llm: LLM, prompts, params):\n"
                "    options = dict(sampling_params=params)\n"
                '    options["prompts"] = [TokensPrompt(prompt_token_ids=ids) for ids in prompts]\n'
                "    return llm.generate(**options)\n"
            ),
            unsafe=True,
        ),
        Example(
            before=(
                "from vllm import AsyncLLMEngine\n\n\ndef ask(args, ids, params, number):\n"
                "    engine = AsyncLLMEngine.from_engine_args(args)\n"
                "    return engine.generate(prompt=None, sampling_params=params, request_id=number, "
                "prompt_token_ids=ids)\n"
            ),
            after=(
                "from vllm import AsyncLLMEngine\nfrom vllm.inputs import TokensPrompt\n\n\n"
                "def ask(args, ids, params, number):\n"
                "    engine = AsyncLLMEngine.from_engine_args(args)\n"
                "    return engine.generate(sampling_params=params, request_id=number, "
                "prompt=TokensPrompt(prompt_token_ids=ids))\n"
            ),
        ),
        Example(
            before=(
                "from vllm import AsyncLLMEngine\nfrom vllm.inputs import TokensPrompt\n\n\n"
                "def ask(args, ids, params, number):\n"
                "    engine = AsyncLLMEngine.from_engine_args(args)\n"
                "    return engine.generate(None, params, number, prompt_token_ids=ids)\n"
            ),
            after=(
                "from vllm import AsyncLLMEngine\nfrom vllm.inputs import TokensPrompt\n\n\n"
                "def ask(args, ids, params, number):\n"
                "    engine = AsyncLLMEngine.from_engine_args(args)\n"
                "    return engine.generate(TokensPrompt(prompt_token_ids=ids), params, number)\n"
            ),
        ),
        Example(
            before=(
                "from vllm import AsyncLLMEngine\n\n\ndef ask(args, text, ids, params, number):\n"
                "    engine = AsyncLLMEngine.from_engine_args(args)\n"
                "    return engine.generate(text, params, number, prompt_token_ids=ids)\n"
            ),
        ),
        Example(
            before=(
                "import ray\n\n\ndef rollout(engine, ids, params):\n"
                "    return ray.get(engine.generate.remote(sampling_params=params, prompt_token_ids=ids))\n"
            ),
            unchanged=True,
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield the calls that pass token ids beside the prompts."""
        for argument in file.arguments:
            if argument.owner not in _METHODS or argument.name != "prompt_token_ids" or argument.dead:
                continue
            found = context.facts.on_target(
                Subject.METHOD_ARGUMENT, f"{argument.owner}.{argument.name}", context.target
            )
            if found is None:
                continue
            fact, state = found
            call = file.calls[argument.call] if argument.call >= 0 else None
            edits = _edits(file, call, argument) if call and argument.form in _WRITTEN else ()
            entry = argument.form is Form.DICT  # the dictionary may be on its way elsewhere, too
            single = call is not None and takes_one(call)
            when = "" if single else since(state)  # AsyncLLMEngine had lost it before `LLM` did
            message = f"{argument.name} of {argument.owner}() is gone{when}: {fact.because}"
            held = _ONE if single else _BATCH
            yield make_finding(
                self,
                file,
                argument.span,
                message,
                fact=fact,
                safety=Safety.SAFE if (single or is_batch(file, argument)) and not entry else Safety.UNSAFE,
                edits=edits,
                advice=_advice(call, argument),
                precondition=f"{held}; the dictionary goes nowhere else" if entry else held,
                certainty=argument.certainty,
            )


def takes_one(call: Call) -> bool:
    """Whether a call is one of an asynchronous engine, which takes one prompt with an id of its request.

    Both releases name it `prompt` and the id `request_id`, which `LLM` has neither of.
    """
    return call.target.startswith("vllm.AsyncLLMEngine.") or any(
        call.argument(name) is not None for name in ("prompt", "request_id")
    )


def _advice(call: Call | None, argument: Argument) -> str:
    source = one_line(argument.value.source)
    prompts = [value.source for value, _ in call.positional[:1]] if call else []
    named = [call.argument(name) for name in ("prompts", "prompt", "inputs")] if call else []
    prompts.extend(given.value.source for given in named if given)
    texts = [one_line(text) for text in prompts if text.strip() != "None"]
    if call and takes_one(call):
        text = f", prompt={texts[0]}" if texts else ""
        return f"prompt=TokensPrompt(prompt_token_ids={source}{text}), the one prompt of the request"
    if texts:
        return (
            "prompts=[TokensPrompt(prompt_token_ids=ids, prompt=text) for ids, text in zip(..., ...)]"
            f" with {source} for the ids"
        )
    return f"prompts=[TokensPrompt(prompt_token_ids=ids) for ids in {source}]"


def _edits(file: FileFacts, call: Call, argument: Argument) -> tuple[Edit, ...]:
    """The edits that make prompts of the ids, or none where there are prompts already."""
    single = takes_one(call)
    name = "prompt" if single else "prompts"
    prompts = call.argument(name) or call.argument("inputs")
    if len(call.positional) > (
        3 if single else 2
    ):  # V0 took more than these by position: the id of a request
        return ()
    prompt, imports = tokens_prompt(file, argument)
    value = prompt.format(argument.value.source) if single else as_prompts(argument, prompt)
    if value is None:
        return ()
    if call.positional:
        first, span = call.positional[0]
        if first.source.strip() != "None":
            return ()
        return (ReplaceExpression(span, value), RemoveArgument(argument.span), *imports)
    if prompts is not None and (prompts.form is not Form.KEYWORD or prompts.value.source.strip() != "None"):
        return ()
    renamed = RenameArgument(argument.span, name, value)
    return (renamed, *((RemoveArgument(prompts.span),) if prompts else ()), *imports)


def tokens_prompt(file: FileFacts, argument: Argument) -> tuple[str, tuple[Edit, ...]]:
    """How a prompt of token ids is written at this place, with `{}` for the ids, and the import it takes.

    `TokensPrompt` is a typed dictionary. Where vLLM is not imported in sight of this place, a plain
    dictionary does, without an import that its author kept out of the module.
    """
    for name in file.imports:
        if (
            name.name == "TokensPrompt"
            and name.module.startswith("vllm")
            and not name.never_run
            and is_visible(file, name.span, argument.span)
        ):
            return f"{name.alias}(prompt_token_ids={{}})", ()
    for name in file.imports:
        runs = not (name.dead or name.never_run)  # under TYPE_CHECKING nothing is imported
        if name.module == "vllm" and runs and is_visible(file, name.span, argument.span):
            return "TokensPrompt(prompt_token_ids={})", (
                AddImport("vllm.inputs", "TokensPrompt", name.statement),
            )
    return '{{"prompt_token_ids": {}}}', ()


def as_prompts(argument: Argument, prompt: str) -> str | None:
    """The prompts that token ids make; None where their expression can't be read."""
    source = argument.value.source
    tree = _expression(source)
    if tree is None:
        return None
    if isinstance(tree, ast.List) and tree.elts and all(isinstance(e, ast.Constant) for e in tree.elts):
        return f"[{prompt.format(source)}]"
    if isinstance(tree, ast.List) and len(tree.elts) == 1 and not isinstance(tree.elts[0], ast.Starred):
        return f"[{prompt.format(ast.get_source_segment(f'({source})', tree.elts[0]))}]"
    used = set(re.findall(r"\w+", source))
    name = next(name for name in ("ids", "token_ids", "prompt_ids", "one_prompt_ids") if name not in used)
    if isinstance(tree, (ast.IfExp, ast.Lambda)):
        source = f"({source})"
    return f"[{prompt.format(name)} for {name} in {source}]"


def _expression(source: str) -> ast.expr | None:
    try:
        return ast.parse(f"({source})", mode="eval").body
    except SyntaxError:
        return None


def is_batch(file: FileFacts, argument: Argument) -> bool:
    """Whether the code shows one list per prompt: in the value itself, or in what is done to the name."""
    source = argument.value.source
    tree = _expression(source)
    if isinstance(tree, ast.List):
        return bool(tree.elts)
    if isinstance(tree, ast.ListComp):
        return not isinstance(tree.elt, ast.Constant)
    if not isinstance(tree, (ast.Name, ast.Attribute)):
        return False
    text = file.source.decode(file.encoding)
    name = re.escape(source)
    return any(
        re.search(pattern, text)
        for pattern in (
            rf"(?<![\w.]){name}\.append\(",
            rf"(?<![\w.]){name}\s*:\s*(List|list|Sequence|Iterable)\[\s*(List|list|Sequence)\[",
            rf"(?<![\w.]){name}\s*(:[^=\n]+)?=\s*\[\s*(\[|\w+\s*\(|.*?\.tolist\(\)\s+for\b)",
        )
    )
