"""Whether anybody asks a server for log-probabilities: what only answers with text has no changed ones."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vllm_migrate.rules.base import Context

_ASKS = re.compile(
    rb"\bcompletions\.create\(|\b(?:requests|httpx|session|client)\.post\(|/v1/(?:chat/)?completions\b|\blitellm\b"
)


def are_asked_for_logprobs(context: Context) -> bool:
    """Whether some file of the project sends requests to a server and has to do with log-probabilities.

    True where the project's files can't be looked into.
    """
    mentions = context.mentions
    return mentions is None or any(
        _ASKS.search(source) for _, source in mentions.code(b"logprobs", PurePosixPath())
    )
