"""What a project wrote: `rollouts.jsonl`, read and checked."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

SAMPLING = {
    "temperature": 1.0,
    "top_p": 1.0,
    "top_k": -1,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "max_tokens": None,
    "min_tokens": 0,
    "stop": (),
    "n": 1,
    "allowed_token_ids": None,
    "banned_token_ids": (),
    "logit_bias": None,
    "choices": None,
    "regex": None,
}
"""Every key that `sampling` may have, with what its absence means."""


class RolloutError(Exception):
    """A line that can't be judged."""


@dataclass(frozen=True)
class Rollout:
    """One sampled completion.

    Attributes:
        prompt_ids, token_ids: what the engine read and emitted.
        logprobs: one a token, or None where the project reads none.
        sampling: every key of `SAMPLING`.
        version: of the weights, 0 for the checkpoint.
        prompt: what groups the samples of a prompt.
        text: the completion's text, where the project wrote it.
        chosen: whether the project picked it out of its group; None where it doesn't pick.
    """

    prompt_ids: list[int]
    token_ids: list[int]
    logprobs: list[float] | None
    sampling: dict[str, Any]
    version: int
    prompt: Any
    text: str | None = None
    chosen: bool | None = field(default=None)


def read(path: Path) -> list[Rollout]:
    """Every rollout of a run.

    Raises:
        RolloutError: the file is missing, or a line does not say what it must.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RolloutError(f"no {path.name}: {error}") from error
    return [_read_line(line, f"{path.name} line {number}") for number, line in enumerate(lines, 1)]


def _read_line(line: str, place: str) -> Rollout:
    try:
        return _rollout(json.loads(line))
    except (ValueError, KeyError, TypeError) as error:
        raise RolloutError(f"{place} can't be judged: {type(error).__name__} {error}") from error


def _rollout(row: dict[str, Any]) -> Rollout:
    unknown = row["sampling"].keys() - SAMPLING.keys()
    if unknown:
        raise ValueError(f"unknown sampling key {', '.join(sorted(unknown))}")
    prompt_ids, token_ids, logprobs = row["prompt_token_ids"], row["token_ids"], row["logprobs"]
    if not prompt_ids or not token_ids:
        raise ValueError("no tokens")
    if logprobs is not None and len(logprobs) != len(token_ids):
        raise ValueError(f"{len(logprobs)} logprobs for {len(token_ids)} tokens")
    return Rollout(
        prompt_ids=prompt_ids,
        token_ids=token_ids,
        logprobs=None if logprobs is None else [float(value) for value in logprobs],
        sampling={**SAMPLING, **row["sampling"]},
        version=int(row["weights_version"]),
        prompt=row.get("prompt", tuple(prompt_ids)),
        text=row.get("text"),
        chosen=row.get("chosen"),
    )
