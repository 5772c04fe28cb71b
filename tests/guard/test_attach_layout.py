"""Which trainers are refused, by classes that look like TRL's; the real ones are in test_attach_trl.py."""

from __future__ import annotations

import subprocess
import sys
import types

import pytest

from vllm_migrate.errors import UsageError
from vllm_migrate.guard.attach import attach
from vllm_migrate.guard.trl import layout

SOURCE = """
class Trainer:
    def _inner_training_loop(self):
        self.callback_handler.on_pre_optimizer_step(self.args, self.state, self.control)
        self.optimizer.step()


class GRPOTrainer(Trainer):
    def __init__(self):
        self._metrics = {"train": {}}
        self.accelerator = self.state = self.reward_weights = None
        self.beta = self.epsilon_high = self.epsilon_low = 0.0
        self.importance_sampling_level, self.loss_type = "token", "dapo"
        self.num_generations, self.reward_func_names, self.use_vllm = 4, [], False

    def _get_per_token_logps_and_entropies(self, model, input_ids):
        return model(input_ids), None

    def _calculate_rewards(self, inputs, prompts, completions):
        return inputs

    def _generate_and_score_completions(self, inputs):
        output = {"completion_mask": 1, "advantages": self._calculate_rewards(inputs, [], [])}
        output["old_per_token_logps"], _ = self._get_per_token_logps_and_entropies(self.model, inputs)
        for key in ("tool_mask", "sampling_per_token_logps", "ref_per_token_logps"):
            output[key] = inputs[0]
        return output

    def _compute_loss(self, model, inputs):
        mask = inputs["completion_mask"] if "tool_mask" not in inputs else inputs["tool_mask"]
        logps, _ = self._get_per_token_logps_and_entropies(model, inputs)
        return (logps - inputs.get("old_per_token_logps")) * inputs["advantages"] * mask
"""


@pytest.fixture
def trl(monkeypatch):
    """A package named trl with such a class in it."""

    def make(version="1.16.0", source=SOURCE):
        package, module = types.ModuleType("trl"), types.ModuleType("trl.trainer.grpo_trainer")
        package.__version__ = version
        exec(compile(source, "grpo_trainer.py", "exec"), module.__dict__)  # noqa: S102 - the text above
        monkeypatch.setitem(sys.modules, "trl", package)
        return module.GRPOTrainer()

    return make


def refusal(trainer):
    with pytest.raises(UsageError) as raised:
        layout.require(trainer)
    assert "\n" not in raised.value.message
    assert "PolicyGuard.step" in raised.value.hint or "1.14" in raised.value.hint
    return raised.value.message


def test_the_layout_of_today_is_known(trl):
    found = layout.require(trl())
    assert found.known
    assert str(found.trl) == "1.16.0"


@pytest.mark.parametrize("version", ["1.17.0", "2.0.0", "1.20.0.dev0"])
def test_a_newer_release_with_the_same_layout_is_taken(trl, version):
    assert not layout.require(trl(version)).known


@pytest.mark.parametrize("version", ["0.29.1", "0.16.0", "1.0.0.dev0"])
def test_an_older_release_is_refused(trl, version):
    assert refusal(trl(version)) == f"attach needs TRL 1.0.0 or newer, this is {version}"


def test_a_release_without_a_version_is_refused(trl):
    with pytest.raises(UsageError, match="version is ''"):
        layout.require(trl(""))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("def _compute_loss(self, model, inputs)", "def _loss_of(self, model, inputs)", "no _compute_loss"),
        (
            "def _compute_loss(self, model, inputs)",
            "def _compute_loss(self, inputs, model)",
            "takes (self, inputs",
        ),
        ("_calculate_rewards", "_score", "has no _calculate_rewards"),
        ('"sampling_per_token_logps"', '"rollout_logps"', "knows no 'sampling_per_token_logps'"),
        ('"old_per_token_logps"', '"old_logps"', "knows no 'old_per_token_logps'"),
        ("logps, _ = self._get_per_token", "logps, _ = self.fused_get_per_token", "does not call"),
        ("on_pre_optimizer_step", "on_optimizer_step", "training loop has no on_pre_optimizer_step"),
        ("self.num_generations, ", "self.group_size, ", "the trainer has no num_generations"),
        ('{"train": {}}', "[]", "_metrics holds no 'train'"),
    ],
)
def test_a_layout_that_has_changed_is_refused(trl, old, new, words):
    assert old in SOURCE
    message = refusal(trl("3.1.0", SOURCE.replace(old, new)))
    assert words in message
    assert "TRL 3.1.0" in message


def test_other_trainers_are_refused():
    class GRPOTrainer:
        """Of the same name, and none of TRL's."""

    assert refusal(GRPOTrainer()) == "attach needs a GRPOTrainer of TRL, this is GRPOTrainer"
    assert refusal(None) == "attach needs a GRPOTrainer of TRL, this is NoneType"


def test_a_subclass_that_computes_its_own_loss_is_refused(trl):
    base = type(trl())

    class GMPOTrainer(base):
        def _compute_loss(self, model, inputs):
            return super()._compute_loss(model, inputs)

    assert refusal(GMPOTrainer()) == "GMPOTrainer overrides _compute_loss, which the guard reads"


def test_liger_without_logprobs_is_refused(trl):
    trainer = trl("1.9.0", SOURCE + "\n    def compute_liger_loss(self, model, inputs):\n        return 0\n")
    layout.require(trainer)
    trainer.use_liger_kernel = True
    assert "use_liger_kernel" in refusal(trainer)


@pytest.mark.parametrize(
    ("name", "value"), [("is_deepspeed_enabled", True), ("args", types.SimpleNamespace(optim="lomo"))]
)
def test_updates_inside_the_backward_pass_are_refused(trl, name, value):
    trainer = trl()
    setattr(trainer, name, value)
    assert "inside the backward pass" in refusal(trainer)


def test_attaching_imports_no_heavy_package():
    code = (
        "import sys; import vllm_migrate.guard.attach; "
        "print([name for name in ('torch', 'numpy', 'trl', 'transformers', 'libcst', 'typer', 'rich')"
        " if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_is_no_trainer_is_refused_by_attach_itself():
    with pytest.raises(UsageError, match="attach needs a GRPOTrainer"):
        attach(object())
