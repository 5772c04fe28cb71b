"""What the scripts that train with TRL share. They run in an engine's interpreter, not in the tests' own."""

from __future__ import annotations

import hashlib
import json
import logging
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

warnings.simplefilter("ignore")
FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
sys.path.insert(0, str(FIXTURES))

import torch  # noqa: E402 - after the warnings have been silenced
from datasets import Dataset  # noqa: E402 - same
from transformers import TrainerCallback  # noqa: E402 - same
from trl import GRPOConfig, GRPOTrainer  # noqa: E402 - same

torch.set_num_threads(1)
SAID: list[str] = []


class _Keep(logging.Handler):
    def emit(self, record):
        SAID.append(f"{record.levelname}: {record.getMessage()}")


logging.getLogger("vllm_migrate.guard").addHandler(_Keep())
logging.getLogger("vllm_migrate.guard").setLevel(logging.INFO)


def variety(completions, **_):
    """A reward that differs between completions of any length: the share of words that are not repeated."""
    return [len(set(text.split())) / max(len(text.split()), 1) for text in completions]


def length(completions, **_):
    return [float(len(text)) for text in completions]


def config(**changes):
    settings = {
        "output_dir": tempfile.mkdtemp(),
        "use_cpu": True,
        "bf16": False,
        "per_device_train_batch_size": 4,
        "num_generations": 4,
        "gradient_accumulation_steps": 2,
        "max_completion_length": 12,
        "max_steps": 3,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "seed": 1,
        "learning_rate": 1e-3,
        "lr_scheduler_type": "constant",
        "disable_tqdm": True,
        "gradient_checkpointing": False,
    }
    return GRPOConfig(**{**settings, **changes})


def trainer(cls=GRPOTrainer, rewards=variety, **changes):
    lines = (FIXTURES / "prompts.jsonl").read_text().splitlines()[:32]
    data = Dataset.from_list([json.loads(line) for line in lines])
    options = {name: changes.pop(name) for name in ("rollout_func", "eval_dataset") if name in changes}
    if options.get("eval_dataset"):
        options["eval_dataset"] = data.select(range(4))
    return cls(
        model=str(FIXTURES / "model"),
        reward_funcs=rewards,
        args=config(**changes),
        train_dataset=data,
        **options,
    )


def digest(tensors):
    found = hashlib.sha256()
    for tensor in tensors:
        found.update(tensor.detach().contiguous().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def weights(of):
    return digest(value for _, value in sorted(of.model.state_dict().items()))


def optimizer_state(of):
    states = of.optimizer.state_dict()["state"]
    return digest(
        value.reshape(-1)
        for _, state in sorted(states.items())
        for _, value in sorted(state.items())
        if value.numel()
    )


def logs(of, prefix="guard/"):
    """By step, what was logged: under the guard's names, and under all others but clock times."""
    guard, others = {}, {}
    for row in of.state.log_history:
        kept = {key: value for key, value in row.items() if "time" not in key and "per_second" not in key}
        guard.setdefault(row["step"], {}).update({k: v for k, v in kept.items() if k.startswith(prefix)})
        others.setdefault(row["step"], []).append({k: v for k, v in kept.items() if not k.startswith(prefix)})
    return guard, others


class Digests(TrainerCallback):
    """Digests of weights and optimizer before and after every update."""

    def __init__(self):
        self.trainer = None
        self.before = []
        self.after = []

    def _now(self):
        return [weights(self.trainer), optimizer_state(self.trainer)]

    def on_step_begin(self, *_, **__):
        self.before.append(self._now())

    def on_step_end(self, *_, **__):
        self.after.append(self._now())


def with_digests(made):
    digests = Digests()
    digests.trainer = made
    made.add_callback(digests)
    return digests


def run(scenarios, target):
    """Run each scenario, and write what it returned, or how it failed, by name."""
    found = {}
    for scenario in scenarios:
        SAID.clear()
        try:
            found[scenario.__name__] = scenario()
        except Exception:  # noqa: BLE001 - the test of that scenario shows it
            found[scenario.__name__] = {"failed": traceback.format_exc()}
        Path(target).write_text(json.dumps(found))
