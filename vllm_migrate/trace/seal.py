"""The last thing done to a trace before it is written: what it is of, and until when it may be used."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vllm_migrate.trace.digest import tokens_digest
from vllm_migrate.trace.expiry import expiry

if TYPE_CHECKING:
    from vllm_migrate.trace.checkpoint import CheckpointHashes
    from vllm_migrate.trace.model import Trace


def sealed(trace: Trace, hashes: CheckpointHashes, days: int) -> Trace:
    """The trace with the checkpoint's digests, its tokens' digest and its expiry in the provenance.

    Args:
        trace: complete.
        hashes: of the checkpoint it was made with.
        days: how long it may be used; 0 for ever.
    """
    made = replace(
        trace.provenance,
        model=hashes.model,
        weights=hashes.weights,
        tokenizer=hashes.tokenizer,
        chat_template=hashes.chat_template,
        expires=expiry(trace.provenance.created, days),
        tokens=tokens_digest(trace),
    )
    return replace(trace, provenance=made)


def resealed(trace: Trace) -> Trace:
    """A sealed trace to which completions were added, with the digest of all its tokens."""
    if not trace.provenance.tokens:
        return trace
    return replace(trace, provenance=replace(trace.provenance, tokens=tokens_digest(trace)))
