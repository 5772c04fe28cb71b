"""Which step a climb keeps, on plain values: no engine is asked."""

from __future__ import annotations

import numpy as np
import pytest

from vllm_migrate.audit.cause.evidence import Step, StepRun
from vllm_migrate.audit.cause.ladder import Climb
from vllm_migrate.audit.cause.waterfall import NONE
from vllm_migrate.audit.result import Cause
from vllm_migrate.trace.model import Prompt, Rollout
from vllm_migrate.workers.protocol import ReplayRecord, SamplingSettings

PROMPTS, TOKENS = 12, 20
FLIP = Step(Cause.RAW_LOGPROBS, {"logprobs_mode": "processed_logprobs"})
IN_REFERENCE = Step(
    Cause.GENERATION_CONFIG, {"reference_temperature": 1.0}, counterpart="defaults", reference_only=True
)


def records(rows):
    return [ReplayRecord([float(value) for value in row], [], [1] * TOKENS) for row in rows]


@pytest.fixture
def climb():
    """A candidate 0.3 nats off; the flip and the reference's replay leave what a test says of it."""

    def made(*, after_flip, after_replay):
        reference = -np.random.default_rng(0).exponential(size=(PROMPTS, TOKENS))
        prompts = tuple(Prompt(i, "", (1,)) for i in range(PROMPTS))
        rollouts = tuple(Rollout(i, 0, (1,) * TOKENS, tuple(row)) for i, row in enumerate(reference))
        found = Climb(None, prompts, rollouts, SamplingSettings())
        run = found._result
        run.steps = {step.name: step for step in (FLIP, IN_REFERENCE)}
        run.runs = {
            NONE: StepRun(records(reference + 0.3)),
            frozenset({FLIP.name}): StepRun(records(reference + after_flip)),
            frozenset({IN_REFERENCE.name}): StepRun(records(reference + 0.3)),
        }
        run.counterparts = {("defaults",): records(reference + 0.3 - after_replay)}
        return found._best([FLIP.name, IN_REFERENCE.name], frozenset())

    return made


def test_of_two_as_good_the_one_that_changes_the_candidate_is_kept(climb):
    assert climb(after_flip=0.01, after_replay=0.0) == FLIP.name


def test_a_better_one_is_kept_wherever_it_changes_something(climb):
    assert climb(after_flip=0.1, after_replay=0.0) == IN_REFERENCE.name


def test_what_helps_little_is_not_kept(climb):
    assert climb(after_flip=0.29, after_replay=0.28) is None
