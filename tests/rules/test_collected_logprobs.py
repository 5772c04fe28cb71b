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
