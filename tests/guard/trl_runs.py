"""Trains the shipped model with TRL's GRPOTrainer in many ways, guarded and not; results as JSON."""

from __future__ import annotations

import sys

sys.modules["vllm"] = None  # TRL imports it where it is there, which takes as long as all runs together

import trl_common as common  # noqa: E402 - see above
from trl import GRPOTrainer  # noqa: E402 - see above

from vllm_migrate.errors import TrainingStopped, UsageError  # noqa: E402 - see above
from vllm_migrate.guard.attach import attach  # noqa: E402 - see above
from vllm_migrate.guard.boundaries import Boundaries  # noqa: E402 - see above

CALM = Boundaries.default()
MOVING = {"num_iterations": 2, "gradient_accumulation_steps": 2}
"""Every second optimizer step learns from completions that older weights sampled."""


def _bounded(action, patience=1):
    """Any movement of the policy is too much."""
    return CALM.with_("policy_kl", warn=None, stop=1e-9, patience=patience, action=action)


def _pair(boundaries=CALM, **settings):
    """The same training without and with a guard."""
    found = {}
    for name in ("without", "with"):
        made = common.trainer(**settings)
        attached = attach(made, boundaries) if name == "with" else None
        made.train()
        guard, others = common.logs(made)
        found[name] = {
            "weights": common.weights(made),
            "optimizer": common.optimizer_state(made),
            "guard": guard,
            "others": others,
        }
        if attached is not None:
            found["not_judged"] = attached.not_judged
            found["action"] = attached.last.action.value
    return found


def plain():
    return _pair()


def moving_with_reference():
    return _pair(**MOVING, beta=0.04)


def warned():
    return _pair(_bounded("warn"), **MOVING) | {"said": list(common.SAID)}


def fewer_updates_than_a_generation():
    return _pair(steps_per_generation=4, gradient_accumulation_steps=2, max_steps=4)


def by_sequence():
    return _pair(importance_sampling_level="sequence", epsilon=3e-4, epsilon_high=4e-4, **MOVING)


def not_clipping():
    return _pair(loss_type="sapo")


def combined():
    """The figures of a step beside those worked out from all its micro batches' tokens."""
    made = common.trainer(num_iterations=2, gradient_accumulation_steps=4, max_steps=2)
    attached = attach(made, CALM)
    seen, score, loss = [], made._get_per_token_logps_and_entropies, made._compute_loss

    def scoring(*args, **kwargs):
        scored = score(*args, **kwargs)
        if kwargs.get("compute_entropy"):
            seen.append([scored[0].detach().double(), scored[1].detach().double()])
        return scored

    def losing(model, inputs):
        value = loss(model, inputs)
        seen[-1] += [inputs["completion_mask"].bool(), inputs["old_per_token_logps"].double()]
        return value

    made._get_per_token_logps_and_entropies, made._compute_loss = scoring, losing
    made.train()
    last = seen[-4:]
    moved = common.torch.cat([(now - old)[mask] for now, _, mask, old in last])
    entropy = common.torch.cat([entropies[mask] for _, entropies, mask, _ in last])
    return {
        "micro_batches": len(seen),
        "expected": {
            "tokens": len(moved),
            "policy_kl": float((moved**2).mean() / 2),
            "policy_clip_rate": float(((moved.exp() > 1.2) | (moved.exp() < 0.8)).double().mean()),
            "entropy": float(entropy.mean()),
        },
        "found": {name: getattr(attached.last.measured, name) for name in ("tokens", "policy_kl", "entropy")}
        | {
            "policy_clip_rate": attached.last.measured.policy_clip_rate,
            "sequences": attached.last.measured.sequences,
        },
    }


def skipped():
    made = common.trainer(**MOVING, max_steps=5, weight_decay=0.1)
    attached = attach(made, _bounded("skip_batch"))
    digests = common.with_digests(made)
    made.train()
    return {
        "skipped": attached.skipped,
        "before": digests.before,
        "after": digests.after,
        "guard": common.logs(made)[0],
        "said": list(common.SAID),
    }


def _stopping(**settings):
    made = common.trainer(**MOVING, max_steps=6)
    boundaries = settings.pop("boundaries", _bounded("stop"))
    attached = attach(made, boundaries, **settings)
    digests = common.with_digests(made)
    error = None
    try:
        made.train()
    except TrainingStopped as raised:
        error = [raised.message, raised.hint]
    checkpoint = common.Path(made.args.output_dir) / f"checkpoint-{made.state.global_step}"
    saved = None
    if checkpoint.is_dir():
        saved = common.weights(_Loaded(type(made.model).from_pretrained(checkpoint, dtype=made.model.dtype)))
    return {
        "error": error,
        "stopped": attached.stopped.message if attached.stopped else None,
        "stage": attached.stopped.stage.value if attached.stopped else None,
        "global_step": made.state.global_step,
        "before": digests.before,
        "after": digests.after,
        "saved": saved,
        "guard": common.logs(made)[0],
    }


class _Loaded:
    def __init__(self, model):
        self.model = model


def stopped():
    return _stopping()


def stopped_quietly():
    return _stopping(raise_on_stop=False)


def stopped_unsaved():
    boundaries = _bounded("stop")
    return _stopping(boundaries=type(boundaries)(boundaries.rows, save_first=False))


def warming_up():
    return _stopping(warm_up=3)


