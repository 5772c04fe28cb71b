"""Renders conversations with a tokenizer's own chat template, and sees that it leaves nothing out."""

from __future__ import annotations

import json
from typing import Any

from .backend import WorkerError


def render(tokenizer: Any, chats: list[dict[str, Any]]) -> tuple[list[str], list[list[int]]]:
    """Each conversation as text and as token ids.

    The turn of the assistant is opened, or continued where the last message is the assistant's. The
    template writes the special tokens, so that tokenizing adds none.

    Args:
        tokenizer: in transformers' form.
        chats: `{"messages": [...], "arguments": {...}}`; the arguments go to the template.

    Raises:
        WorkerError: there is no template, it fails, or it drops what a message says (many templates know no
            tool messages).
    """
    if not getattr(tokenizer, "chat_template", None):
        raise WorkerError("input", "the checkpoint has no chat template, so it can't render messages")
    texts, ids = [], []
    for index, chat in enumerate(chats):
        messages = chat["messages"]
        goes_on = messages[-1]["role"] == "assistant"
        try:
            text = tokenizer.apply_chat_template(
                messages,
                tokenize=False,
                add_generation_prompt=not goes_on,
                continue_final_message=goes_on,
                **chat["arguments"],
            )
        except Exception as error:  # noqa: BLE001 - a template is a program of its author's
            said = str(error).strip().splitlines()
            why = said[0] if said else type(error).__name__
            raise WorkerError("input", f"the chat template refuses conversation {index}: {why}") from None
        _check(index, messages, text)
        texts.append(text)
        ids.append(list(tokenizer(text, add_special_tokens=False)["input_ids"]))
    return texts, ids


def _check(index: int, messages: list[dict[str, Any]], text: str) -> None:
    """Refuse a rendering that lacks a message.

    Earlier turns of the assistant may be shortened: some templates leave its reasoning out on purpose.
    """
    for number, message in enumerate(messages):
        content = message["content"].strip()
        if message["role"] == "assistant" or not content:
            continue
        as_json = (json.dumps(content)[1:-1], json.dumps(content, ensure_ascii=False)[1:-1])
        if not any(form in text for form in (content, *as_json)):
            raise WorkerError(
                "input",
                f"the chat template drops message {number} (role {message['role']}) of conversation {index}",
            )
