"""The test that makes checking fast: does a Python file deserve to be parsed at all?

It reads bytes only. It may say yes too often; it must not say no to a file in which something could be
found by itself. What reaches a file through the project's own modules is not in its bytes:
`ProjectIndex.concerned` has those.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

# vLLM's variables, and the insides of an engine that are recognised whatever they hang on.
_WORDS = (
    b"VLLM_", b"llm_engine", b"model_executor", b"driver_worker",
    b"self.model_runner.model",  # a worker extension need not name vLLM
    b"guided_",  # fields of requests to the server, in clients that need not name vLLM
)  # fmt: skip
# Only looked for in files that name vLLM: a server that is started as a shell would start it, or by a list of
# words: "vllm", "serve".
_BESIDE_VLLM = (b"vllm-migrate:", b"vllm serve", b"vllm-serve", b'"serve"', b"'serve'")
# "vllm" alone is mostly a configuration value or a comment. What matters imports it, or names it in a
# string: the target of a patch, a module to import, a requirement.
# An import stands at the start of a line, behind `;` or `:`, a lone carriage return or a mark.
_IMPORT = (
    rb"(?m:^|[;:\r]|\xef\xbb\xbf)[ \t]*(?:from|import)[ \t]+"
    rb"(?:[\w.]+(?:[ \t]+as[ \t]+\w+)?[ \t]*,[ \t]*)*%s\b"
)
# `vllm = import_module("vllm")`: the name stands alone in its string.
_LATE = rb"|\w*import\w*\([ \t]*[\"']%s[\"']"
_STRING = rb"|[\"']%s[ \t]*(?:\[[\w, -]*\][ \t]*)?[.=<>~!]"
_PACKAGES = (
    (b"vllm", re.compile(_IMPORT % b"vllm"), re.compile((_IMPORT + _STRING + _LATE) % ((b"vllm",) * 3))),
    (b"trl", re.compile(_IMPORT % b"trl"), re.compile((_IMPORT + _STRING + _LATE) % ((b"trl",) * 3))),
)
_TRAINS = (b".backward(", b"optimizer.step(", b"optim.step(")
_TEXT = re.compile(rb"(?s:\"\"\".*?\"\"\"|\'\'\'.*?\'\'\')|#[^\n]*")
"""Docstrings and comments, which train nothing; roughly, as a mark inside a string may open one."""
_TAKES = re.compile(
    rb"""(?:(?<!params)\.|["'])(?:cumulative_logprob|(?:prompt_)?logprobs)\b"""
    rb"""(?!\s*=[^=]|["']\s*:\s*(?:None|True|False|\d))"""  # settings that ask for them, or for none
)
_BEFORE_LOGPROB = (len(b"."), len(b".prompt_"), len(b".cumulative_"))
# {"token_ids": ..., "logprobs": ...}: a sample of a rollout as data. Scores of choices have no ids of tokens
# beside them.
# Looked for from the end of the key, since hardly a quote in a file opens one.
_KEPT = re.compile(rb"""probs\\?["']\s*:""")
_KEPT_HEAD = re.compile(rb"""\\?["'](?:old_|rollout_|token_|sampled_)?log_?\Z""")
_LONGEST_HEAD = len(b"\\'rollout_log_")
_IDS = re.compile(
    rb"""\\?["'](?:(?:output|completion|response|sampled|generated)_)?(?:token_)?ids\\?["']\s*:"""
)
_NEAR = 400
_WRITES = re.compile(
    rb"\bjson\.dump|\.to_(?:json|parquet|csv)\(|\bsave_to_disk\(|\btorch\.save\(|\bpickle\.dump|\bjsonlines\b|\bpush_to_hub\("
)
_SYNCS = re.compile(rb"\.(?:load_weights|update_weights?|update_named_param|update_weight_cuda_ipc)\b")

_OF_OTHERS = re.compile(rb"^[ \t]*(?:import|from)[ \t]+(?:mlx(?:_lm)?|keras|tensorflow)\b", re.MULTILINE)


def worth_parsing(source: bytes, extra: AbstractSet[str] = frozenset()) -> bool:
    """Whether anything in this Python source could concern vLLM or TRL.

    Args:
        source: the file's bytes.
        extra: names that the project's own modules re-export (`ProjectIndex.names`).
    """
    return (
        any(word in source for word in _WORDS)
        or (b"vllm" in source and any(word in source for word in _BESIDE_VLLM))
        or b"\0" in source  # no Python: whoever parses it says so
        or any(_on_a_line(package, mention, source) for package, _, mention in _PACKAGES)
        or any(name.encode() in source for name in extra)
    )


def imports_directly(source: bytes) -> bool:
    """Whether this Python source itself imports vLLM or TRL."""
    return any(_on_a_line(package, statement, source) for package, statement, _ in _PACKAGES)


def _on_a_line(word: bytes, pattern: re.Pattern[bytes], source: bytes) -> bool:
    """Whether a pattern, which contains `word` but no line break, is found: looks at lines with the word."""
    at = source.find(word)
    while at >= 0:
        end = source.find(b"\n", at)
        end = len(source) if end < 0 else end
        if pattern.search(source, source.rfind(b"\n", 0, at) + 1, end):
            return True
        at = source.find(word, end)
    return False


# What the bytes of a file that is not worth parsing tell of the project: an engine is often built in one file
# and trained in another that never names vLLM.


def trains(source: bytes) -> bool:
    """Whether it trains a model."""
    if not any(word in source for word in _TRAINS):
        return False
    code = _TEXT.sub(b"", source)
    return any(word in code for word in _TRAINS)


def takes_logprobs(source: bytes) -> bool:
    """Whether it does something with log-probabilities that came back."""
    at = source.find(b"logprob")
    while at >= 0:
        # The pattern starts with a point or a quote, for which searching stops at every one of a file.
        if any(_TAKES.match(source, at - before) for before in _BEFORE_LOGPROB if at >= before):
            return True
        at = source.find(b"logprob", at + 1)
    return False


def keeps_logprobs(sources: Sequence[bytes]) -> bool:
    """Whether a project writes samples out with their tokens and log-probabilities."""
    kept = any((b"logprobs" in source or b"log_probs" in source) and _keeps(source) for source in sources)
    return kept and any(_WRITES.search(source) for source in sources)


def _keeps(source: bytes) -> bool:
    for found in _KEPT.finditer(source):
        head = _KEPT_HEAD.search(source, max(found.start() - _LONGEST_HEAD, 0), found.start())
        if head and _IDS.search(source, max(head.start() - _NEAR, 0), found.end() + _NEAR):
            return True
    return False


def is_of_others(source: bytes) -> bool:
    """Whether it imports a framework whose models have a `load_weights` of their own."""
    return _OF_OTHERS.search(source) is not None


def syncs_weights(source: bytes) -> bool:
    """Whether it pushes weights into an engine."""
    return b"vllm" in source and _SYNCS.search(source) is not None and not is_of_others(source)
