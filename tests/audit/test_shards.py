"""Prompts dealt out to replicas, and their records put together again."""

# ruff: noqa: ARG002 - what stands for a client takes what a client takes

from __future__ import annotations

import itertools
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vllm_migrate.audit.executors.shards import deal, generated, part_to_generate, part_to_replay, replayed
from vllm_migrate.audit.process import EngineProcess
from vllm_migrate.engines.environment import EngineEnvironment
from vllm_migrate.errors import EngineDiedError, EngineStartError
from vllm_migrate.trace.model import Prompt, Rollout
from vllm_migrate.workers.protocol import (
    GenerateRequest,
    Loaded,
    ReplayRecord,
    ReplayRequest,
    RolloutRecord,
    SamplingSettings,
)

ENVIRONMENT = EngineEnvironment("v1", "v1", "0.32.0", "vllm", "cpu", Path("python"), Path())


def prompts_of(groups):
    return [Prompt(i, f"prompt {i}", (i, 7), group=group) for i, group in enumerate(groups)]


def sampled(request):
    """What an engine returns whose tokens depend on nothing but the prompt and its seed."""
    numbers = range(len(request.prompts)) if request.numbers is None else request.numbers
    for prompt in request.order or range(len(request.prompts)):
        for sample in range(request.n):
            seed = request.sampling.seed + numbers[prompt] * request.n + sample
            tokens = [hash((*request.prompts[prompt], seed, place)) % 99 for place in range(3)]
            top = [[1]] * 3 if sample == 0 and numbers[prompt] < request.top_prompts else []
            yield RolloutRecord(prompt, sample, tokens, [-1.0] * 3, top_ids=top)


def forced(request):
    return [
        ReplayRecord([-float(sum(prompt))] * len(ids), [], list(ids), top_ids=[[1]] * (i in request.top_of))
        for i, (prompt, ids) in enumerate(zip(request.prompts, request.completions, strict=True))
    ]


@given(st.lists(st.integers(-1, 3), max_size=30), st.integers(1, 6))
def test_every_prompt_goes_to_one_replica_and_shared_prefixes_stay_together(groups, replicas):
    prompts = prompts_of(groups)
    shares = deal(prompts, replicas)
    assert sorted(itertools.chain(*shares)) == list(range(len(prompts)))
    assert all(share and share == sorted(share) for share in shares)
    where = {position: number for number, share in enumerate(shares) for position in share}
    for group in set(groups) - {-1}:
        assert len({where[p.id] for p in prompts if p.group == group}) == 1
    sizes = [len(share) for share in shares]
    largest = max((groups.count(group) for group in set(groups) - {-1}), default=1)
    assert not sizes or max(sizes) - min(sizes) <= max(largest, 1) or len(shares) < replicas


@given(st.integers(1, 12), st.integers(1, 5), st.integers(1, 4), st.booleans())
def test_what_is_sampled_does_not_depend_on_the_shares(count, replicas, samples, shuffled):
    prompts = prompts_of([-1] * count)
    order = [*range(0, count, 2), *range(1, count, 2)][::-1] if shuffled else None
    request = GenerateRequest(
        [list(prompt.token_ids) for prompt in prompts],
        SamplingSettings(seed=5),
        n=samples,
        order=order,
        top=20,
        top_prompts=3,
    )
    shares = deal(prompts, replicas)
    parts = [list(sampled(part_to_generate(request, share))) for share in shares]
    assert generated(shares, parts) == generated([range(count)], [list(sampled(request))])


def test_a_part_of_a_replay_keeps_order_and_top():
    request = ReplayRequest(
        [[i] for i in range(6)],
        [[10 + i] for i in range(6)],
        SamplingSettings(),
        order=[5, 3, 1, 0, 2, 4],
        top_of=[0, 3, 5],
    )
    shares = [[0, 3, 4], [1, 2, 5]]
    one, two = (part_to_replay(request, share) for share in shares)
    assert (one.order, one.top_of, one.prompts) == ([1, 0, 2], [0, 1], [[0], [3], [4]])
    assert (two.order, two.top_of, two.completions) == ([2, 0, 1], [2], [[11], [12], [15]])
    assert replayed(shares, [forced(one), forced(two)]) == forced(request)


