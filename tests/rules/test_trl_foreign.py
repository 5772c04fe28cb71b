"""A configuration or a trainer that isn't TRL's: a fork, a subclass, a copy of the trainer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from vllm_migrate.config import Config
from vllm_migrate.rules.scan import scan

if TYPE_CHECKING:
    from pathlib import Path

TRAIN = 'from trl import GRPOConfig\n\nconfig = GRPOConfig("out", use_vllm=True, vllm_device="cuda:1")\n'
OWN = "class CopiedTrainer(Trainer):\n    def __init__(self, args):\n        self.beta = args.beta\n"


def said(tree: Path, files: dict[str, str], code: str = "VM602") -> str:
    for name, text in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text, encoding="utf-8")
    result = scan([tree], Config(target="0.32.0", select=(code,)))
    return "\n".join(finding.message for finding in result.findings)


@pytest.mark.parametrize("code", ["VM601", "VM602"])
@pytest.mark.parametrize(
    ("name", "requirement"),
    [
        ("requirements.txt", "trl @ git+https://github.com/someone/trl.git"),
        ("requirements.txt", "git+https://github.com/someone/trl.git@main"),
        ("pyproject.toml", '[tool.uv.sources]\ntrl = { path = "../trl", editable = true }'),
        ("pyproject.toml", '[tool.poetry.dependencies]\ntrl = {git = "https://github.com/someone/trl"}'),
        ("vendor/trl/trainer/grpo_trainer.py", "class GRPOTrainer: ..."),
    ],
)
def test_a_fork_is_left_alone(tmp_path: Path, code: str, name: str, requirement: str) -> None:
    assert not said(tmp_path, {"train.py": TRAIN, name: requirement + "\n"}, code)


@pytest.mark.parametrize("code", ["VM601", "VM602"])
@pytest.mark.parametrize(
    "requirement",
    [
        "trl==0.17.0",
        "trl @ git+https://github.com/huggingface/trl.git",
        "git+https://github.com/huggingface/trl",
        "my-trl @ git+https://github.com/someone/my-trl.git",
    ],
)
def test_a_release_or_its_repository_is_no_fork(tmp_path: Path, code: str, requirement: str) -> None:
    assert said(tmp_path, {"train.py": TRAIN, "requirements.txt": requirement + "\n"}, code)


def test_what_a_subclass_sets_is_not_left_to_trl(tmp_path: Path) -> None:
    own = (
        "from trl import GRPOConfig\n\n\nclass OurConfig(GRPOConfig):\n"
        "    def __init__(self, temperature=0.9, **kwargs):\n"
        "        super().__init__(temperature=temperature, **kwargs)\n"
    )
    train = 'from config import OurConfig\n\nconfig = OurConfig(output_dir="out", use_vllm=True)\n'
    found = said(tmp_path, {"config.py": own, "train.py": train})
    assert "leaves temperature" not in found
    assert "leaves beta" in found


def test_a_copy_of_the_trainer_reads_what_it_reads(tmp_path: Path) -> None:
    own = f"from transformers import Trainer\n\n\n{OWN}"
    train = (
        "from copied import CopiedTrainer\nfrom trl import GRPOConfig\n\n"
        'config = GRPOConfig("out", use_vllm=True)\ntrainer = CopiedTrainer(config)\n'
    )
    found = said(tmp_path, {"copied.py": own, "train.py": train})
    assert "leaves loss_type" not in found
    assert "leaves vllm_mode" not in found
    assert "leaves beta" in found  # its own code reads it
    assert "leaves bf16" in found  # transformers' trainer does


def test_a_subclass_of_trls_trainer_reads_all(tmp_path: Path) -> None:
    own = f"from trl import GRPOTrainer\n\n\n{OWN.replace('(Trainer)', '(GRPOTrainer)')}"
    train = (
        "from copied import CopiedTrainer\nfrom trl import GRPOConfig\n\n"
        'config = GRPOConfig("out", use_vllm=True)\ntrainer = CopiedTrainer(config)\n'
    )
    assert "leaves loss_type" in said(tmp_path, {"copied.py": own, "train.py": train})


@pytest.mark.parametrize(("others", "expected"), [("", False), ("parser.add_argument('--use_vllm')\n", True)])
def test_training_without_vllm_stays_with_its_trl(tmp_path: Path, others: str, *, expected: bool) -> None:
    train = 'from trl import GRPOConfig\n\nconfig = GRPOConfig("out", max_prompt_length=9)\n'
    assert bool(said(tmp_path, {"train.py": train, "other.py": others}, "VM601")) is expected


@pytest.mark.parametrize(
    ("bases", "field", "left"),
    [
        ("(TrainingArguments)", "vllm_device", True),
        ("(trl.GRPOConfig)", "vllm_device", True),
        ("(TrainingArguments)", "vllm_dtype", False),
        ("", "vllm_device", False),
    ],
)
def test_settings_of_an_own_field_are_left_alone(
    tmp_path: Path, bases: str, field: str, *, left: bool
) -> None:
    own = f'import trl\n\n\nclass OurConfig{bases}:\n    {field}: str = "auto"\n'
    files = {"own.py": own, "grpo.yaml": "model_name_or_path: m\nuse_vllm: true\nvllm_device: auto\n"}
    assert bool(said(tmp_path, files, "VM601")) is not left


def test_an_argument_that_the_projects_own_trainer_reads_is_to_be_declared(tmp_path: Path) -> None:
    settings = {"grpo.yaml": "model_name_or_path: m\nuse_vllm: true\nmax_prompt_length: 9\n"}
    trainer = "class OwnTrainer(Trainer):\n    def __init__(self, args):\n        {} args.max_prompt_length\n"
    reads = said(tmp_path, {**settings, "own.py": trainer.format("self.longest =")}, "VM601")
    assert "but own.py does" in reads
    assert "own.py" not in said(tmp_path, {**settings, "own.py": trainer.format("del")[:40]}, "VM601")


@pytest.mark.parametrize(
    ("trainer", "said"),
    [
        ("class MyTrainer(GRPOTrainer):\n    def cut(self, ids):\n        return ids[-self.{0} :]\n", True),
        ("class MyTrainer(Trainer):\n    def cut(self, ids):\n        return ids[-self.{0} :]\n", False),
        (
            "class MyTrainer(GRPOTrainer):\n    def cut(self, n):\n        self.{0} = n\n        self.{0}\n",
            False,
        ),
    ],
)
def test_what_trls_trainer_kept_is_missing_from_the_projects_own(
    tmp_path: Path, trainer: str, said: bool
) -> None:
    (tmp_path / "own.py").write_text(trainer.format("max_prompt_length"), encoding="utf-8")
    code = 'from trl import GRPOConfig\n\nconfig = GRPOConfig("out", use_vllm=True, max_prompt_length=9)\n'
    (tmp_path / "train.py").write_text(code, encoding="utf-8")
    (found,) = scan([tmp_path], Config(select=("VM601",))).findings
    assert ("own.py reads self.max_prompt_length" in found.message) is said
    assert ("set self.max_prompt_length" in found.advice) is said


TAKES_ANY = 'from trl import GRPOConfig\n\n\ndef make(options):\n    return GRPOConfig("out", **options)\n'


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("requirements.txt", "trl\n", False),
        ("requirements.txt", "vllm\n", True),
        ("run.sh", "python train.py --use_vllm False\n", False),
        ("run.sh", "python train.py --use_vllm True\n", True),
        ("run.sh", "trl vllm-serve --model m\n", True),
        ("grpo.yaml", "use_vllm: false\n", False),
        ("grpo.yaml", "use_vllm: true\n", True),
        ("sample.py", "from vllm import LLM\n", True),
        ("cells.ipynb", '{"cells": [{"source": [\n  "import vllm\\n"\n]}]}', True),
    ],
)
def test_a_trl_that_never_meets_vllm_stays_where_it_is(
    tmp_path: Path, name: str, text: str, said: bool
) -> None:
    (tmp_path / "train.py").write_text(TAKES_ANY, encoding="utf-8")
    (tmp_path / name).write_text(text, encoding="utf-8")
    found = [one for one in scan([tmp_path], Config(select=("VM602",))).findings if "beta" in one.message]
    assert bool(found) is said


def test_vllm_that_is_only_ever_turned_off_leaves_trl_alone(tmp_path: Path) -> None:
    code = 'from trl import GRPOConfig\n\nconfig = GRPOConfig("out", max_prompt_length=9)\n'
    (tmp_path / "train.py").write_text(code, encoding="utf-8")
    (tmp_path / "run.sh").write_text("python other.py --use_vllm False --seed 1\n", encoding="utf-8")
    assert scan([tmp_path], Config(select=("VM601",))).findings == ()


def test_what_a_file_of_settings_sets_is_not_left_to_trl(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(TAKES_ANY, encoding="utf-8")
    settings = "training:\n  use_vllm: true\n  num_generations: 8\n  beta: 0.001\n"
    (tmp_path / "grpo.yaml").write_text(settings, encoding="utf-8")
    (tmp_path / "reward.yaml").write_text("training:\n  learning_rate: 0.1\n", encoding="utf-8")

    def said() -> set[str]:
        found = scan([tmp_path], Config(select=("VM602",))).findings
        return {name for one in found for name in ("beta", "temperature") if f"leaves {name} " in one.message}

    assert said() == {"temperature"}
    (tmp_path / "other.yaml").write_text("num_generations: 8\n", encoding="utf-8")
    assert said() == {"beta", "temperature"}


@pytest.mark.parametrize(
    ("dtype", "lowered"),
    [("torch.float32", True), ("'float'", True), ("'auto'", False), ("'float16'", False)],
)
def test_an_engine_in_32_bits_is_not_taken_from_the_model(
    tmp_path: Path, dtype: str, *, lowered: bool
) -> None:
    code = (
        f'import torch\nfrom trl import GRPOConfig\n\nGRPOConfig("out", use_vllm=True, vllm_dtype={dtype})\n'
    )
    (tmp_path / "train.py").write_text(code, encoding="utf-8")
    (found,) = scan([tmp_path], Config(select=("VM601",))).findings
    assert ("16 bits for a model in 32" in found.message) is lowered
    assert ("nothing in colocate mode" in found.advice) is not lowered
