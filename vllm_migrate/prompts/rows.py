"""One row of a prompts file or data set as a prompt: text, token ids or a conversation."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from vllm_migrate.errors import InputError

COLUMNS = ("prompt", "prompt_token_ids", "messages")
HINT = 'one JSON object a line, {"prompt": "text"} or {"prompt": {"prompt_token_ids": [1, 2]}}'
_ROLES = ("system", "developer", "user", "assistant", "tool", "function", "ipython")
_TEMPLATE_COLUMNS = ("tools", "chat_template_kwargs")
_MEDIA = (
    "image",
    "images",
    "video",
    "videos",
    "audio",
    "audios",
    "pixel_values",
    "multi_modal_data",
    "mm_processor_kwargs",
)
_MEDIA_HINT = "leave the column out, or audit with prompts of text"


@dataclass(frozen=True, slots=True)
class PromptLine:
    """One prompt as the user gave it.

    Attributes:
        text: the prompt as text, "" where it was given as token ids or as a conversation.
        token_ids: the prompt as token ids, empty where it was not given as such.
        columns: every other key of the object; the reward function gets them.
        messages: the conversation, empty where the prompt is none; the engine's tokenizer renders it.
        template_arguments: what its chat template is given besides, such as `tools`.
    """

    text: str
    token_ids: tuple[int, ...] = ()
    columns: dict[str, Any] = field(default_factory=dict)
    messages: tuple[dict[str, Any], ...] = ()
    template_arguments: dict[str, Any] = field(default_factory=dict)


def prompt_of(row: dict[str, Any], where: str, column: str = "") -> PromptLine:
    """The prompt in a row.

    Args:
        row: column by name.
        where: place of the row, for errors.
        column: which column holds the prompt; "" for the first of `COLUMNS` that is there.

    Raises:
        InputError: there is none, or it is of no kind that is known here.
    """
    name = column or next((name for name in COLUMNS if name in row), "")
    if name not in row:
        wanted = f'"{column}"' if column else '"prompt"'
        raise InputError(f"{where}: no {wanted}", hint=HINT if not column else f"it has {_listed(row)}")
    for media in _MEDIA:
        if row.get(media):
            raise InputError(f"{where}: {media}: multimodal prompts are not supported", hint=_MEDIA_HINT)
    columns = {key: _plain(value, f"{where}: {key}") for key, value in row.items() if key != name}
    prompt = row[name]
    if isinstance(prompt, dict):
        return PromptLine("", _token_ids(prompt.get("prompt_token_ids"), where), columns)
    if isinstance(prompt, str):
        if not prompt:
            raise InputError(f'{where}: "{name}" is empty')
        return PromptLine(prompt, (), columns)
    if isinstance(prompt, list) and prompt and isinstance(prompt[0], dict):
        given = {key: columns.pop(key) for key in _TEMPLATE_COLUMNS if columns.get(key)}
        return PromptLine("", (), columns, _messages(prompt, where, name), _arguments(given, where))
    if name == "prompt_token_ids" or (isinstance(prompt, list) and prompt):
        return PromptLine("", _token_ids(prompt, where), columns)
    raise InputError(f'{where}: "{name}" is neither text nor token ids nor messages', hint=HINT)


def _listed(row: dict[str, Any]) -> str:
    return ", ".join(sorted(row)) or "no column at all"


def _token_ids(ids: object, where: str) -> tuple[int, ...]:
    if not isinstance(ids, list) or not ids:
        raise InputError(f'{where}: "prompt_token_ids" is missing or empty', hint=HINT)
    if not all(isinstance(i, int) and not isinstance(i, bool) and i >= 0 for i in ids):
        raise InputError(f'{where}: "prompt_token_ids" holds something other than token ids', hint=HINT)
    return tuple(ids)


def _messages(messages: list[Any], where: str, name: str) -> tuple[dict[str, Any], ...]:
    """A conversation, its text parts joined.

    A last turn of the assistant's is the beginning of the completion under `prompt`, as in TRL; under
    `messages` it is usually the answer of a training example, which the model must not be shown.
    """
    found = tuple(_message(message, f"{where}: message {index}") for index, message in enumerate(messages))
    if name == "messages" and found[-1]["role"] == "assistant":
        raise InputError(
            f'{where}: "messages" ends with the assistant\'s turn',
            hint='leave that turn off; or call the column "prompt" to have the turn continued',
        )
    return found


def _message(message: object, where: str) -> dict[str, Any]:
    if not isinstance(message, dict) or message.get("role") not in _ROLES:
        role = message.get("role") if isinstance(message, dict) else message
        raise InputError(f"{where} has no known role: {role!r}", hint=f"roles are {', '.join(_ROLES)}")
    # A table gives every message every key; those without a value were never there.
    kept = {key: _plain(value, where) for key, value in message.items() if value is not None}
    content = kept.get("content", "")
    if isinstance(content, list):
        content = "".join(_text_part(part, where) for part in content)
    if not isinstance(content, str):
        raise InputError(f"{where}: content is no text")
    if not content and not kept.get("tool_calls"):
        raise InputError(f"{where} is empty")
    return {**kept, "content": content}


def _text_part(part: object, where: str) -> str:
    if isinstance(part, dict) and part.get("type", "text") == "text" and isinstance(part.get("text"), str):
        return str(part["text"])
    kind = part.get("type") if isinstance(part, dict) else type(part).__name__
    raise InputError(f"{where} holds {kind!r}: multimodal prompts are not supported", hint=_MEDIA_HINT)


def _arguments(given: dict[str, Any], where: str) -> dict[str, Any]:
    """What the chat template gets besides the messages; some data sets hold it as JSON text."""
    found: dict[str, Any] = {}
    for name, value in given.items():
        parsed = value
        if isinstance(value, str):
            try:
                parsed = json.loads(value)
            except ValueError:
                raise InputError(f"{where}: {name} is text, and no JSON") from None
        if name == "tools":
            if not isinstance(parsed, list):
                raise InputError(f"{where}: tools is no list")
            found["tools"] = parsed
        elif isinstance(parsed, dict):
            found.update({key: item for key, item in parsed.items() if item is not None})
        else:
            raise InputError(f"{where}: {name} is no object")
    return found


def _plain(value: Any, where: str) -> Any:
    """A value of a table as JSON has it.

    Raises:
        InputError: it is bytes, or something else that no text can hold.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {str(key): _plain(item, where) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, where) for item in value]
    raise InputError(
        f"{where} holds {type(value).__name__}, which a trace can't keep", hint="leave that column out"
    )
