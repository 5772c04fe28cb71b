"""Real engines on the tiny random model, each started once for all tests; they skip where it is absent."""

from __future__ import annotations

import math
import random

import pytest

from vllm_migrate.engines import doctor, probe_model, registry
from vllm_migrate.engines.client import EngineClient
from vllm_migrate.errors import EngineDiedError, EngineStartError, InputError, UsageError
from vllm_migrate.workers.protocol import GenerateRequest, ReplayRequest, SamplingSettings

pytestmark = pytest.mark.engine

PROFILE = SamplingSettings(temperature=0.7, top_p=0.9, top_k=50, max_tokens=24, seed=7)
HARD = SamplingSettings(temperature=0.8, top_p=0.8, top_k=40, min_p=0.05, repetition_penalty=1.3)
GREEDY = SamplingSettings(temperature=0.0, max_tokens=8)

NUMERICS = 1e-4
"""Float32 forwards in other frameworks or other batches differ by some 1e-6, at most 3e-5 here."""


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("probe")
    probe_model.write(folder)
    return folder


@pytest.fixture(scope="module", params=["v0", "v1", "v1@0.18.1"])
def client(request, model):
    """A float32 engine with a float32 trainer beside it, so that semantics can be told from rounding."""
    engine = registry.find(request.param)
    if engine is None:
        pytest.skip(f"engine {request.param} is not installed: vllm-migrate engines install {request.param}")
    with EngineClient(engine, variables={"OMP_NUM_THREADS": "1"}) as client:
        client.loaded = client.load(model, {"max_model_len": 256, "dtype": "float32"})
        client.load(model, {"dtype": "float32"}, kind="trainer", slot="trainer")
        yield client


@pytest.fixture(scope="module")
def rollouts(client):
    chance = random.Random(0)  # noqa: S311 - prompts, no secrets
    prompts = [[chance.randrange(1, 128) for _ in range(chance.randrange(20, 70))] for _ in range(12)]
    records = client.generate(GenerateRequest(prompts, PROFILE, n=2))
    return [prompts[r.prompt] for r in records], [r.token_ids for r in records], [r.logprobs for r in records]


def replay(client, rollouts, sampling=PROFILE, slot="main", **more):
    return client.replay(ReplayRequest(rollouts[0], rollouts[1], sampling, **more), slot=slot)


def reported(records):
    return [record.logprobs for record in records]


def farthest(one, other):
    """Largest difference of two sets of logprobs; infinite where only one of a pair is -inf."""
    pairs = [pair for x, y in zip(one, other, strict=True) for pair in zip(x, y, strict=True)]
    return max(0.0 if a == b else abs(a - b) for a, b in pairs)


def test_what_came_up_is_what_was_asked_for(client):
    loaded, generation = client.loaded, client.engine.generation
    assert loaded.engine_class == doctor.ENGINE_CLASSES[generation]
    assert loaded.runner in doctor.RUNNERS[generation]
    assert loaded.version.startswith(client.engine.version)
    assert loaded.settings["dtype"] == "float32"
    assert loaded.settings["max_model_len"] == 256
    assert loaded.settings["logprobs_mode"] == (
        "processed_logprobs" if generation == "v0" else "raw_logprobs"
    )
    assert loaded.peak_memory_bytes > 500_000_000


def test_forced_replay_repeats_what_was_sampled(client, rollouts):
    assert reported(replay(client, rollouts)) == rollouts[2]


def test_order_and_company_do_not_matter_to_the_forcing(client, rollouts):
    order = list(range(len(rollouts[0])))
    random.Random(1).shuffle(order)  # noqa: S311 - an order, no secret
    plain = replay(client, rollouts)
    shuffled = replay(client, rollouts, order=order, max_num_seqs=3)
    assert [r.emitted for r in shuffled] == rollouts[1]
    assert farthest(reported(plain), reported(shuffled)) < NUMERICS


def test_the_reported_kind_of_logprob_is_the_engines_own(client, rollouts):
    records = replay(client, rollouts)
    trainer = replay(client, rollouts, slot="trainer")
    assert farthest([r.raw for r in records], [r.raw for r in trainer]) < NUMERICS
    processed = reported(trainer)
    if client.engine.generation == "v0":
        assert farthest(reported(records), processed) < NUMERICS
    else:
        assert reported(records) == [r.raw for r in records]
        assert farthest(reported(records), processed) > 0.1