def resumed():
    """A boundary whose patience runs out across a checkpoint."""
    settings = {"save_strategy": "steps", "save_steps": 2}
    always = CALM.with_("advantage_zero", warn=None, stop=-1.0, patience=3, action="stop")
    made = common.trainer(**settings, max_steps=2)
    attach(made, always)
    made.train()
    found = {"first": made.state.global_step}
    for name, change in (("resumed", {"output_dir": made.args.output_dir}), ("anew", {})):
        again = common.trainer(**settings, max_steps=5, **change)
        attached = attach(again, always, raise_on_stop=False)
        again.train(resume_from_checkpoint=bool(change))
        found[name] = [again.state.global_step, attached.stopped.message]
    return found


def detached():
    made = common.trainer()
    plain_names, callbacks = set(vars(made)), list(made.callback_handler.callbacks)
    with attach(made, CALM):
        inside = sorted(set(vars(made)) - plain_names)
    left = sorted(set(vars(made)) - plain_names)
    same = made.callback_handler.callbacks == callbacks
    made.train()
    other = common.trainer()
    other.train()
    return {
        "inside": inside,
        "left": left,
        "callbacks": same,
        "weights": [common.weights(made), common.weights(other)],
        "guard": common.logs(made)[0],
    }


def refused():
    class OwnLoss(GRPOTrainer):
        def _compute_loss(self, model, inputs):
            return super()._compute_loss(model, inputs)

    class OwnLogprobs(GRPOTrainer):
        def _get_per_token_logps_and_entropies(self, *args, **kwargs):
            return super()._get_per_token_logps_and_entropies(*args, **kwargs)

    class Harmless(GRPOTrainer):
        def log(self, *args, **kwargs):
            return super().log(*args, **kwargs)

    said = {}

    def ask(name, made, **settings):
        try:
            attach(made, CALM, **settings).detach()
            said[name] = None
        except UsageError as error:
            said[name] = f"{error.message} | {error.hint}"

    made = common.trainer()
    first = attach(made, CALM)
    ask("twice", made)
    first.detach()
    ask("again", made)
    ask("class", GRPOTrainer)
    ask("loss", common.trainer(OwnLoss))
    ask("logprobs", common.trainer(OwnLogprobs))
    ask("harmless", common.trainer(Harmless))
    ask("held_out_absent", made, held_out="style")
    ask("held_out_trained_on", made, held_out="variety")
    made._compute_loss = made._compute_loss
    ask("replaced", made)
    del made._compute_loss
    made.is_deepspeed_enabled = True
    ask("deepspeed", made)
    return said


def held_out():
    made = common.trainer(rewards=[common.variety, common.length], reward_weights=[1.0, 0.0])
    attached = attach(made, CALM, held_out="length")
    made.train()
    guard, others = common.logs(made)
    return {
        "guard": guard,
        "trl": {step: rows[0] for step, rows in others.items()},
        "not_judged": attached.not_judged,
    }


def evaluating():
    made = common.trainer(
        eval_strategy="steps", eval_steps=1, eval_dataset=True, per_device_eval_batch_size=4
    )
    attach(made, CALM)
    made.train()
    return {
        "guard": common.logs(made)[0],
        "evaluated": sum("eval_loss" in row for row in made.state.log_history),
    }


def all_masked():
    """No completion ends in time, and TRL is told to leave such completions out."""
    made = common.trainer(mask_truncated_completions=True, max_completion_length=4)
    attached = attach(made, CALM)
    made.train()
    return {"steps": made.state.global_step, "judged": attached.last is not None, "said": list(common.SAID)}


def _rollout(report):
    """A rollout function that samples with the trainer's model and reports logprobs of one's choice."""

    def rollout(prompts, made):
        torch = common.torch
        tokenizer = made.processing_class
        ids = [tokenizer(prompt)["input_ids"] for prompt in prompts]
        completions, logprobs = [], []
        for one in ids:
            given = torch.tensor([one])
            with torch.no_grad():
                made.model.eval()
                grown = made.model.generate(
                    given,
                    do_sample=True,
                    temperature=made.temperature,
                    max_new_tokens=12,
                    min_new_tokens=12,
                    top_k=0,
                )
                logits = made.model(grown).logits[0, len(one) - 1 : -1].float()
                made.model.train()
            sampled = grown[0, len(one) :]
            at = report(logits, made.temperature).log_softmax(-1).gather(1, sampled[:, None])[:, 0]
            completions.append(sampled.tolist())
            logprobs.append(at.tolist())
        return {"prompt_ids": ids, "completion_ids": completions, "logprobs": logprobs}

    return rollout


def _rolled(report):
    made = common.trainer(rollout_func=_rollout(report), temperature=0.5, max_steps=4)
    attached = attach(made, CALM, raise_on_stop=False)
    made.train()
    return {
        "steps": made.state.global_step,
        "stopped": attached.stopped.message if attached.stopped else None,
        "stage": attached.stopped.stage.value if attached.stopped else None,
        "guard": common.logs(made)[0],
        "not_judged": attached.not_judged,
    }


def right_logprobs():
    return _rolled(lambda logits, temperature: logits / temperature)


def raw_logprobs():
    return _rolled(lambda logits, _: logits)


SCENARIOS = (
    plain,
    moving_with_reference,
    warned,
    fewer_updates_than_a_generation,
    by_sequence,
    not_clipping,
    combined,
    skipped,
    stopped,
    stopped_quietly,
    stopped_unsaved,
    warming_up,
    resumed,
    detached,
    refused,
    held_out,
    evaluating,
    all_masked,
    right_logprobs,
    raw_logprobs,
)

if __name__ == "__main__":
    wanted = sys.argv[2:]
    common.run([one for one in SCENARIOS if not wanted or one.__name__ in wanted], sys.argv[1])
