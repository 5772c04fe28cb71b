"""The distribution each token was drawn from, computed by transformers in float32.

Runs in an engine's own interpreter (torch and transformers are there), apart from vLLM and from this package:

    python judge_child.py < request.json > answer.json

Request: `model` (checkpoint), `rollouts` (path), `weights` (version to safetensors file), `slack` (see
`_variants`). Answer: for each rollout the log-probabilities of its tokens as listed in `_score`.
"""

from __future__ import annotations

import json
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import regex
import torch
from rollouts import Rollout, read
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

GREEDY_BELOW = 1e-5
"""V0 decodes greedily below this temperature and reports the unscaled, unfiltered distribution."""


class Vocabulary:
    """Which tokens may come next where the text is constrained."""

    def __init__(self, folder: str, size: int) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self.end = self.tokenizer.eos_token_id
        self.size = size
        special = set(self.tokenizer.all_special_ids)
        self.texts = [
            "" if token in special else self.tokenizer.decode([token]) for token in range(len(self.tokenizer))
        ]

    @lru_cache(maxsize=4096)  # noqa: B019 - one vocabulary lives as long as the process
    def allowed(self, kind: str, pattern: Any, prefix: str) -> Any:
        """Booleans `[vocab]`: tokens after which `prefix` can still become what was asked for."""
        if kind == "choices":
            ends = prefix in pattern

            def possible(text: str) -> bool:
                return any(choice.startswith(text) for choice in pattern)
        else:
            compiled = regex.compile(pattern)
            ends = compiled.fullmatch(prefix) is not None

            def possible(text: str) -> bool:
                return compiled.fullmatch(text, partial=True) is not None

        mask = torch.zeros(self.size, dtype=torch.bool)
        for token, text in enumerate(self.texts):
            mask[token] = bool(text) and possible(prefix + text)
        mask[self.end] = ends
        return mask


def _masked(logits: Any, rollout: Rollout, words: Vocabulary) -> Any:
    """Logits `[tokens, vocab]` with what this rollout must not sample at -inf, and its biases added."""
    sampling = rollout.sampling
    logits = logits.clone()
    if sampling["logit_bias"]:
        for token, bias in sampling["logit_bias"].items():
            logits[:, int(token)] += bias
    if sampling["allowed_token_ids"] is not None:
        kept = torch.zeros(logits.shape[1], dtype=torch.bool)
        kept[sampling["allowed_token_ids"]] = True
        logits[:, ~kept] = -torch.inf
    if sampling["banned_token_ids"]:
        logits[:, list(sampling["banned_token_ids"])] = -torch.inf
    logits[: sampling["min_tokens"], words.end] = -torch.inf
    for kind in ("choices", "regex"):
        pattern = sampling[kind]
        if pattern is None:
            continue
        pattern = tuple(pattern) if kind == "choices" else pattern
        for position in range(len(rollout.token_ids)):
            prefix = words.tokenizer.decode(rollout.token_ids[:position])
            logits[position, ~words.allowed(kind, pattern, prefix)] = -torch.inf
    return logits


def _penalised(logits: Any, rollout: Rollout) -> Any:
    """Repetition, frequency and presence penalties, in that order, as vLLM applies them."""
    repetition = rollout.sampling["repetition_penalty"]
    frequency = rollout.sampling["frequency_penalty"]
    presence = rollout.sampling["presence_penalty"]
    if repetition == 1.0 and not frequency and not presence:
        return logits
    count = torch.zeros(logits.shape[1])
    seen = torch.zeros(logits.shape[1], dtype=torch.bool)
    seen[rollout.prompt_ids] = True
    rows = []
    for position, token in enumerate(rollout.token_ids):
        row = logits[position]
        row = torch.where(seen, torch.where(row > 0, row / repetition, row * repetition), row)
        rows.append(row - frequency * count - presence * (count > 0))
        count[token] += 1
        seen[token] = True
    return torch.stack(rows)


