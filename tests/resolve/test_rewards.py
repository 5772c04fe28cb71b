"""Which reward a repository trains with, as its code and configurations say."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from vllm_migrate.resolve.rewards import find_rewards

if TYPE_CHECKING:
    from pathlib import Path

    from vllm_migrate.resolve.rewards import FoundRewards

REWARDS = """
def accuracy(prompts, completions, answer, **kwargs):
    return [1.0 for _ in completions]

async def formatted(completions, **kwargs):
    return [0.5 for _ in completions]
"""


def found(folder: Path, files: dict[str, str]) -> FoundRewards:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return find_rewards(folder)


def taken(result: FoundRewards, folder: Path) -> list[tuple[str, float]]:
    return [(name.target.replace(f"{folder}/", ""), name.weight) for name in result.only]


def test_what_the_trainer_is_given_is_taken_with_its_weights(tmp_path: Path):
    result = found(
        tmp_path,
        {
            "rewards.py": REWARDS,
            "train.py": (
                "from trl import GRPOConfig, GRPOTrainer\nimport rewards\n"
                "from rewards import accuracy as right\n"
                "args = GRPOConfig(reward_weights=[0.8, 0.2])\n"
                "trainer = GRPOTrainer('m', reward_funcs=[right, rewards.formatted], args=args)\n"
            ),
        },
    )
    assert taken(result, tmp_path) == [("rewards.py:accuracy", 0.8), ("rewards.py:formatted", 0.2)]
    assert result.uses[0].where == "train.py:5"
    assert [name.name for name in result.defined] == ["accuracy", "formatted"]


def test_a_list_in_a_variable_a_positional_argument_and_reexports_are_followed(tmp_path: Path):
    result = found(
        tmp_path,
        {
            "pkg/__init__.py": "",
            "pkg/rewards/__init__.py": "from .maths import accuracy\n",
            "pkg/rewards/maths.py": REWARDS,
            "pkg/train.py": (
                "from .rewards import accuracy\n"
                "def main(model):\n    funcs = [accuracy]\n    return trl.GRPOTrainer(model, funcs)\n"
            ),
        },
    )
    assert taken(result, tmp_path) == [("pkg/rewards/maths.py:accuracy", 1.0)]


def test_functions_of_installed_packages_keep_their_module(tmp_path: Path):
    result = found(
        tmp_path,
        {"train.py": "from trl.rewards import think_format_reward as f\nOnlineDPOTrainer(reward_funcs=f)\n"},
    )
    assert taken(result, tmp_path) == [("trl.rewards:think_format_reward", 1.0)]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("['org/model']", "the model org/model"),
        ("[lambda completions, **k: [0.0]]", "a function made while it runs"),
        ("make()", "a function made while it runs"),
    ],
)
def test_what_cannot_be_named_is_said_and_nothing_is_taken(tmp_path: Path, value: str, said: str):
    result = found(
        tmp_path, {"rewards.py": REWARDS, "train.py": f"GRPOTrainer(model, reward_funcs={value})\n"}
    )
    assert result.uses[0].unknown == (said,)
    assert result.only == ()


def test_a_list_that_grows_is_no_fixed_list(tmp_path: Path):
    text = "from rewards import accuracy\nfs = [accuracy]\nfs.append(f)\nGRPOTrainer(m, reward_funcs=fs)\n"
    result = found(tmp_path, {"rewards.py": REWARDS, "train.py": text})
    assert result.only == ()
    assert result.uses[0].unknown


def test_a_wrapper_that_hands_its_parameter_on_uses_nothing_itself(tmp_path: Path):
    result = found(
        tmp_path,
        {"wrap.py": "def train(m, reward_funcs):\n    return GRPOTrainer(m, reward_funcs=reward_funcs)\n"},
    )
    assert result.uses == ()


def test_two_trainers_with_one_reward_are_one_use_and_with_two_a_choice(tmp_path: Path):
    use = "from rewards import {0}\nGRPOTrainer(m, reward_funcs={0})\n"
    files = {"rewards.py": REWARDS, "a.py": use.format("accuracy"), "b.py": use.format("accuracy")}
    assert taken(found(tmp_path, files), tmp_path) == [("rewards.py:accuracy", 1.0)]
    assert found(tmp_path, {"c.py": use.format("formatted")}).only == ()


def test_verl_names_its_function_in_yaml_or_in_a_script(tmp_path: Path):
    score = "def compute_score(data_source, solution_str, ground_truth, extra_info=None):\n    return 1.0\n"
    result = found(
        tmp_path,
        {
            "rewards/mine.py": score,
            "config/ppo.yaml": "custom_reward_function:\n  path: rewards/mine.py\n  name: compute_score\n",
        },
    )
    assert taken(result, tmp_path) == [("rewards/mine.py:compute_score", 1.0)]
    (tmp_path / "config" / "ppo.yaml").write_text("custom_reward_function:\n  path: null\n")
    result = found(
        tmp_path,
        {"run.sh": "python3 -m verl.trainer.main_ppo \\\n    custom_reward_function.path=rewards/mine.py\n"},
    )
    assert taken(result, tmp_path) == [("rewards/mine.py:compute_score", 1.0)]
    assert result.uses[0].where == "run.sh:2"
    (tmp_path / "run.sh").write_text("python3 -m x custom_reward_function.path=$HOME/mine.py\n")
    assert find_rewards(tmp_path).uses[0].unknown == ("a path that is known only when it runs",)


def test_verls_own_score_counts_where_a_manager_stands_and_no_function(tmp_path: Path):
    manager = "reward_model:\n  reward_manager: naive\n"
    result = found(tmp_path, {"ppo.yaml": manager})
    assert taken(result, tmp_path) == [("verl.utils.reward_score:default_compute_score", 1.0)]
    result = found(tmp_path, {"other.yaml": "reward_manager:\n  name: Mine\n  module:\n    path: mine.py\n"})
    assert result.uses[0].unknown == ("the reward manager Mine, which is a class",)
    (tmp_path / "other.yaml").unlink()
    result = found(
        tmp_path,
        {"rewards.py": REWARDS, "train.py": "from rewards import accuracy\nGRPOTrainer(m, accuracy)\n"},
    )
    assert taken(result, tmp_path) == [("rewards.py:accuracy", 1.0)]


def test_without_a_use_the_only_function_that_looks_like_a_reward_is_taken(tmp_path: Path):
    result = found(
        tmp_path,
        {
            "reward.py": (
                "def compute_rewards(completions, answers):\n    return [0.0]\n"
                "def log_samples(prompts, completions, rewards):\n    print(prompts)\n"
                "class A:\n    def reward(self, prompts, completions):\n        return 1\n"
            ),
            "tests/test_reward.py": REWARDS,
        },
    )
    assert taken(result, tmp_path) == [("reward.py:compute_rewards", 1.0)]
    assert taken(found(tmp_path, {"b.py": "def reward(text, answer):\n    return 1.0\n"}), tmp_path) == []
    assert [name.style for name in find_rewards(tmp_path).defined] == ["per text", "TRL"]


def test_a_file_that_is_no_python_is_named_and_the_rest_is_read(tmp_path: Path):
    result = found(tmp_path, {"broken.py": "def reward(completions, **k:\n", "rewards.py": REWARDS})
    assert len(result.unread) == 1
    assert "broken.py" in result.unread[0]
    assert len(result.defined) == 2


def test_nothing_is_run_and_neither_numpy_nor_libcst_is_loaded(tmp_path: Path):
    (tmp_path / "reward.py").write_text("raise SystemExit(7)\ndef reward(completions, **k):\n    return 1\n")
    code = (
        "import sys\nfrom pathlib import Path\nfrom vllm_migrate.resolve.rewards import find_rewards\n"
        f"assert len(find_rewards(Path({str(tmp_path)!r})).only) == 1\n"
        "assert not {'numpy', 'libcst', 'torch'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
