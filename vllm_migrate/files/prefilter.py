"""The test that makes checking fast: does a Python file deserve to be parsed at all?

It reads bytes only. It may say yes too often; it must not say no to a file in which something could be found. Names
that reach a file through the project's own modules are not in the bytes: `ProjectIndex` closes over those.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

# A word that is vLLM's wherever it stands: variables, engine and sampling arguments, insides of an engine.
_WORDS = (
    b"VLLM_",
    b"prompt_token_ids",
    b"best_of",
    b"swap_space",
    b"guided_decoding",
    b"truncate_prompt_tokens",
    b"num_scheduler_steps",
    b"max_seq_len_to_capture",
    b"disable_log_requests",
    b"enable_chunked_prefill",
    b"logits_processors",
    b"worker_cls",
    b"llm_engine",
    b"model_executor",
    b"driver_worker",
    b"SamplingParams",
    b"EngineArgs",
)
# "vllm" alone is often a configuration value or a comment; what matters imports it, names something in it or pins it.
_VLLM = re.compile(
    rb"(?:from|import)[ \t][^\n#]*vllm|vllm[ \t]*(?:\[[\w, -]*\][ \t]*)?[.=<>~!]|as[ \t]+vllm|import_module|__import__"
)
_TRL = re.compile(rb"(?:from|import)[ \t][^\n#]*\btrl\b|[\"']trl[ \t]*(?:\[|[.=<>~!])")
_SUPPRESSION = b"vllm-migrate:"


def worth_parsing(source: bytes, extra: AbstractSet[str] = frozenset()) -> bool:
    """Whether anything in this Python source could concern vLLM or TRL.

    Args:
        source: the file's bytes.
        extra: names that the project's own modules re-export (`ProjectIndex.names`).
    """
    if b"vllm" in source and _VLLM.search(source):
        return True
    if b"trl" in source and _TRL.search(source):
        return True
    return (
        any(word in source for word in _WORDS)
        or _SUPPRESSION in source
        or any(name.encode() in source for name in extra)
    )
