"""Reward functions that behave, and every way they don't."""

from __future__ import annotations

import textwrap
import time
from pathlib import Path

import pytest

from vllm_migrate.errors import RewardError, UsageError
from vllm_migrate.reward.calling import score as module
from vllm_migrate.reward.calling.named_reward import RewardFunction, parse_reward
from vllm_migrate.reward.calling.rollouts import score_rollouts
from vllm_migrate.reward.calling.score import score
from vllm_migrate.reward.calling.texts import Texts
from vllm_migrate.trace.model import Prompt, Rollout


@pytest.fixture
def function(tmp_path):
    def make(code, name="reward"):
        path = tmp_path / "rewards.py"
        path.write_text(textwrap.dedent(code))
        return RewardFunction(path, name)

    return make


def texts(*completions, group=1, **columns):
    return Texts(
        prompts=["p"] * len(completions),
        completions=list(completions),
        completion_ids=[[len(text)] for text in completions],
        columns=columns,
        group=group,
    )


def test_trl_form_gets_prompts_completions_ids_and_columns(function):
    code = """
        def reward(prompts, completions, completion_ids, answer, **kwargs):
            assert not kwargs
            return [float(c == a and p == "p" and i == [len(c)])
                    for p, c, i, a in zip(prompts, completions, completion_ids, answer, strict=True)]
    """
    assert score(function(code), texts("x", "yy", answer=["x", "z"])) == [1.0, 0.0]


def test_a_function_without_kwargs_gets_what_it_names(function):
    assert score(
        function("def reward(completions): return [len(c) for c in completions]"), texts("a", "bb")
    ) == [1, 2]


def test_groups_are_scored_together(function):
    code = "def reward(completions, **_): return [len(completions)] * len(completions)"
    assert score(function(code), texts(*"abcde", group=2)) == [2, 2, 2, 2, 1]


def test_a_coroutine_is_awaited(function):
    code = """
        import asyncio
        async def reward(completions, **_):
            await asyncio.sleep(0)
            return [1.0 for _ in completions]
    """
    assert score(function(code), texts("a")) == [1.0]


def test_modules_beside_the_file_can_be_imported(function, tmp_path):
    (tmp_path / "beside.py").write_text("VALUE = 3")
    code = "import beside\ndef reward(completions, **_): return [beside.VALUE for _ in completions]"
    assert score(function(code), texts("a")) == [3.0]


def test_what_it_prints_is_no_answer(function, capfd):
    code = """
        import os, sys
        print('{"rewards": [9]}')
        def reward(completions, **_):
            print('{"rewards": [9]}', flush=True)
            os.write(1, b'{"rewards": [9]}')
            return [1]
    """
    assert score(function(code), texts("a")) == [1.0]
    assert capfd.readouterr() == ("", "")


def test_secrets_stay_out_of_its_environment(function, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    code = """
        import os
        def reward(completions, **_):
            return [float("HF_TOKEN" in os.environ or "PYTHONPATH" in os.environ)]
    """
    assert score(function(code), texts("a")) == [0.0]


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("raise ValueError('no data')", "can't be imported: ValueError: no data"),
        ("import sys; sys.exit(3)", "can't be imported: SystemExit: 3"),
        ("def reward(: pass", "can't be imported: SyntaxError"),
        ("import nothing_of_that_name", "can't be imported: ModuleNotFoundError"),
        ("other = 1", "is not defined in that file"),
        ("reward = 1", "is not a function"),
        ("def reward(completions, **_): return [1]", "returned 1 rewards for 2 completions on text 0"),
        ("def reward(completions, **_): return 1.0", "returned float, not a list of numbers"),
        ("def reward(completions, **_): return ['a', 'b']", "returned str, not a number on text 0"),
        ("def reward(completions, **_): return [1, None]", "returned NoneType, not a number on text 1"),
        ("def reward(completions, **_): return [1, float('nan')]", "returned nan on text 1"),
        ("def reward(completions, **_): return [1, float('inf')]", "returned inf on text 1"),
        ("def reward(completions, missing): return [1, 2]", "missing 1 required positional argument"),
        ("def reward(completions, **_): raise KeyError", "raised KeyError on text 0"),
        (
            "def reward(completions, **_): return [1 / len(c) for c in completions]",
            "ZeroDivisionError: .* on text 1",
        ),
        (
            "import os\ndef reward(completions, **_): os._exit(7)",
            r"ended its process \(exit status 7\) on texts 0 to 1",
        ),
        ("import os\ndef reward(completions, **_): os.abort()", "ended its process"),
    ],
)
def test_faults_are_one_line_that_names_the_function(function, code, says):
    chosen = function(code)
    with pytest.raises(RewardError, match=says) as caught:
        score(chosen, texts("a", "", group=2))
    assert str(chosen) in caught.value.message
    assert "\n" not in caught.value.message


