"""Which TRL a project comes from and goes to, and what VM602 says about the defaults between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from packaging.version import Version
from rule_support import by_code, find

from vllm_migrate.config import Config
from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.facts.loader import load_facts
from vllm_migrate.facts.trl_route import trl_route
from vllm_migrate.files.located import Pin, Span
from vllm_migrate.rules.scan import scan

if TYPE_CHECKING:
    from pathlib import Path

    from vllm_migrate.edits.model import Finding

CONFIG = 'from trl import GRPOConfig\n\nconfig = GRPOConfig("out", use_vllm=True{more})\n'
NOWHERE = Span(0, 0)


def pin(specifier: str, where: str = "requirements.txt:1") -> tuple[tuple[str, Pin], ...]:
    return ((where, Pin("trl", specifier, NOWHERE, NOWHERE)),)


@pytest.mark.parametrize(
    ("source", "target", "began", "ends"),
    [
        ("0.7.3", "0.18.1", "0.16.0", "1.8.0"),
        ("0.8.5", "0.32.0", "0.17.0", "1.16.0"),
        ("0.9.2", "0.26.0", "0.17.0", "1.16.0"),
        ("0.10.0", "0.11.0", "0.21.0", "1.0.0"),
        ("0.10.2", "0.33.0", "0.24.0", "1.16.0"),
    ],
)
def test_without_a_pin_the_vllm_releases_tell(source: str, target: str, began: str, ends: str) -> None:
    route = trl_route((), Version(source), Version(target), load_facts())
    assert (str(route.source), str(route.target)) == (began, ends)
    assert route.is_assumed


def test_a_pin_tells_the_source() -> None:
    route = trl_route(pin(">=0.15.2,<0.18"), Version("0.8.5"), Version("0.32.0"), load_facts())
    assert (str(route.source), route.origin, route.is_assumed) == ("0.15.2", "requirements.txt:1", False)


def test_a_pin_beyond_the_target_stays() -> None:
    route = trl_route(pin("==1.20.0"), Version("0.8.5"), Version("0.18.1"), load_facts())
    assert route.source == route.target == Version("1.20.0")


@pytest.mark.parametrize(
    ("names", "began"),
    [
        ("use_vllm beta", "0.17.0"),
        ("vllm_device", "0.15.2"),
        ("vllm_dtype bf16 logging_steps", "0.15.2"),
        ("vllm_server_host", "0.17.0"),
        ("vllm_mode", "0.18.2"),
        ("vllm_mode vllm_gpu_memory_utilization own_field", "0.18.2"),
        ("vllm_importance_sampling_mode", "0.26.2"),
        ("vllm_device vllm_mode", "0.17.0"),  # no release has both
    ],
)
def test_without_a_pin_the_release_has_what_the_code_passes(names: str, began: str) -> None:
    passed = frozenset(("trl.GRPOConfig", name) for name in names.split())
    route = trl_route((), Version("0.8.5"), Version("0.32.0"), load_facts(), passed)
    assert (str(route.source), route.is_assumed) == (began, True)
    pinned = trl_route(pin("==0.17.0"), Version("0.8.5"), Version("0.32.0"), load_facts(), passed)
    assert str(pinned.source) == "0.17.0"


def test_a_class_that_is_gone_still_tells_the_release() -> None:
    passed = frozenset({("trl.OnlineDPOConfig", "vllm_mode")})
    route = trl_route((), Version("0.8.5"), Version("0.32.0"), load_facts(), passed)
    assert str(route.source) == "0.23.1"


def test_the_device_of_an_engine_beside_the_trainer_tells_the_release(tmp_path: Path) -> None:
    code = CONFIG.format(more=', vllm_device="cuda:0"')
    (tmp_path / "train.py").write_text(code, encoding="utf-8")
    found = {one.fact: one for one in scan([tmp_path], Config(select=("VM602",))).findings}
    assert added(found["trl-grpo-loss-type"]) == 'loss_type="grpo"'
    assert not {"trl-grpo-top-k", "trl-grpo-vllm-mode"} & set(found)
    assert {one.safety for one in found.values()} <= {Safety.UNSAFE, Safety.MANUAL}


def check(tree: Path, trl: str, more: str = "", target: str = "0.32.0") -> dict[str, Finding]:
    (tree / "train.py").write_text(CONFIG.format(more=more), encoding="utf-8")
    (tree / "requirements.txt").write_text(f"vllm==0.8.5\n{trl}\n", encoding="utf-8")
    result = scan([tree], Config(target=target, select=("VM602",)))
    return {finding.fact: finding for finding in result.findings}


def added(finding: Finding) -> str:
    (edit,) = finding.edits
    return f"{edit.name}={edit.value}"  # type: ignore[union-attr]


def test_from_a_pinned_trl_the_old_default_is_safe(tmp_path: Path) -> None:
    found = check(tmp_path, "trl==0.17.0")
    assert {fact: added(f) for fact, f in found.items() if f.safety is Safety.SAFE} == {
        "trl-grpo-temperature": "temperature=0.9",
        "trl-grpo-top-k": "top_k=50",
        "trl-grpo-beta": "beta=0.04",
        "trl-grpo-max-completion-length": "max_completion_length=256",
    }
    assert {fact: added(f) for fact, f in found.items() if f.safety is Safety.UNSAFE} == {
        "trl-grpo-loss-type": 'loss_type="bnpo"',
        "trl-grpo-vllm-mode": 'vllm_mode="server"',
        "trl-grpo-bf16": "bf16=False",
    }
    manual = {fact for fact, f in found.items() if f.safety is Safety.MANUAL}
    assert manual == {"trl-grpo-max-prompt-length", "trl-grpo-is-correction"}
    assert all(found[fact].advice for fact in manual)
    assert {finding.level for finding in found.values()} == {Level.WARNING}


def test_the_loss_before_there_was_a_choice(tmp_path: Path) -> None:
    found = check(tmp_path, "trl==0.15.2")
    assert added(found["trl-grpo-loss-type"]) == 'loss_type="grpo"'
    assert "trl-grpo-top-k" not in found  # vLLM drew from all tokens, as it does again
    assert "trl-grpo-vllm-mode" not in found  # neither mode: VM601 reports vllm_device


def test_corrections_that_changed(tmp_path: Path) -> None:
    found = check(tmp_path, "trl==0.24.0")
    assert added(found["trl-grpo-is-cap"]) == "vllm_importance_sampling_clip_max=2.0"
    assert added(found["trl-grpo-is-mode"]) == 'vllm_importance_sampling_mode="token_truncate"'
    assert "trl-grpo-is-correction" not in found
    off = check(tmp_path, "trl==0.24.0", ", vllm_importance_sampling_correction=False")
    assert not {"trl-grpo-is-cap", "trl-grpo-is-mode"} & set(off)


def test_what_is_written_under_either_name_stays(tmp_path: Path) -> None:
    for written in ("vllm_importance_sampling_cap=4.0", "vllm_importance_sampling_clip_max=4.0"):
        assert "trl-grpo-is-cap" not in check(tmp_path, "trl==0.24.0", f", {written}")


def test_arguments_that_only_count_beside_others(tmp_path: Path) -> None:
    assert not {"trl-grpo-mixup", "trl-grpo-sync-steps"} & set(check(tmp_path, "trl==0.15.2"))
    synced = check(tmp_path, "trl==0.15.2", ", sync_ref_model=True")
    assert added(synced["trl-grpo-mixup"]) == "ref_model_mixup_alpha=0.9"
    assert "trl-grpo-bf16" not in check(tmp_path, "trl==0.17.0", ", fp16=True")
    assert "trl-grpo-bias-correction-kl" in check(tmp_path, "trl==1.8.0", ", beta=0.1")
    assert "trl-grpo-bias-correction-kl" not in check(tmp_path, "trl==1.8.0", ", beta=0.0")


def test_the_newest_trl_has_nothing_to_keep(tmp_path: Path) -> None:
    assert check(tmp_path, "trl==1.16.0") == {}


@pytest.mark.parametrize("more", ["", ", use_vllm=False"])
def test_without_vllm_nothing_is_said(more: str) -> None:
    assert find(by_code("VM602"), f'from trl import GRPOConfig\n\nGRPOConfig("out"{more})\n') == []


def test_what_reaches_the_call_unseen_may_hold_it() -> None:
    text = 'from trl import GRPOConfig\n\n\ndef f(options):\n    return GRPOConfig("out", **options)\n'
    found = find(by_code("VM602"), text)
    assert found
    assert {(finding.level, finding.safety) for finding in found} == {(Level.NOTE, Safety.MANUAL)}
    assert all(finding.advice for finding in found)


@pytest.mark.parametrize("target", ["0.12.0", "0.32.0"])
def test_trl_names_are_looked_up_in_trl(tmp_path: Path, target: str) -> None:
    (tmp_path / "train.py").write_text("from trl import OnlineDPOConfig, GRPOConfig\n", encoding="utf-8")
    (finding,) = scan([tmp_path], Config(target=target, select=("VM101", "VM102", "VM190"))).findings
    assert "is gone since TRL 0.29.0" in finding.message


TRAINER = (
    "from trl import GRPOConfig, GRPOTrainer\n\n"
    'trainer = GRPOTrainer(model="m", args=GRPOConfig("out", use_vllm=True))\n'
)


@pytest.mark.parametrize(
    ("then", "gone", "left"),
    [
        ("trainer._prepare_inputs = mine\n", {"top_k"}, {"temperature", "loss_type", "beta"}),
        ("trainer.compute_loss = make(trainer)\n", {"loss_type"}, {"temperature", "top_k", "beta"}),
        (
            "trainer._prepare_inputs = mine\ntrainer.compute_loss = make(trainer)\n",
            {"temperature", "top_k", "beta", "loss_type", "max_completion_length"},
            {"bf16", "vllm_mode"},
        ),
        (
            "trainer._prepare_inputs = mine\ntrainer.compute_loss = make(trainer.args.beta)\n",
            {"temperature", "loss_type"},
            {"beta"},
        ),
        ("compute_loss = trainer.compute_loss\ntrainer.compute_loss = compute_loss\n", set(), {"loss_type"}),
        ("other.compute_loss = mine\n", set(), {"loss_type"}),
    ],
)
def test_what_only_a_replaced_step_reads_is_left_out(then: str, gone: set[str], left: set[str]) -> None:
    said = " ".join(finding.message for finding in find(by_code("VM602"), TRAINER + then))
    named = {name for name in gone | left if f"leaves {name} to TRL" in said}
    assert named == left


def test_a_step_that_another_file_replaces_counts_for_a_trainer_that_is_taken_apart(tmp_path: Path) -> None:
    (tmp_path / "state.py").write_text(f"{TRAINER}trainer._prepare_inputs = mine\n", "utf-8")
    (tmp_path / "plain.py").write_text(TRAINER, "utf-8")
    (tmp_path / "train.py").write_text(
        "from trl import GRPOTrainer\n\n\ndef train(trainer):\n    trainer.compute_loss = make(trainer)\n",
        "utf-8",
    )
    found = [one for one in scan([tmp_path], Config()).findings if "leaves loss_type" in one.message]
    assert [one.path.name for one in found] == ["plain.py"]


OWN = (
    "from trl import GRPOConfig, GRPOTrainer\n\n\nclass MyTrainer(GRPOTrainer):\n{}\n\n"
    'config = GRPOConfig("out", use_vllm=True)\ntrainer = {}(model="m", args=config)\n'
)
DRAWS = "    def _generate_and_score_completions(self, inputs):\n        return {}\n"
LOSS = "    def compute_loss(self, model, inputs):\n        return {}\n"


@pytest.mark.parametrize(
    ("body", "made", "gone"),
    [
        (DRAWS.format("queue.get()"), "MyTrainer", {"top_k"}),
        (DRAWS.format("queue.get()"), "GRPOTrainer", set()),
        (DRAWS.format("super()._generate_and_score_completions(inputs)"), "MyTrainer", set()),
        (DRAWS.format("self.llm.generate(inputs, self.sampling_params)"), "MyTrainer", set()),
        (DRAWS.format("ask(top_k=self.top_k)"), "MyTrainer", set()),
        (LOSS.format("mine(inputs)"), "MyTrainer", {"loss_type"}),
        (LOSS.format("super().compute_loss(model, inputs)"), "MyTrainer", set()),
        (LOSS.format("self._compute_loss(model, inputs)"), "MyTrainer", set()),
        (LOSS.format("mine(self.loss_type)"), "MyTrainer", set()),
        (
            "    def __init__(self):\n        self.loss_type = 'own'\n\n"
            + LOSS.format("mine(self.loss_type)"),
            "MyTrainer",
            {"loss_type"},
        ),
        (
            DRAWS.format("queue.get()") + LOSS.format("mine(inputs)"),
            "MyTrainer",
            {"temperature", "top_k", "beta", "loss_type"},
        ),
        (
            DRAWS.format("queue.get()") + LOSS.format("self._get_per_token_logps(model, self.beta)"),
            "MyTrainer",
            {"top_k", "loss_type"},
        ),
    ],
)
def test_what_only_a_step_reads_that_a_subclass_overrides_is_left_out(
    body: str, made: str, gone: set[str]
) -> None:
    said = " ".join(finding.message for finding in find(by_code("VM602"), OWN.format(body, made)))
    asked = {"temperature", "top_k", "beta", "loss_type"}
    assert {name for name in asked if f"leaves {name} to TRL" not in said} == gone


@pytest.mark.parametrize(
    ("body", "given", "said"),
    [
        ("self.use_vllm = True", "", False),
        ("self.use_vllm = True", "use_vllm=True, ", True),
        ("self.client = Client()", "", True),
    ],
)
def test_where_the_engine_runs_is_left_out_where_trl_is_never_told_of_one(
    body: str, given: str, said: bool
) -> None:
    text = OWN.format(
        f"    def __init__(self):\n        {body}\n\n{DRAWS.format('queue.get()')}", "MyTrainer"
    ).replace("use_vllm=True)", f"{given}**options)")
    found = " ".join(finding.message for finding in find(by_code("VM602"), text))
    assert ("leaves vllm_mode to TRL" in found) is said


def test_where_the_engine_runs_is_left_out_under_unsloths_patch() -> None:
    patch = 'from unsloth import FastLanguageModel, PatchFastRL\n\n{}("GRPO", FastLanguageModel)\n'
    patched = " ".join(
        finding.message for finding in find(by_code("VM602"), patch.format("PatchFastRL") + TRAINER)
    )
    other = " ".join(finding.message for finding in find(by_code("VM602"), patch.format("other") + TRAINER))
    assert "leaves beta to TRL" in patched
    assert "leaves vllm_mode to TRL" not in patched
    assert "leaves vllm_mode to TRL" in other


DRAWING = (
    "from trl import GRPOConfig, GRPOTrainer\n\n\n"
    "class MineTrainer(GRPOTrainer):\n"
    "    def _generate_and_score_completions(self, inputs):\n"
    "        return self.draw(inputs)[:, -self.max_prompt_length :], self._get_per_token_logps(inputs)\n\n\n"
    'config = GRPOConfig("out", use_vllm=True)\n'
    "trainer = MineTrainer(args=config)\n"
)


def test_a_trainer_that_draws_completions_itself_is_told_what_remains(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(DRAWING, encoding="utf-8")
    found = {
        f.message.split()[2]: f for f in scan([tmp_path], Config(target="0.32.0", select=("VM602",))).findings
    }
    assert "MineTrainer draws completions itself" in found["temperature"].message
    assert found["max_prompt_length"].level is Level.ERROR
    assert "self.max_prompt_length = 512" in found["max_prompt_length"].advice
    assert found["vllm_importance_sampling_correction"].advice == "vllm_importance_sampling_correction=False"


def test_a_trainer_that_is_written_elsewhere_may_go_its_own_way(tmp_path: Path) -> None:
    code = f"from mine import MyTrainer\n{CONFIG.format(more='')}MyTrainer(args=config)\n"
    (tmp_path / "train.py").write_text(code, encoding="utf-8")
    found = scan([tmp_path], Config(target="0.32.0", select=("VM602",))).findings
    assert found
    assert all(f.level is Level.NOTE and "unless MyTrainer goes its own way" in f.message for f in found)


def test_the_loss_is_unsloths_where_it_is_imported(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import unsloth\n" + CONFIG.format(more=""), encoding="utf-8")
    found = scan([tmp_path], Config(target="0.32.0", select=("VM602",))).findings
    assert not [f for f in found if "loss_type" in f.message or "importance_sampling" in f.message]
    assert [f for f in found if "temperature" in f.message]