def test_flipping_to_processed_and_back(client, rollouts):
    if client.engine.generation == "v0":
        answer = client.flip("logprobs_mode", "raw_logprobs")
        assert (answer["live"], answer["was"]) == (False, "processed_logprobs")
        return
    before = reported(replay(client, rollouts))
    assert client.flip("logprobs_mode", "processed_logprobs") == {
        "live": True,
        "was": "raw_logprobs",
        "why": "",
    }
    flipped = reported(replay(client, rollouts))
    trainer = reported(replay(client, rollouts, slot="trainer"))
    assert client.flip("logprobs_mode", "raw_logprobs")["live"]
    assert farthest(flipped, trainer) < NUMERICS
    assert reported(replay(client, rollouts)) == before


def test_the_trainer_filters_in_the_engines_order(client, rollouts):
    first = client.engine.generation == "v1"
    if first:
        client.flip("logprobs_mode", "processed_logprobs")
    engine = reported(replay(client, rollouts, HARD))
    if first:
        client.flip("logprobs_mode", "raw_logprobs")
    same = reported(replay(client, rollouts, HARD, slot="trainer", min_p_first=first))
    other = reported(replay(client, rollouts, HARD, slot="trainer", min_p_first=not first))
    assert any(value == -math.inf for row in same for value in row)
    assert farthest(engine, same) < NUMERICS
    assert farthest(engine, other) > 0.01


def test_greedy_decoding_takes_the_likeliest_token(client):
    prompts = [[5, 6, 7, 8], [9, 10, 11]]
    one = client.generate(GenerateRequest(prompts, GREEDY))
    two = client.generate(GenerateRequest(prompts, GREEDY))
    assert [r.token_ids for r in one] == [r.token_ids for r in two]
    for record in one:
        scored = client.replay(ReplayRequest([prompts[record.prompt]], [record.token_ids], GREEDY))
        assert farthest(reported(scored), [record.logprobs]) < NUMERICS


def test_seeds_repeat_and_differ_by_sample(client):
    request = GenerateRequest([[1, 2, 3]] * 2, PROFILE, n=3, order=[1, 0])
    first, second = client.generate(request), client.generate(request)
    assert first == second
    assert [(r.prompt, r.sample) for r in first] == [(p, s) for p in range(2) for s in range(3)]
    assert len({tuple(r.token_ids) for r in first}) > 1


def test_the_tokenizer_is_the_engines(client):
    assert client.tokenize([" w5 w6", " w77"]) == [[5, 6], [77]]
    assert client.tokenize([" w5"], slot="trainer") == [[5]]


@pytest.mark.parametrize(
    "request_",
    [
        ReplayRequest([[1, 2]], [[500]], PROFILE),
        ReplayRequest([[1, 2]], [[]], PROFILE),
        ReplayRequest([[1, 2]], [], PROFILE),
        ReplayRequest([[1, 2]], [[3]], PROFILE, order=[1]),
    ],
    ids=["vocabulary", "empty", "uneven", "order"],
)
def test_bad_requests_are_refused_and_the_engine_lives_on(client, request_):
    with pytest.raises(InputError):
        client.replay(request_)
    assert client.replay(ReplayRequest([[1, 2]], [[3]], PROFILE))[0].emitted == [3]


def test_settings_that_need_another_engine_say_so(client):
    answer = client.flip("dtype", "bfloat16")
    assert not answer["live"]
    assert answer["why"]
    if client.engine.generation == "v1":
        with pytest.raises(UsageError):
            client.flip("logprobs_mode", "nonsense")


def test_the_prefix_cache_can_be_emptied(client):
    assert client.reset()


@pytest.mark.parametrize("name", ["v0", "v1"])
def test_an_argument_the_engine_does_not_know_is_one_line(name, model):
    engine = registry.find(name)
    if engine is None:
        pytest.skip(f"engine {name} is not installed: vllm-migrate engines install {name}")
    with EngineClient(engine) as client:
        with pytest.raises(EngineStartError, match="no_such_argument") as caught:
            client.load(model, {"no_such_argument": 1})
        assert "\n" not in caught.value.message


def test_an_engine_killed_in_the_middle_is_an_error_and_not_a_hang(model):
    engine = registry.find("v0")
    if engine is None:
        pytest.skip("engine v0 is not installed: vllm-migrate engines install v0")
    client = EngineClient(engine, progress=lambda *_: client.kill())
    with client:
        client.load(model, {"max_model_len": 256})
        many = GenerateRequest([[1, 2, 3]] * 64, SamplingSettings(max_tokens=200, seed=1))
        with pytest.raises(EngineDiedError, match="signal 9"):
            client.generate(many)