def test_a_text_in_the_middle_is_named(function):
    code = "def reward(completions, **_): return [int(c) for c in completions]"
    with pytest.raises(RewardError, match="on text 4"):
        score(function(code), texts("1", "2", "3", "4", "x", "6", group=3))


def test_a_hang_is_ended_with_all_it_started(function, tmp_path):
    marker = tmp_path / "child.pid"
    code = f"""
        import subprocess, time
        def reward(completions, **_):
            if completions == ["c"]:
                child = subprocess.Popen(["sleep", "600"])
                open({str(marker)!r}, "w").write(str(child.pid))
                time.sleep(600)
            return [0.0 for _ in completions]
    """
    started = time.monotonic()
    with pytest.raises(RewardError, match="did not return within 2 s on text 2"):
        score(function(code), texts("a", "b", "c", "d"), wall_seconds=2)
    assert time.monotonic() - started < 30
    pid = int(marker.read_text())
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2]:
            return
        time.sleep(0.05)
    pytest.fail(f"process {pid} is still running")


def test_too_much_memory_is_refused(function, monkeypatch):
    monkeypatch.setattr(module, "MEMORY_BYTES", 1 << 30)
    code = "def reward(completions, **_): return [len(bytearray(4 << 30))]"
    with pytest.raises(RewardError, match="memory"):
        score(function(code), texts("a"))


def test_too_much_processor_time_is_refused(function, monkeypatch):
    monkeypatch.setattr(module, "CPU_SECONDS", 1)
    code = """
        def reward(completions, **_):
            while True:
                pass
    """
    with pytest.raises(RewardError, match="processor time on text 0"):
        score(function(code), texts("a"))


def test_it_can_not_write_large_files(function, monkeypatch):
    monkeypatch.setattr(module, "FILE_BYTES", 1000)
    code = "def reward(completions, **_): open('x', 'wb').write(b'x' * 100_000); return [1]"
    with pytest.raises(RewardError):
        score(function(code), texts("a"))


def test_many_long_texts_do_not_block_the_pipes(function):
    code = "def reward(completions, **_): return [len(c) for c in completions]"
    assert score(function(code), texts(*["x" * 20_000] * 500)) == [20_000.0] * 500


def test_nothing_is_left_open(function):
    before = len(list(Path("/proc/self/fd").iterdir()))
    score(function("def reward(completions, **_): return [1]"), texts("a"))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_names(tmp_path):
    path = tmp_path / "a.py"
    path.write_text("")
    assert parse_reward(f"{path}:f") == RewardFunction(path, "f")
    for bad in ("f", f"{path}", f"{path}:", f"{path}:a b", f"{tmp_path}/none.py:f"):
        with pytest.raises(UsageError):
            parse_reward(bad)


def test_rollouts_carry_their_prompts_columns(function):
    prompts = [Prompt(0, "a", (1,), {"answer": "x"}), Prompt(1, "b", (2,), {})]
    rollouts = [Rollout(p, s, (9,), (-1.0,), "x") for p in (0, 1) for s in (0, 1)]
    code = "def reward(completions, answer, **_): return [float(a == c) for a, c in zip(answer, completions)]"
    assert score_rollouts(function(code), prompts, rollouts) == [1.0, 1.0, 0.0, 0.0]
