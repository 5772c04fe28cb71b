from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from benches import Asked, bench, exact, sums

from vllm_migrate.reward import served as by
from vllm_migrate.reward.bench import Bench
from vllm_migrate.reward.limits import shipped_limits
from vllm_migrate.reward.outcome import Outcome, ScoredBy
from vllm_migrate.reward.probes.engines import examine
from vllm_migrate.reward.served import Served

SAMPLES = sums(prompts=20)
LOGITS = np.random.default_rng(0).normal(size=len(SAMPLES))


class Model(Asked):
    def __init__(self, served: list[Served]) -> None:
        super().__init__(exact)
        self.by = tuple(served)

    def served(self, samples: Any) -> tuple[Served, ...]:
        assert samples
        return self.by

    def scored_by(self) -> tuple[ScoredBy, ...]:
        return ()


def asked(*served: Served) -> Any:
    scorer = Model(list(served))
    return examine(Bench(SAMPLES, scorer.score(SAMPLES), scorer, limits=shipped_limits(), model=True))


def one(side: str, rewards: np.ndarray, way: str = by.DEFAULT, **settings: Any) -> Served:
    servers = {by.REFERENCE: "transformers 5.19.0", by.V0: "V0 0.8.5", by.V1: "V1 0.32.0"}
    known = {"activation": "none", "dtype": "float16", "head_dtype": "float16", **settings}
    return Served(side, servers[side], way, known, rewards)


def test_a_function_has_no_engines():
    check = examine(bench(exact))
    assert check.outcome is Outcome.NOT_APPLICABLE
    assert "function" in check.message


def test_a_model_without_engines_does_not_pass():
    assert asked(one(by.REFERENCE, LOGITS)).outcome is Outcome.NOT_APPLICABLE


def test_servers_that_agree_pass():
    check = asked(one(by.REFERENCE, LOGITS), one(by.V0, LOGITS), one(by.V1, LOGITS.astype(np.float16)))
    assert check.outcome is Outcome.PASS
    assert check.figure is not None
    assert check.figure.value == 0.0
    assert check.advice == ""


def test_softmax_over_one_label_fails_and_is_named():
    check = asked(
        one(by.REFERENCE, LOGITS),
        one(by.V0, np.ones(len(LOGITS)), activation="softmax"),
        one(by.V0, LOGITS, by.BARE, activation="softmax"),
    )
    assert check.outcome is Outcome.FAIL
    assert "V0 0.8.5 applies softmax to one label, which makes every reward the same" in check.message
    assert "without: 0.0%" in check.message
    assert "PoolerConfig(softmax=False)" in check.advice


def test_a_sigmoid_that_keeps_the_order_is_a_warning():
    check = asked(
        one(by.REFERENCE, LOGITS),
        one(by.V1, 1 / (1 + np.exp(-LOGITS)), activation="sigmoid"),
        one(by.V1, LOGITS, by.BARE, activation="sigmoid"),
    )
    assert check.outcome is Outcome.WARN
    assert "V1 0.32.0 applies sigmoid" in check.message
    assert "use_activation=False" in check.advice


def test_another_order_without_a_known_cause_fails():
    check = asked(one(by.V0, LOGITS), one(by.V1, -LOGITS))
    assert check.outcome is Outcome.FAIL
    assert check.figure is not None
    assert check.figure.value == 1.0
    assert check.worst


def test_the_precision_of_the_head_is_named_and_its_setting():
    noisy = LOGITS + np.random.default_rng(1).normal(size=len(LOGITS))
    check = asked(one(by.V0, LOGITS), one(by.V1, noisy, head_dtype="float32"))
    assert "V0 0.8.5 has its head in float16, V1 0.32.0 in float32" in check.message
    assert 'hf_overrides={"head_dtype": "model"}' in check.advice


def test_batches_padding_and_precision_are_told_apart():
    check = asked(
        one(by.REFERENCE, LOGITS),
        one(by.REFERENCE, LOGITS[:32], by.ALONE),
        one(by.REFERENCE, -LOGITS, by.LEFT),
        one(by.V1, LOGITS),
        one(by.V1, LOGITS, by.HEAD),
    )
    assert check.parts["transformers 5.19.0, one at a time, turned"] == 0.0
    assert check.parts["transformers 5.19.0, padded on the left, turned"] == 1.0
    assert check.parts["V1 0.32.0, head in the model's dtype, turned"] == 0.0


@pytest.mark.parametrize("same", [True, False])
def test_an_end_that_is_padding_is_suspected_of_transformers_only(same):
    reference = one(by.REFERENCE, -LOGITS, pad_token_id=0, eos_token_id=0 if same else 1)
    check = asked(reference, one(by.V1, LOGITS))
    assert check.outcome is Outcome.FAIL
    assert ("skips an end token" in check.message) is same
