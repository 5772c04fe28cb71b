"""Run by a child whose interpreter has torch: the recipes of docs/guard.md as they stand, on tensors."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import torch

from vllm_migrate.errors import TrainingStopped
from vllm_migrate.guard import Action, Boundaries, PolicyGuard

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "guard.md").read_text(encoding="utf-8")
RECIPES = dict(re.findall(r"<!-- recipe: (.*?) -->\n```python\n(.*?)```", TEXT, re.DOTALL))
SHIPPED = Boundaries.default()


def recipe(name):
    found = {"__name__": name}
    exec(compile(RECIPES[name], f"docs/guard.md: {name}", "exec"), found)  # noqa: S102 - our own page
    return found


def policy(rows=8, tokens=16):
    """Logits that are the policy, and tokens that it has sampled."""
    torch.manual_seed(0)
    logits = torch.nn.Parameter(torch.randn(rows, tokens, 32))
    drawn = torch.distributions.Categorical(logits=logits.detach()).sample()
    return logits, lambda: logits.log_softmax(-1).gather(2, drawn[..., None]).squeeze(2)


def stopped_by(call):
    """The guard's message where it stops a training."""
    try:
        call()
    except TrainingStopped as stopped:
        return stopped.message
    return "not stopped"


def check_loop():
    """Trains, skips and stops a real policy."""
    update = recipe("loop")["guarded_update"]
    logits, logprobs = policy()
    old, mask, saved = logprobs().detach(), torch.ones(8, 16), []

    def step(guard, rate, rollout=None):
        optimizer = torch.optim.SGD([logits], lr=rate)
        new = logprobs()
        return update(
            guard,
            optimizer,
            -(new - old).exp().mean(),
            lambda: saved.append(1),
            trainer_logprobs=new,
            previous_logprobs=old,
            rollout_logprobs=old if rollout is None else rollout,
            mask=mask,
        )

    before = logits.detach().clone()
    assert step(PolicyGuard(SHIPPED), 0.1).action is Action.CONTINUE
    assert not torch.equal(before, logits)
    skipping = PolicyGuard(SHIPPED.with_("rollout_above_zero", action="skip_batch"))
    before = logits.detach().clone()
    assert step(skipping, 0.1, rollout=old.exp()).action is Action.SKIP_BATCH
    assert torch.equal(before, logits)
    guard = PolicyGuard(SHIPPED)
    message = stopped_by(lambda: [step(guard, 200.0) for _ in range(50)])
    assert "first out of bounds is the" in message
    assert saved == [1]


def check_openrlhf():
    """Around a loss that is called as OpenRLHF calls its own."""
    _, logprobs = policy()
    old = logprobs().detach()
    seen = []

    def policy_loss(log_probs, old_log_probs, advantages, action_mask=None, rollout_log_probs=None, **info):
        seen.append(info)
        ratio = (log_probs - old_log_probs).exp()
        return -(ratio * advantages * action_mask).sum() / info["batch_num_tokens"], rollout_log_probs

    loss_fn = recipe("openrlhf")["guarded"](policy_loss, PolicyGuard(SHIPPED))
    called = {"action_mask": torch.ones(8, 16, dtype=torch.bool), "dp_size": 1, "batch_num_tokens": 128.0}
    loss, rollout = loss_fn(logprobs(), old, torch.ones(8, 16), rollout_log_probs=old, **called)
    loss.backward()
    assert rollout is old
    assert seen == [{"dp_size": 1, "batch_num_tokens": 128.0}]
    message = stopped_by(
        lambda: loss_fn(logprobs(), old, torch.ones(8, 16), rollout_log_probs=None, **called)
    )
    assert "rollout_missing" in message


if __name__ == "__main__":
    torch.set_num_threads(1)
    globals()[sys.argv[1]]()
