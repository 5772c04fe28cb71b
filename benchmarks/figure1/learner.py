"""The trainer: plain torch, one thread, in a process of its own, fed one JSON request a line.

Runs in the V1 engine's interpreter for every arm, with nothing but torch, transformers and this repository on
its path; `train.py` starts it. `begin` loads the start checkpoint, `step` makes one step from rollouts and
writes the new weights where the engine can read them.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from objective import by_sequence, metrics, policy_loss
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

from vllm_migrate.workers.distribution import sampling_logprobs
from vllm_migrate.workers.protocol import SamplingSettings

MINIBATCHES = 2
"""Updates from one batch of rollouts: the second's policy has moved away from the one that sampled."""


class Learner:
    """One run's policy and optimiser.

    The forward is computed in bfloat16 over fp32 master weights, as the engines compute in bfloat16. `head`
    says in which precision the last projection is done.
    """

    def __init__(self, job: dict[str, Any]) -> None:
        seed = int(job["seed"])
        random.seed(seed)
        torch.manual_seed(seed)
        self._job = job
        self._sampling = SamplingSettings(**job["sampling"])
        self._clip = (float(job["clip"][0]), float(job["clip"][1]))
        self._policy = AutoModelForCausalLM.from_pretrained(
            job["model"], dtype=torch.float32, local_files_only=True
        ).train()
        self._optimizer = torch.optim.AdamW(
            self._policy.parameters(), lr=job["learning_rate"], betas=(0.9, 0.95), weight_decay=0.0
        )
        self._updates = 0

    def step(self, request: dict[str, Any]) -> dict[str, Any]:
        """One step: as many updates as there are minibatches. Its figures are from before each update."""
        started = time.perf_counter()
        batch = _Batch(request)
        before = self._updates
        count = len(batch.completions)
        new = torch.full(batch.mask.shape, 0.0)
        previous = torch.full(batch.mask.shape, 0.0)
        entropy = torch.full(batch.mask.shape, 0.0)
        edges = [count * part // MINIBATCHES for part in range(MINIBATCHES + 1)]
        rest = slice(edges[1], count)
        with torch.no_grad():  # under the weights that sampled, as far as the trainer knows
            previous[rest], _ = self._score(batch, rest)
        for first, last in itertools.pairwise(edges):
            part = slice(first, last)
            scored, spread = self._score(batch, part)
            loss = policy_loss(
                scored,
                batch.rollout[part],
                batch.mask[part],
                batch.advantages[part],
                objective=self._job["objective"],
                clip=self._clip,
            )
            self._optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self._policy.parameters(), self._job["max_grad_norm"])
            self._optimizer.step()
            self._updates += 1
            new[part], entropy[part] = scored.detach(), spread
            if first == 0:
                previous[part] = scored.detach()
        figures = metrics(new, batch.rollout, batch.mask, objective=self._job["objective"], clip=self._clip)
        figures["entropy"] = float(by_sequence(entropy, batch.mask).mean())
        if request.get("tensors"):
            _keep(Path(request["tensors"]), batch, new, previous, entropy)
        if request.get("checkpoint"):
            self.write(Path(request["checkpoint"]))
        figures["seconds"] = time.perf_counter() - started
        return {"figures": figures, "updates": self._updates, "updates_before": before}

    def write(self, folder: Path) -> None:
        """The weights in bfloat16, put in place whole."""
        state = {
            name: value.detach().to(torch.bfloat16).contiguous()
            for name, value in self._policy.state_dict().items()
        }
        partial = folder / "model.partial"
        save_file(state, partial, metadata={"format": "pt"})
        partial.replace(folder / "model.safetensors")

    def _score(self, batch: _Batch, part: slice) -> tuple[Any, Any]:
        """Logprobs of the tokens under the sampling distribution, and entropies before its filters."""
        shared, ids, at, targets, mask = batch.rows(part)
        head = self._policy.get_output_embeddings()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            # What all prompts begin with is computed once; gradients flow through its keys and values, too.
            past = self._policy.base_model(input_ids=shared, use_cache=True).past_key_values
            past.batch_repeat_interleave(len(ids))
            hidden = self._policy.base_model(
                input_ids=ids, past_key_values=past, use_cache=True
            ).last_hidden_state
            wanted = hidden[at]
            logits = head(wanted) if self._job["head"] == "bfloat16" else None
        if logits is None:
            logits = head(wanted.float())
        logits = logits.float()
        allowed = sampling_logprobs(logits, self._sampling, None, min_p_first=True)
        flat = allowed.gather(1, targets[:, None]).squeeze(1)
        new = torch.zeros(mask.shape).masked_scatter(mask, flat)
        with torch.no_grad():
            every = (logits / self._sampling.temperature).log_softmax(-1)
            entropy = torch.zeros(mask.shape).masked_scatter(mask, -(every.exp() * every).sum(-1))
        return new, entropy


