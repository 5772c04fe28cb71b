"""The two recipes, through the command: what each writes, and that a second run finds nothing to write."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

TRAIN = """\
from vllm import LLM, SamplingParams


class Trainer:
    def __init__(self, optimizer):
        self.llm = LLM("m", seed=3)
        self.optimizer = optimizer

    def sync(self, policy):
        for name, tensor in policy.named_parameters():
            self.llm.collective_rpc("update_weight", args=(name, tuple(tensor.shape)))

    def step(self, policy, prompts):
        outputs = self.llm.generate(prompts, SamplingParams(temperature=0.7, logprobs=0))
        old = [output.outputs[0].logprobs for output in outputs]
        policy.loss(old).backward()
        self.optimizer.step()
        self.sync(policy)
"""
LOOP_END = "args=(name, tuple(tensor.shape)))\n"
RESET = "        self.llm.reset_prefix_cache()\n"


def configure(project: Path, recipe: str) -> Path:
    (project / "pyproject.toml").write_text(f'[tool.vllm-migrate]\nrecipe = "{recipe}"\n')
    code = project / "train.py"
    code.write_text(TRAIN)
    return code


def rewrite(run, code: Path) -> str:
    run("rewrite", "--unsafe-fixes", "--from", "0.8.5", "--allow-dirty", ".")
    first = code.read_text()
    run("rewrite", "--unsafe-fixes", "--from", "0.8.5", "--allow-dirty", ".")
    assert code.read_text() == first
    ast.parse(first)
    return first


def test_parity_turns_the_cache_off_and_needs_no_reset(run, project: Path) -> None:
    after = rewrite(run, configure(project, "parity"))
    assert "enable_prefix_caching=False" in after
    assert "async_scheduling=False" in after
    assert 'logprobs_mode="processed_logprobs"' in after
    assert "reset_prefix_cache" not in after


def test_fast_keeps_the_cache_and_resets_it_behind_the_last_tensor(run, project: Path) -> None:
    after = rewrite(run, configure(project, "fast"))
    assert "enable_prefix_caching" not in after
    assert "async_scheduling" not in after
    assert 'logprobs_mode="processed_logprobs"' in after
    assert after.count("reset_prefix_cache") == 1
    assert LOOP_END + RESET in after


@pytest.mark.parametrize(("recipe", "code"), [("parity", "VM702"), ("fast", "VM706")])
def test_one_rule_speaks_of_the_cache(run, project: Path, recipe: str, code: str) -> None:
    configure(project, recipe)
    out = run("check", "--from", "0.8.5", "--select", "VM702,VM706", ".").out
    assert code in out
    assert ({"VM702", "VM706"} - {code}).pop() not in out


def test_fast_without_an_update_in_sight_says_what_to_write(run, project: Path) -> None:
    code = configure(project, "fast")
    code.write_text(TRAIN.replace("self.llm.collective_rpc", "self.client.update_named_param"))
    out = run("check", "--from", "0.8.5", "--select", "VM702,VM706", ".").out
    assert "VM702" in out
    assert "reset_prefix_cache" in out
    assert "VM706" not in out


def test_a_cache_that_was_asked_for_stays_and_is_reset(run, project: Path) -> None:
    code = configure(project, "parity")
    code.write_text(TRAIN.replace("seed=3", "seed=3, enable_prefix_caching=True"))
    after = rewrite(run, code)
    assert "enable_prefix_caching=True" in after
    assert LOOP_END + RESET in after


def test_safe_edits_alone_keep_parity(run, project: Path) -> None:
    code = configure(project, "parity")
    run("rewrite", "--from", "0.8.5", "--allow-dirty", ".")
    after = code.read_text()
    assert "enable_prefix_caching=False" in after
    assert "reset_prefix_cache" not in after


def test_an_unknown_recipe_is_refused(run, project: Path) -> None:
    configure(project, "quick")
    done = run("check", ".")
    assert done.code == 2
    assert "parity, fast" in done.err
