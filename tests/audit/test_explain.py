"""A ladder's figures from plain numbers: 20 prompts of 50 tokens, and what engines would have reported."""

from __future__ import annotations

import numpy as np
import pytest

from vllm_migrate.audit.cause.climbed import choose
from vllm_migrate.audit.cause.evidence import LadderRun, Step, StepRun
from vllm_migrate.audit.cause.explain import Explanation
from vllm_migrate.audit.cause.signatures import Hint
from vllm_migrate.audit.result import Cause
from vllm_migrate.trace.model import Rollout
from vllm_migrate.workers.protocol import ReplayRecord

PROMPTS = np.repeat(np.arange(20), 50)
RAW = Step(Cause.RAW_LOGPROBS, {"logprobs_mode": "processed_logprobs"})
HEAD = Step(Cause.HEAD_PRECISION, {"head_dtype": "float32"}, counterpart="fp32-head")
PREFILL = Step(Cause.DECODE_PREFILL, {"scores": "prefill"}, path="prefill", composes=False)
CACHE = Step(Cause.PREFIX_CACHE, {"enable_prefix_caching": False}, obstacle="nothing is cached")


@pytest.fixture
def reference():
    return -np.random.default_rng(0).exponential(size=1000)


def records(values, raw=None):
    """One record a prompt."""
    raw = values if raw is None else raw
    ids = [1] * 50
    return [
        ReplayRecord(list(v), list(r), ids)
        for v, r in zip(np.split(values, 20), np.split(raw, 20), strict=True)
    ]


def climb(*steps, kept=(), counterparts=None, alone=None, **runs):
    names = {"none": (), "raw": (RAW,), "head": (HEAD,), "both": (RAW, HEAD)}
    return LadderRun(
        on_probe=False,
        chosen=list(range(20)),
        steps={step.name: step for step in steps},
        alone=alone or {},
        runs={frozenset(s.name for s in names[name]): run for name, run in runs.items()},
        counterparts=counterparts or {},
        kept=[step.name for step in kept],
    )


def test_a_step_kept_first_is_measured_alone_the_next_on_top(reference):
    head = reference - 0.5
    run = climb(
        RAW,
        HEAD,
        kept=(RAW, HEAD),
        counterparts={("fp32-head",): records(head)},
        none=StepRun(records(reference - 0.4)),
        raw=StepRun(records(reference - 0.04)),
        head=StepRun(records(head - 0.4)),
        both=StepRun(records(head)),
    )
    ladder = Explanation(run, reference, PROMPTS).ladder()
    first, second = ladder.rungs
    assert first.removed.value == pytest.approx(0.9)
    assert second.removed.value == pytest.approx(0.1)
    assert (second.before, second.after) == (pytest.approx(0.04), pytest.approx(0.0, abs=1e-9))
    assert "logprobs_mode=processed_logprobs" in second.note
    assert "both sides" in second.note
    assert ladder.residual.value == pytest.approx(0.0, abs=1e-9)
    assert ladder.interaction.value == pytest.approx(0.1)


def test_shares_that_depend_on_the_order_are_averaged_and_say_so(reference):
    """Either change alone does nothing; both together remove everything."""
    worse = StepRun(records(reference - 0.4))
    run = climb(
        RAW,
        HEAD,
        kept=(RAW, HEAD),
        counterparts={("fp32-head",): records(reference)},
        none=worse,
        raw=worse,
        head=worse,
        both=StepRun(records(reference)),
    )
    ladder = Explanation(run, reference, PROMPTS).ladder()
    assert [rung.removed.value for rung in ladder.rungs] == [pytest.approx(0.5), pytest.approx(0.5)]
    assert all("averaged over all orders" in rung.note for rung in ladder.rungs)
    assert ladder.interaction.value == pytest.approx(1.0)


def test_without_the_references_own_replay_the_trainer_judges_raw_logprobs(reference):
    """What the logprobs mean (here: something far off) must not hide how they were computed."""
    trainer = reference - 1.0
    run = climb(
        HEAD,
        none=StepRun(records(reference - 5.0, trainer - 0.2)),
        head=StepRun(records(reference - 5.0, trainer - 0.05)),
    )
    (rung,) = Explanation(run, reference, PROMPTS, trainer_raw=trainer).ladder().rungs
    assert rung.against == "trainer"
    assert rung.removed.value == pytest.approx(0.75)
    (unjudged,) = Explanation(run, reference, PROMPTS).ladder().rungs
    assert unjudged.removed is None


def test_a_prefill_that_equals_decoding_says_so(reference):
    base = StepRun(records(reference - 0.4, reference))
    run = climb(PREFILL, alone={PREFILL.name: StepRun(records(reference))}, none=base)
    (rung,) = Explanation(run, reference, PROMPTS, trainer_raw=reference - 0.1).ladder().rungs
    assert "the same to the bit" in rung.note
    assert rung.removed.value == pytest.approx(0.0)


def test_what_was_not_run_says_why_and_signatures_come_last(reference):
    run = climb(
        CACHE,
        alone={CACHE.name: StepRun(how="signature", note=CACHE.obstacle)},
        none=StepRun(records(reference - 0.4)),
    )
    ladder = Explanation(run, reference, PROMPTS).ladder([Hint(Cause.PENALTIES, "repeated tokens differ")])
    assert [rung.cause for rung in ladder.rungs] == ["prefix-cache", "penalties"]
    assert ladder.rungs[0].removed is None
    assert ladder.rungs[0].note == "nothing is cached"
    assert ladder.rungs[1].how == "signature"


def test_a_ladder_whose_first_replay_failed_is_a_note(reference):
    run = LadderRun(on_probe=False, chosen=[0], note="the candidate could not be replayed once more: gone")
    assert Explanation(run, reference[:50], PROMPTS[:50]).ladder().note.endswith("gone")


def test_every_prompt_stays_among_the_chosen():
    rollouts = [
        Rollout(prompt, sample, (1,) * 100, (-1.0,) * 100) for prompt in range(30) for sample in range(8)
    ]
    chosen = [rollouts[index] for index in choose(rollouts)]
    assert {rollout.prompt for rollout in chosen} == set(range(30))
    assert {rollout.sample for rollout in chosen} == {0}
    assert len(choose(rollouts[:16])) == 16


def test_a_step_without_a_figure_says_why(reference):
    prefill = Step(
        Cause.DECODE_PREFILL, {"reference_scores": "prefill"}, counterpart="prefill", reference_only=True
    )
    run = climb(prefill, none=StepRun(records(reference - 0.4)))
    run.runs[frozenset({prefill.name})] = run.runs[frozenset()]
    (rung,) = Explanation(run, reference, PROMPTS).ladder().rungs
    assert rung.removed is None
    assert "recorded reference" in rung.note
