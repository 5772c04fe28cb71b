"""VM701 in projects that only collect rollouts, and in those that measure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from vllm_migrate.config import Config
from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.files.prefilter import keeps_logprobs
from vllm_migrate.rules.scan import scan

if TYPE_CHECKING:
    from pathlib import Path

    from vllm_migrate.edits.model import Finding

POLICY = (
    "from vllm import LLM, SamplingParams\n\n\nclass Policy:\n    def __init__(self, model, **options):\n"
    "        self.llm = LLM(model, **options)\n\n    def sample(self, prompts):\n"
    "        return self.llm.generate(prompts, SamplingParams(temperature=0.7, logprobs=0))\n"
)
EPISODE = (
    "def turn(sample):\n    ids = list(sample.token_ids)\n"
    '    return {"token_ids": ids, "logprobs": [s[i].logprob for s, i in zip(sample.logprobs, ids)]}\n'
)
COLLECT = "import json\n\n\ndef keep(turns, file):\n    file.write(json.dumps(turns))\n"
SCORE = (
    "import json\n\n\ndef score(outputs, file):\n"
    '    file.write(json.dumps({"loglikelihood": [o.outputs[0].cumulative_logprob for o in outputs]}))\n'
)


def told(folder: Path, **files: str) -> list[Finding]:
    """What VM701 says of a project."""
    for name, source in files.items():
        (folder / f"{name}.py").write_text(source)
    return [f for f in scan([folder], Config(target="0.32.0")).findings if f.code == "VM701"]


def test_collector_is_offered_the_edit_across_files(tmp_path: Path) -> None:
    (found,) = told(tmp_path, policy=POLICY, episode=EPISODE, collect=COLLECT)
    assert (found.level, found.safety, bool(found.edits)) == (Level.NOTE, Safety.UNSAFE, True)


def test_evaluation_is_told_and_left_alone(tmp_path: Path) -> None:
    (found,) = told(tmp_path, policy=POLICY, score=SCORE)
    assert (found.level, found.safety, found.edits) == (Level.NOTE, Safety.MANUAL, ())


def test_what_is_never_written_is_left_alone(tmp_path: Path) -> None:
    (found,) = told(tmp_path, policy=POLICY, episode=EPISODE)
    assert found.edits == ()


def test_value_that_was_written_is_not_overwritten(tmp_path: Path) -> None:
    policy = POLICY.replace("LLM(model, **options)", 'LLM(model, logprobs_mode="raw_logprobs", **options)')
    (found,) = told(tmp_path, policy=policy, episode=EPISODE, collect=COLLECT)
    assert found.edits == ()


@pytest.mark.parametrize(
    ("entry", "kept"),
    [
        ('{"token_ids": ids, "logprobs": chosen}', True),
        ("{'response_ids': ids, 'old_log_probs': chosen}", True),
        ('{\\"output_token_ids\\": ids, \\"logprobs\\": chosen}', True),  # in a notebook
        ('{"prompt_token_ids": ids, "logprobs": chosen}', False),
        ('{"choices": texts, "logprobs": scores}', False),
        ('{"ids": ids}', False),
    ],
)
def test_sample_is_its_tokens_and_their_logprobs(entry: str, kept: bool) -> None:
    assert keeps_logprobs([f"json.dump({entry}, file)".encode()]) is kept


JUDGE = (
    "from vllm import LLM, SamplingParams\n\n\nclass Judge:\n    def __init__(self, model):\n"
    "        self.llm = LLM(model)\n        self.params = SamplingParams({})\n\n    def grade(self, text):\n"
    "        return self.llm.generate(text, self.params)[0].outputs[0].logprobs[0]\n"
)


@pytest.mark.parametrize(
    ("given", "files", "said"),
    [
        ("max_tokens=2, logprobs=50", {}, False),
        ("temperature=1.0, top_p=1, logprobs=50", {}, False),
        ("temperature=0.6, logprobs=50", {}, True),
        ("repetition_penalty=1.2, logprobs=50", {}, True),
        ("temperature=settings.temperature, logprobs=50", {}, True),
        ("**settings, logprobs=50", {}, True),
        ("logprobs=50)\n        self.params.temperature = (0.5", {}, True),
        (
            "logprobs=50",
            {"ask": "def ask(judge, make):\n    judge.params = make(top_p=0.9, logprobs=3)\n"},
            True,
        ),
    ],
)
def test_grades_at_temperature_one_are_the_same(
    tmp_path: Path, given: str, files: dict[str, str], said: bool
) -> None:
    assert bool(told(tmp_path, judge=JUDGE.format(given), **files)) is said


WRITER = (
    "from vllm import LLM, SamplingParams\n\n\nclass Writer:\n    def __init__(self, model, settings):\n"
    "        self.llm = LLM(model)\n        self.params = SamplingParams(temperature=0.7, logprobs={})\n\n"
    "    def write(self, prompts):\n        outputs = self.llm.generate(prompts, self.params)\n"
    "        return [one.outputs[0].{} for one in outputs]\n"
)


@pytest.mark.parametrize(
    ("asked", "taken", "said"),
    [
        ('settings["logprobs"] if "logprobs" in settings else None', "text", False),
        ('settings.get("logprobs")', "text", False),
        ("settings.logprobs", "text", False),
        ("settings.logprobs", "logprobs", True),
    ],
)
def test_how_many_are_asked_for_is_no_answer(tmp_path: Path, asked: str, taken: str, said: bool) -> None:
    run = 'from writer import Writer\n\nWriter("m", {"n": 1, "logprobs": None}).write([])\n'
    assert bool(told(tmp_path, writer=WRITER.format(asked, taken), run=run)) is said


def test_a_sample_that_is_kept_with_its_answer_is_taken(tmp_path: Path) -> None:
    kept = "def keep(step, made):\n    return made(ids=step.ids, logprobs=step.logprobs)\n"
    assert told(tmp_path, writer=WRITER.format("1", "text").replace(".text", "") + "\n\n" + kept)