class _Batch:
    """Rollouts as tensors; a completion stands at the left of its row."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.prompts: list[list[int]] = request["prompts"]
        self.completions: list[list[int]] = request["completions"]
        width = max(map(len, self.completions))
        self.mask = torch.zeros(len(self.completions), width, dtype=torch.bool)
        self.rollout = torch.zeros(self.mask.shape)
        for row, (tokens, logprobs) in enumerate(zip(self.completions, request["logprobs"], strict=True)):
            self.mask[row, : len(tokens)] = True
            self.rollout[row, : len(tokens)] = torch.tensor(logprobs)
        self.advantages = torch.tensor(request["advantages"])
        self.kept = {name: np.asarray(request[name]) for name in ("rewards", "paid", "groups", "weight_lag")}

    def rows(self, part: slice) -> tuple[Any, Any, Any, Any, Any]:
        """Ids all prompts begin with, the padded rest, where in it the tokens' logits are, tokens, mask."""
        shared = common_length(self.prompts)
        prompts = [prompt[shared:] for prompt in self.prompts[part]]
        sequences = [p + c for p, c in zip(prompts, self.completions[part], strict=True)]
        longest = max(map(len, sequences))
        ids = torch.tensor([s + [0] * (longest - len(s)) for s in sequences])
        rows: list[int] = []
        columns: list[int] = []
        for row, (prompt, completion) in enumerate(zip(prompts, self.completions[part], strict=True)):
            rows += [row] * len(completion)
            columns += range(len(prompt) - 1, len(prompt) - 1 + len(completion))
        targets = torch.tensor([token for completion in self.completions[part] for token in completion])
        at = torch.tensor(rows), torch.tensor(columns)
        return torch.tensor([self.prompts[0][:shared]]), ids, at, targets, self.mask[part]


def common_length(rows: list[list[int]]) -> int:
    """How many ids all rows begin with; the last of the shortest is left out, so that each has a rest."""
    most = min(map(len, rows)) - 1
    return next((at for at in range(most) if len({row[at] for row in rows}) > 1), most)


def _keep(path: Path, batch: _Batch, new: Any, previous: Any, entropy: Any) -> None:
    """What a guard is given at this step, to be fed to it afterwards."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        path,
        trainer=new.numpy(),
        previous=previous.numpy(),
        rollout=batch.rollout.numpy(),
        mask=batch.mask.numpy(),
        entropy=entropy.numpy(),
        advantages=batch.advantages.numpy(),
        **batch.kept,
    )


def main() -> None:
    """Answer requests until the input closes."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(mode=True)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints goes to the log
    learner: Learner | None = None
    for line in sys.stdin:
        request = json.loads(line)
        if request["op"] == "begin":
            learner = Learner(request)
            answer: dict[str, Any] = {"ok": True}
        elif learner is None:
            answer = {"error": "begin comes first"}
        else:
            answer = learner.step(request)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