class Client:
    """A replica whose worker is the functions above."""

    def __init__(self, report, replica):
        self.report, self.replica = report, replica
        self.asked, self.ended = [], False
        self.fails = self.differs = False

    def start(self):
        """It needs no process."""

    def close(self):
        self.ended = True

    kill = close

    def load(self, model, arguments, *, slot="main", kind=""):
        self.asked.append(("load", slot))
        return Loaded("LLMEngine", "v1-model-runner", "0.32.0", {"max_model_len": 8 + self.differs}, 1.0)

    def generate(self, request, *, slot):
        self.asked.append(("generate", request.numbers))
        if self.fails:
            raise EngineDiedError(f"replica {self.replica} died")
        self.report("generate", len(request.prompts), len(request.prompts))
        return generated([range(len(request.prompts))], [list(sampled(request))])

    def replay(self, request, *, slot, seconds):
        self.asked.append(("replay", len(request.prompts)))
        return forced(request)


class Replicas:
    """An executor of such clients."""

    arms_at_once, notes = 1, ()

    def __init__(self, replicas):
        self.replicas = replicas
        self.clients = []

    def client(self, environment, *, replica, name, report):
        self.clients.append(Client(report, replica))
        return self.clients[-1]


def process_of(replicas, told=None):
    executor = Replicas(replicas)
    progress = (lambda *_: None) if told is None else (lambda *words: told.append(words))
    return EngineProcess(ENVIRONMENT, "candidate", Path("model"), progress, {}, executor=executor), executor


def test_three_replicas_return_what_one_does():
    prompts = prompts_of([0, -1, 0, -1, 1, 1, -1])
    sample = partial(EngineProcess.sample, arm="candidate", sampling=SamplingSettings(), samples=2, seed=3)
    found = []
    for count in (1, 3):
        process, executor = process_of(count)
        process.load("candidate", {})
        rollouts = sample(process, prompts=prompts)
        found.append((rollouts, process.force("candidate", prompts, rollouts, SamplingSettings())))
        assert all(("load", "main") in client.asked for client in executor.clients)
        assert len(executor.clients) == count
    assert found[0] == found[1]


def test_prompts_of_one_replica_alone_are_replayed_there():
    process, executor = process_of(2)
    prompts = prompts_of([-1, -1])
    process.force("candidate", prompts, [Rollout(1, 0, (4,), (-1.0,))], SamplingSettings())
    assert [len(client.asked) for client in executor.clients] == [0, 1]


def test_progress_is_that_of_all_replicas():
    told = []
    process, _ = process_of(2, told)
    process.sample("candidate", prompts_of([-1] * 5), SamplingSettings(), samples=1, seed=0)
    assert told[-1] == ("candidate", "sampling", 5, 5)


def test_a_replica_that_dies_ends_the_others_and_is_named():
    process, executor = process_of(3)
    executor.clients[1].fails = True
    with pytest.raises(EngineDiedError, match="replica 1 died"):
        process.sample("candidate", prompts_of([-1] * 6), SamplingSettings(), samples=1, seed=0)
    assert all(client.ended for client in executor.clients)


def test_replicas_that_come_up_differently_are_refused():
    process, executor = process_of(2)
    executor.clients[1].differs = True
    with pytest.raises(EngineStartError, match="came up differently: max_model_len"):
        process.load("candidate", {})


def test_what_is_done_in_one_engine_leaves_the_others_free():
    process, executor = process_of(3)
    process.narrow()
    assert [client.ended for client in executor.clients] == [False, True, True]
    process.load("candidate", {})
    assert [bool(client.asked) for client in executor.clients] == [True, False, False]
