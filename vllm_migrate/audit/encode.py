"""Prompts as one engine reads them: text tokenized, conversations rendered by its tokenizer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.prompts.strata import labelled
from vllm_migrate.trace.model import Prompt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.audit.process import EngineProcess
    from vllm_migrate.prompts.rows import PromptLine

_AS_IT_IS = "{{ messages[0]['content'] }}"
"""A chat template that adds nothing."""


def encoded(process: EngineProcess, lines: Sequence[PromptLine], strata: int) -> tuple[Prompt, ...]:
    """The prompts with token ids, bands of lengths and shared prefixes.

    Args:
        process: the reference's; every arm gets the ids that it makes.
        lines: what the user gave.
        strata: how many bands of lengths at most.
    """
    texts = iter(process.tokenize([line.text for line in lines if not line.token_ids and not line.messages]))
    chats = iter(_rendered(process, [line for line in lines if line.messages]))
    read: list[tuple[str, tuple[int, ...]]] = []
    for line in lines:
        if line.messages:
            text, ids = next(chats)
        elif line.token_ids:
            text, ids = line.text, list(line.token_ids)
        else:
            text, ids = line.text, next(texts)
        read.append((text, tuple(ids)))
    prompts = [
        Prompt(
            index,
            text,
            ids,
            line.columns,
            messages=line.messages,
            template_arguments=line.template_arguments,
        )
        for index, (line, (text, ids)) in enumerate(zip(lines, read, strict=True))
    ]
    return labelled(prompts, strata)


def read_by(process: EngineProcess, prompts: Sequence[Prompt]) -> list[tuple[int, ...]]:
    """The token ids that another engine makes of the same prompts, conversations by its own template.

    Args:
        process: that engine.
        prompts: each with a text.
    """
    texts = iter(process.tokenize([prompt.text for prompt in prompts if not prompt.messages]))
    chats = iter(_rendered(process, [prompt for prompt in prompts if prompt.messages]))
    return [tuple(next(chats)[1] if prompt.messages else next(texts)) for prompt in prompts]


def same_from_text(process: EngineProcess, prompts: Sequence[Prompt]) -> tuple[int, ...]:
    """Which conversations another engine turns into the same token ids once their rendered text is given.

    Args:
        process: that engine.
        prompts: conversations with the text that was rendered from them.
    """
    chats = [
        {
            "messages": [{"role": "user", "content": prompt.text}],
            "arguments": {"chat_template": _AS_IT_IS},
        }
        for prompt in prompts
    ]
    made = process.render(chats)
    return tuple(
        prompt.id for prompt, (_, ids) in zip(prompts, made, strict=True) if tuple(ids) == prompt.token_ids
    )


def _rendered(process: EngineProcess, prompts: Sequence[PromptLine | Prompt]) -> list[tuple[str, list[int]]]:
    return process.render(
        [{"messages": list(prompt.messages), "arguments": prompt.template_arguments} for prompt in prompts]
    )