def _filtered(scores: Any, sampling: dict[str, Any], slack: float) -> Any:
    """Top-k and top-p, then min_p: V0's order. `slack` widens (positive) or narrows the kept set."""
    vocabulary = scores.shape[1]
    ascending, order = scores.sort(dim=-1)
    if 0 < sampling["top_k"] < vocabulary:
        threshold = ascending[:, vocabulary - sampling["top_k"]].unsqueeze(1) - max(slack, 0.0)
        ascending = ascending.masked_fill(ascending < threshold, -torch.inf)
    if sampling["top_p"] < 1.0:
        cut = ascending.softmax(dim=-1).cumsum(dim=-1) <= 1.0 - sampling["top_p"] - slack
        cut[:, -1] = False
        ascending = ascending.masked_fill(cut, -torch.inf)
    scores = scores.scatter(1, order, ascending)
    if sampling["min_p"] > 0.0:
        probabilities = scores.softmax(dim=-1)
        floor = probabilities.amax(dim=-1, keepdim=True) * sampling["min_p"] * (1.0 - 2.0 * slack)
        scores = scores.masked_fill(probabilities < floor, -torch.inf)
    return scores


def _variants(logits: Any, rollout: Rollout, words: Vocabulary, slack: float) -> list[Any]:
    """Log-probabilities `[tokens, vocab]` V0 samples from: exactly, and with the kept set's edge moved.

    A token whose mass lies on the edge of the nucleus may fall to either side by rounding, which changes the
    norm of all others. The edge is moved by `slack`, in probability.
    """
    scores = _penalised(_masked(logits, rollout, words), rollout)
    temperature = rollout.sampling["temperature"]
    if temperature < GREEDY_BELOW:
        return [scores.log_softmax(dim=-1)]
    scores = scores / temperature
    return [_filtered(scores, rollout.sampling, edge).log_softmax(dim=-1) for edge in (0.0, slack, -slack)]


def _score(logits: Any, rollout: Rollout, words: Vocabulary, slack: float) -> dict[str, list[float]]:
    """For each token: `expected`, the lowest and highest with the edge moved, `raw`, and `best`.

    `raw` is under the plain softmax of the logits; `best` is the highest expected log-probability.
    """
    tokens = torch.tensor(rollout.token_ids).unsqueeze(1)
    variants = _variants(logits, rollout, words, slack)
    picked = torch.stack([variant.gather(1, tokens).squeeze(1) for variant in variants])
    reachable = picked.masked_fill(picked == -torch.inf, torch.inf).amin(dim=0)
    return {
        "expected": picked[0].tolist(),
        "low": torch.where(reachable == torch.inf, picked[0], reachable).tolist(),
        "high": picked.amax(dim=0).tolist(),
        "raw": logits.log_softmax(dim=-1).gather(1, tokens).squeeze(1).tolist(),
        "best": variants[0].amax(dim=1).tolist(),
    }


def _logits(model: Any, rollout: Rollout) -> Any:
    """Float32 logits `[tokens, vocab]` that predict the completion's tokens."""
    ids = torch.tensor([rollout.prompt_ids + rollout.token_ids])
    with torch.inference_mode():
        logits = model(input_ids=ids, use_cache=False).logits[0]
    return logits[len(rollout.prompt_ids) - 1 : -1].float()


def main() -> None:
    """Answer one request."""
    request = json.load(sys.stdin)
    rollouts = read(Path(request["rollouts"]))
    model = AutoModelForCausalLM.from_pretrained(
        request["model"], dtype=torch.float32, local_files_only=True
    ).eval()
    checkpoint = {name: value.clone() for name, value in model.state_dict().items()}
    words = Vocabulary(request["model"], model.config.vocab_size)
    answers: list[dict[str, Any]] = [{} for _ in rollouts]
    for version in sorted({rollout.version for rollout in rollouts}):
        weights = [("", version)] if version == 0 else [("", version), ("stale ", version - 1)]
        for prefix, number in weights:
            state = dict(checkpoint)
            if number:
                update = {
                    name: value.float() for name, value in load_file(request["weights"][str(number)]).items()
                }
                unknown = update.keys() - checkpoint.keys()
                if unknown:
                    sys.exit(f"weights_{number} has {min(unknown)}, which the checkpoint lacks")
                state.update(update)
            model.load_state_dict(state)
            for answer, rollout in zip(answers, rollouts, strict=True):
                if rollout.version == version:
                    scores = _score(_logits(model, rollout), rollout, words, request["slack"])
                    answer.update({prefix + key: values for key, values in scores.items()})
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
