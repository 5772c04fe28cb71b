"""Which tokens a trace is of, as one digest, so that two traces can be held against each other."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vllm_migrate.trace.model import Trace


def tokens_digest(trace: Trace) -> str:
    """SHA-256 over all prompts' and completions' token ids, free runs left out.

    One digest for the whole trace, not one a completion: a short completion could be found again by trying.
    A redacted trace brings the digest it was made with.
    """
    if trace.provenance.redacted:
        return trace.provenance.tokens
    total = hashlib.sha256()
    for prompt in trace.prompts:
        total.update(f"{prompt.id}:{_ids(prompt.token_ids)}\n".encode())
    for name, rollouts in (("main", trace.rollouts), ("probe", trace.probe)):
        for rollout in rollouts:
            total.update(f"{name}:{rollout.prompt}.{rollout.sample}:{_ids(rollout.token_ids)}\n".encode())
    return total.hexdigest()


def _ids(ids: tuple[int, ...]) -> str:
    return ",".join(map(str, ids))
