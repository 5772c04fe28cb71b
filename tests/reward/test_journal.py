"""An examination that was killed goes on: the same scores, and nothing is asked about twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vllm_migrate.errors import InputError, UsageError
from vllm_migrate.reward.calling.function import FunctionScorer
from vllm_migrate.reward.calling.named_reward import RewardFunction
from vllm_migrate.reward.calling.sandbox import Bounds
from vllm_migrate.reward.sample import Sample, Score

CODE = """
import os, time
import beside
def reward(completions, **_):
    with open({log!r}, "a") as stream:
        for text in completions:
            stream.write(text + "\\n")
    time.sleep(0.03)
    if "boom" in completions:
        os._exit(4)
    return [float(len(text)) if text != "odd" else None for text in completions]
"""


@pytest.fixture
def reward(tmp_path):
    (tmp_path / "beside.py").write_text("VALUE = 1")
    path = tmp_path / "rewards.py"
    path.write_text(CODE.format(log=str(tmp_path / "log")))
    return RewardFunction(path, "reward")


@pytest.fixture
def asked(tmp_path):
    """Texts that were asked about, in their order."""

    def read():
        log = tmp_path / "log"
        return log.read_text().splitlines() if log.is_file() else []

    return read


def samples(*completions):
    return [Sample("p", text) for text in completions]


def scores(reward, directory, texts, **options):
    with FunctionScorer(reward, batch=2, resume=directory) as scorer:
        return scorer.score(samples(*texts), **options)


def test_what_is_known_is_not_asked_again(reward, tmp_path, asked):
    texts = ["a", "bb", "odd", "boom", "ccc"]
    first = scores(reward, tmp_path / "kept", texts)
    assert first == [
        Score(1.0),
        Score(2.0),
        Score(None),
        Score(None, "ended its process (exit status 4)"),
        Score(3.0),
    ]
    before = asked()
    assert scores(reward, tmp_path / "kept", texts) == first
    assert scores(reward, tmp_path / "kept", texts, fresh=True)[:2] == first[:2]
    assert len(asked()) > len(before)


def test_a_call_that_is_made_twice_is_kept_twice(reward, tmp_path, asked):
    def both():
        with FunctionScorer(reward, resume=tmp_path / "kept") as scorer:
            return [scorer.score(samples("a", "a")) for _ in range(2)]

    found = both()
    assert asked() == ["a"] * 4
    assert both() == found
    assert asked() == ["a"] * 4


@pytest.mark.parametrize("changed", ["rewards.py", "beside.py"])
def test_a_reward_that_was_changed_is_asked_again(reward, tmp_path, asked, changed):
    scores(reward, tmp_path / "kept", ["a"])
    with (tmp_path / changed).open("a") as stream:
        stream.write("\n# changed\n")
    scores(reward, tmp_path / "kept", ["a"])
    assert asked() == ["a", "a"]


def test_what_was_not_scored_is_asked_again(reward, tmp_path):
    bounds = Bounds(restarts=0)

    def run():
        with FunctionScorer(reward, batch=1, resume=tmp_path / "kept", bounds=bounds) as scorer:
            return [score.fault for score in scorer.score(samples("boom", "a", "bb"))]

    first = run()
    assert first[1].startswith("not scored")
    assert run() == ["ended its process (exit status 4)", "", ""]


def test_killed_and_run_again_it_says_the_same(reward, tmp_path, asked):
    texts = [f"text {number}" for number in range(60)]
    script = f"""
import sys
from pathlib import Path
from vllm_migrate.reward.calling.function import FunctionScorer
from vllm_migrate.reward.calling.named_reward import RewardFunction
from vllm_migrate.reward.sample import Sample
reward = RewardFunction(Path({str(reward.file)!r}), "reward")
with FunctionScorer(reward, batch=2, resume=Path({str(tmp_path / "kept")!r})) as s:
    s.score([Sample("p", text) for text in {texts!r}])
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": str(Path.cwd())}
    )
    until = time.monotonic() + 60
    while len(asked()) < 40 and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(0.5)  # the reward's process ends by itself
    before = asked()
    assert 40 <= len(before) < 60
    found = scores(reward, tmp_path / "kept", texts)
    assert [score.value for score in found] == [float(len(text)) for text in texts]
    again = asked()[len(before) :]
    assert len(again) < 45, "what was answered before the kill was asked about again"
    assert again[-1] == texts[-1]
    assert again == texts[texts.index(again[0]) :]


def test_a_line_that_was_cut_off_is_dropped(reward, tmp_path):
    first = scores(reward, tmp_path / "kept", ["a", "bb", "ccc"])
    kept = next((tmp_path / "kept").glob("scores-*.jsonl"))
    lines = kept.read_bytes().splitlines(keepends=True)
    kept.write_bytes(b"".join(lines) + b'{"call": "abc", "tu')
    assert scores(reward, tmp_path / "kept", ["a", "bb", "ccc"]) == first
    assert kept.read_bytes() == b"".join(lines)
    assert "text" not in json.loads(lines[0])


def test_one_run_at_a_time_has_it(reward, tmp_path):
    with FunctionScorer(reward, resume=tmp_path / "kept") as scorer:
        scorer.score(samples("a"))
        with pytest.raises(UsageError, match="is in use by another run"):
            scores(reward, tmp_path / "kept", ["a"])


def test_a_directory_that_can_not_be_made_is_said(reward, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="can't keep scores in"):
        scores(reward, tmp_path / "file", ["a"])
