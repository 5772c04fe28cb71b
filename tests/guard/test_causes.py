"""The cause in the message against data in which it is known: tokens drawn from random logits."""

from __future__ import annotations

import numpy as np
import pytest

from vllm_migrate.guard import Boundaries, PolicyGuard, Stage

TOKENS, VOCABULARY = 1024, 300
RAW, CUT, BACKEND = (
    "logprobs_mode=processed_logprobs",
    "top-p, top-k or min-p leave",
    "the backend, not the policy",
)


def log_softmax(logits):
    logits = logits - logits.max(axis=-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


class Sampled:
    """Tokens drawn at a temperature and top-p, and what each side may say of their probability."""

    def __init__(self, *, temperature=1.0, top_p=1.0, sharpness=3.0, seed=0):
        self.rng = np.random.default_rng(seed)
        self.logits = self.rng.normal(size=(TOKENS, VOCABULARY)) * self.rng.gamma(
            2, sharpness / 2, size=(TOKENS, 1)
        )
        self.temperature = temperature
        whole = log_softmax(self.logits / temperature)
        order = np.argsort(-whole, axis=1)
        ordered = np.exp(np.take_along_axis(whole, order, axis=1))
        kept = np.zeros(whole.shape, dtype=bool)
        np.put_along_axis(kept, order, np.cumsum(ordered, axis=1) - ordered < top_p, axis=1)
        self._processed = log_softmax(np.where(kept, whole, -np.inf))
        self.tokens = (self._processed + self.rng.gumbel(size=whole.shape)).argmax(axis=1)
        self.trainer = self.of(whole)
        self.processed = self.of(self._processed)
        self.raw = self.of(log_softmax(self.logits))

    def of(self, logprobs):
        return logprobs[np.arange(TOKENS), self.tokens].reshape(16, -1)

    def rounded(self, size):
        """The trainer's logprobs, computed from logits that are off by noise of that size."""
        noisy = self.logits + size * self.rng.standard_normal(self.logits.shape)
        return self.of(log_softmax(noisy / self.temperature))


def decide(trainer, rollout, **more):
    guard = PolicyGuard(Boundaries.default())
    return guard.step(trainer_logprobs=trainer, rollout_logprobs=rollout, mask=np.ones(trainer.shape), **more)


@pytest.mark.parametrize("sharpness", [1.0, 3.0, 8.0])
@pytest.mark.parametrize(("temperature", "top_p"), [(0.6, 1.0), (0.8, 1.0), (1.5, 1.0), (0.7, 0.9)])
def test_raw_logprobs_are_named(temperature, top_p, sharpness):
    drawn = Sampled(temperature=temperature, top_p=top_p, sharpness=sharpness)
    decision = decide(drawn.trainer, drawn.raw)
    assert decision.stage is Stage.LOGPROB
    assert RAW in decision.crossings[0].message


@pytest.mark.parametrize("sharpness", [1.0, 3.0, 8.0])
def test_a_cut_vocabulary_is_named_and_not_taken_for_raw_logprobs(sharpness):
    drawn = Sampled(top_p=0.8, sharpness=sharpness)
    decision = decide(drawn.trainer, drawn.processed)
    assert CUT in decision.crossings[0].message
    assert RAW not in decision.message


@pytest.mark.parametrize("sharpness", [1.0, 3.0, 8.0])
@pytest.mark.parametrize("temperature", [0.6, 1.0, 1.5])
def test_a_backend_that_computes_otherwise_is_accused_of_nothing_more(temperature, sharpness):
    drawn = Sampled(temperature=temperature, sharpness=sharpness)
    decision = decide(drawn.rounded(0.3), drawn.processed)
    assert decision.stage is Stage.LOGPROB
    assert BACKEND in decision.message
    assert RAW not in decision.message
    assert CUT not in decision.message


@pytest.mark.parametrize("sharpness", [1.0, 3.0, 8.0])
@pytest.mark.parametrize("temperature", [0.6, 1.0, 1.5])
def test_rounding_as_it_is_normal_for_bf16_crosses_nothing(temperature, sharpness):
    drawn = Sampled(temperature=temperature, sharpness=sharpness)
    assert decide(drawn.rounded(0.02), drawn.processed).crossings == ()


def test_what_the_message_can_not_know_it_says():
    drawn = Sampled()
    noisy = drawn.rounded(0.3)
    assert "give previous_logprobs" in decide(noisy, drawn.processed).message
    assert "give previous_logprobs" not in decide(noisy, drawn.processed, previous_logprobs=noisy).message
    assert "3 steps old" in decide(noisy, drawn.processed, weight_lag=3).message
    half = decide(noisy.astype(np.float16), drawn.processed.astype(np.float16))
    assert "16-bit" in half.message
