"""What is asked of a running server, and what becomes of its answers: real HTTP, no engine behind it.

The answers have the form that vLLM 0.32.0 and TRL 1.8.0 give theirs. A real vLLM is asked in
`tests/audit/test_real_endpoint.py`.
"""

from __future__ import annotations

import math
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from served import serving

from vllm_migrate.engines import registry
from vllm_migrate.engines.endpoint.client import EndpointClient
from vllm_migrate.engines.endpoint.find import endpoint
from vllm_migrate.engines.endpoint.http import API_KEY, Server
from vllm_migrate.engines.endpoint.seeds import with_seeds
from vllm_migrate.engines.environment import EngineEnvironment
from vllm_migrate.errors import EngineDiedError, EngineError, EngineStartError, UsageError
from vllm_migrate.workers.protocol import GenerateRequest, ReplayRequest, SamplingSettings

SAMPLING = SamplingSettings(temperature=0.7, top_p=0.9, top_k=50, max_tokens=4, stop_token_ids=[3], seed=1)


def completion(body, **changes):
    """Two tokens for each completion asked for: the prompt's length, and which completion it is."""
    choices = [
        {
            "index": index,
            "text": "words",
            "finish_reason": "length",
            "token_ids": [len(body["prompt"]), index],
            "prompt_token_ids": body["prompt"],
            "logprobs": {"token_logprobs": [-0.5, -9999.0], "tokens": ["token_id:7", "token_id:8"]},
            "prompt_logprobs": [None, *({str(token): {"logprob": -token}} for token in body["prompt"][1:])],
            **changes,
        }
        for index in range(body.get("n", 1))
    ]
    return 200, {"choices": choices[::-1]}


def openai(version="0.32.0", models=("tiny",), asked=None, **changes):
    def answer(body):
        if asked is not None:
            asked.append(body)
        return completion(body, **changes)

    return {
        "GET /v1/models": lambda _: (200, {"data": [{"id": one, "max_model_len": 64} for one in models]}),
        "GET /version": lambda _: (200, {"version": version}) if version else (404, {}),
        "POST /v1/completions": answer,
        "POST /tokenize": lambda body: (
            200,
            {"tokens": [len(str(body.get("prompt", body.get("messages"))))]},
        ),
    }


def schema(prompts, answer):
    properties = {"prompts": prompts, "images": {"title": "Images"}}
    return {
        "components": {
            "schemas": {
                "GenerateRequest": {"properties": properties},
                "GenerateResponse": {"properties": answer},
            }
        }
    }


IDS = {"anyOf": [{"items": {"items": {"type": "integer"}, "type": "array"}}], "title": "Prompts"}
TEXTS = {"items": {"type": "string"}, "type": "array", "title": "Prompts"}


def trl(prompts=IDS, answer=None, generate=None):
    def usual(body):
        return 200, {
            "prompt_ids": body["prompts"],
            "completion_ids": [[5, 6], [7, 8, 9, 3]][: body["n"]],
            "logprobs": [[[-0.1], [-0.2]], [[-0.3], [-0.4], [-0.5], [-0.6]]][: body["n"]],
        }

    return {
        "GET /get_world_size/": lambda _: (200, {"world_size": 2}),
        "GET /openapi.json": lambda _: (200, schema(prompts, answer or {"logprobs": {}})),
        "POST /generate/": generate or usual,
    }


def test_an_openai_compatible_server_is_known_by_its_models():
    with serving(openai()) as (url, _):
        engine = registry.require(url)
        assert (engine.name, engine.generation, engine.version) == ("endpoint@0.32.0", "v1", "0.32.0")
        loaded = EndpointClient(engine).load("anywhere")
    assert (loaded.runner, loaded.version) == ("endpoint", "0.32.0")
    assert loaded.settings == {
        "endpoint": url,
        "device": "endpoint",
        "seeds": "not sent",
        "max_model_len": 64,
        "served_model": "tiny",
    }


def metrics(block="16", given="False", **more):
    labels = {"cache_dtype": "auto", "block_size": block, "user_specified_block_size": given, **more}
    inside = ",".join(f'{name}="{value}"' for name, value in labels.items() if value is not None)
    text = f"# HELP vllm:cache_config_info x\nvllm:cache_config_info{{{inside}}} 1.0\nother 2\n"
    return {"GET /metrics": lambda _: (200, text.encode())}


def seeded(routes, request, *, wanted=None):
    """Records, settings, and the requests in the order of their seeds, then prompts."""
    asked = []
    with serving(openai(asked=asked) | routes) as (url, _):
        client = EndpointClient(with_seeds(endpoint(url), wanted=wanted))
        loaded = client.load("anywhere")
        records = client.generate(request)
    sent = sorted((body.get("seed"), body["n"], body["prompt"]) for body in asked)
    return records, loaded.settings["seeds"], sent


def test_a_server_shown_not_to_run_on_a_cpu_gets_a_seed_with_every_request():
    request = GenerateRequest([[1, 2], [4, 5, 6]], replace(SAMPLING, seed=100), n=2, numbers=[0, 7])
    records, how, sent = seeded(metrics(), request)
    assert how == "sent"
    assert sent == [(100, 2, [1, 2]), (114, 2, [4, 5, 6])]
    assert [(r.prompt, r.sample) for r in records] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    unseeded = GenerateRequest([[1, 2]], replace(SAMPLING, seed=None))
    assert seeded(metrics(), unseeded)[2] == [(None, 1, [1, 2])]


@pytest.mark.parametrize(
    "routes",
    [
        metrics(block="128"),
        metrics(given="True"),
        metrics(given=None),
        metrics(block="None"),
        {"GET /metrics": lambda _: (200, b"")},
        {"GET /metrics": lambda _: (403, {})},
        {},
    ],
)
def test_a_server_that_may_run_on_a_cpu_gets_none(routes):
    request = GenerateRequest([[1, 2]], SAMPLING)
    assert seeded(routes, request)[1:] == ("not sent", [(None, 1, [1, 2])])


def test_seeds_that_the_user_asks_for_come_one_completion_at_a_time():
    request = GenerateRequest([[1, 2], [4, 5, 6]], SAMPLING, n=2)
    records, how, sent = seeded(metrics(block="128"), request, wanted=True)
    assert how == "one at a time"
    assert sent == [(1, 1, [1, 2]), (2, 1, [1, 2]), (3, 1, [4, 5, 6]), (4, 1, [4, 5, 6])]
    assert [(r.prompt, r.sample) for r in records] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert seeded(metrics(), request, wanted=True)[1] == "sent"
    unwanted = seeded(metrics(), request, wanted=False)
    assert unwanted[1:] == ("not sent", [(None, 2, [1, 2]), (None, 2, [4, 5, 6])])


def test_seeds_reach_trls_server_where_they_are_asked_for():
    asked = []

    def generate(body):
        asked.append(body)
        return trl()["POST /generate/"](body)

    with serving(trl(generate=generate)) as (url, _):
        client = EndpointClient(with_seeds(endpoint(url), wanted=True))
        client.load("anywhere")
        client.generate(GenerateRequest([[1, 2]], SAMPLING, n=2))
    assert [(body["n"], body["generation_kwargs"]["seed"]) for body in asked] == [(1, 1), (1, 2)]


def test_seeds_are_for_servers():
    engine = EngineEnvironment("v1", "v1", "0.32.0", "vllm", "cpu", Path(), Path())
    assert with_seeds(engine, wanted=None) is engine
    with pytest.raises(UsageError, match="--server-seeds goes with --v1-url"):
        with_seeds(engine, wanted=False)


def test_every_sampling_setting_is_sent_and_no_seed():
    asked = []
    with serving(openai(asked=asked)) as (url, _):
        records = EndpointClient(endpoint(url)).generate(GenerateRequest([[1, 2], [4, 5, 6]], SAMPLING, n=2))
    body = next(body for body in asked if body["prompt"] == [1, 2])
    for name in ("temperature", "top_p", "top_k", "min_p", "repetition_penalty", "max_tokens"):
        assert body[name] == getattr(SAMPLING, name)
    assert (body["n"], body["stop_token_ids"], body["model"]) == (2, [3], "tiny")
    assert "seed" not in body
    assert [(r.prompt, r.sample, r.token_ids) for r in records] == [
        (0, 0, [2, 0]),
        (0, 1, [2, 1]),
        (1, 0, [3, 0]),
        (1, 1, [3, 1]),
    ]
    assert records[0].logprobs == [-0.5, -math.inf], "vLLM writes -9999 for minus infinity"
    assert (records[0].text, records[0].finish_reason) == ("words", "length")


def test_ids_are_read_from_their_names_where_the_server_has_no_field_for_them():
    with serving(openai(token_ids=None)) as (url, _):
        records = EndpointClient(endpoint(url)).generate(GenerateRequest([[1, 2]], SAMPLING))
    assert records[0].token_ids == [7, 8]


def test_given_tokens_are_scored_by_prefill_and_never_forced():
    with serving(openai()) as (url, _):
        client = EndpointClient(endpoint(url))
        request = ReplayRequest([[1, 2]], [[30, 40]], SAMPLING, path="prefill")
        assert client.replay(request)[0].logprobs == [-30.0, -40.0]
        with pytest.raises(UsageError, match="forced replay needs an engine in a process of this tool's own"):
            client.replay(ReplayRequest([[1, 2]], [[30, 40]], SAMPLING))
        with pytest.raises(UsageError, match="nothing that an engine behind a URL can do"):
            client.flip("logprobs_mode", "raw_logprobs")
        with pytest.raises(UsageError, match="engine arguments can't reach a server"):
            client.load("anywhere", {"dtype": "float32"})


def test_texts_and_conversations_are_tokenized_by_the_server():
    with serving(openai()) as (url, _):
        client = EndpointClient(endpoint(url))
        assert client.tokenize(["ab", "abc"]) == [[2], [3]]
        chats = [{"messages": [{"role": "user", "content": "a"}], "arguments": {"tools": []}}]
        assert client.render(chats)[0][1] == [len(str(chats[0]["messages"]))]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"prompt_token_ids": [9]}, "changed the prompt's token ids"),
        ({"token_ids": [], "logprobs": None}, "returned no token ids"),
        ({"logprobs": None}, "returned no logprob for some tokens"),
        ({"logprobs": {"token_logprobs": [-0.5]}}, "returned no logprob for some tokens"),
    ],
)
def test_an_answer_that_can_not_be_judged_is_an_error(changes, says):
    with serving(openai(**changes)) as (url, _):
        client = EndpointClient(endpoint(url))
        with pytest.raises(EngineError, match=says):
            client.generate(GenerateRequest([[1, 2]], SAMPLING))


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((400, {"error": {"message": "Token id 9 is out of vocabulary"}}), "answered 400: Token id 9 is out"),
        ((422, {"detail": [{"msg": "too\nmany"}]}), "answered 422: .*many"),
        ((500, b"oops"), "answered 500"),
        ((200, b"no json"), "no JSON"),
        ((200, {"choices": []}), "did not return 1 completions"),
        (None, "broke off during /v1/completions"),
    ],
)
def test_what_goes_wrong_there_is_one_line_here(answer, says):
    routes = openai()
    routes["POST /v1/completions"] = lambda _: answer
    with serving(routes) as (url, _):
        client = EndpointClient(endpoint(url))
        with pytest.raises(EngineError, match=says) as caught:
            client.generate(GenerateRequest([[1, 2]], SAMPLING))
    assert "\n" not in caught.value.message


def test_a_server_that_runs_v0_or_serves_several_models_is_refused():
    with serving(openai(version="0.8.5.post1")) as (url, _), pytest.raises(UsageError, match="may run V0"):
        endpoint(url)
    with serving(openai(models=("a", "b"))) as (url, _):
        with pytest.raises(UsageError, match="serves 2 models: a, b"):
            endpoint(url)
        with pytest.raises(UsageError, match="serves a, b, not c"):
            endpoint(f"{url}#c")
        assert EndpointClient(endpoint(f"{url}#b")).load("anywhere").settings["served_model"] == "b"
    with serving(openai(version="")) as (url, _):
        assert endpoint(url).name == "endpoint", "another server, or one before /version"


def test_what_is_no_server_is_refused(monkeypatch):
    with serving({}) as (url, _), pytest.raises(EngineStartError, match="neither an OpenAI-compatible"):
        endpoint(url)
    with pytest.raises(EngineStartError, match="nothing answers at"):
        endpoint(url)
    for wrong in ("http://", "http://host:port", "ftp://host", "http://me:secret@host"):
        with pytest.raises(UsageError):
            Server(wrong)
    monkeypatch.delenv(API_KEY, raising=False)
    with serving({"GET /v1/models": lambda _: (401, {})}) as (url, _):
        with pytest.raises(EngineError, match="refuses access") as caught:
            endpoint(url)
        assert API_KEY in caught.value.hint


def test_a_key_goes_along(monkeypatch):
    monkeypatch.setenv(API_KEY, "secret")
    with serving(openai()) as (url, seen):
        endpoint(url)
    assert all(headers["Authorization"] == "Bearer secret" for headers in seen)


def test_an_audit_that_is_given_up_does_not_wait_for_the_server():
    begun, held = threading.Event(), threading.Event()

    def hang(_):
        begun.set()
        held.wait(20)

    routes = openai()
    routes["POST /v1/completions"] = hang
    with serving(routes) as (url, _):
        client = EndpointClient(endpoint(url))
        failed = []

        def ask():
            try:
                client.generate(GenerateRequest([[1, 2]], SAMPLING))
            except EngineError as error:
                failed.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        assert begun.wait(10)
        started = time.monotonic()
        client.kill()
        asking.join(timeout=10)
        held.set()
        assert time.monotonic() - started < 5
    assert isinstance(failed[0], EngineDiedError)
    with pytest.raises(EngineDiedError, match="not asked any more"):
        client.tokenize(["a"])


def test_a_server_that_is_slow_is_given_up():
    routes = openai()
    routes["POST /v1/completions"] = lambda _: time.sleep(1)
    with serving(routes) as (url, _):
        client = EndpointClient(endpoint(url))
        with pytest.raises(EngineDiedError, match="gave no answer in"):
            client.generate(GenerateRequest([[1, 2]], SAMPLING), seconds=0.2)


def test_a_request_whose_time_is_up_before_it_is_sent_is_given_up():
    with serving(openai()) as (url, seen):
        for seconds in (0.0, -1.0):
            with pytest.raises(EngineDiedError, match="no time was left to ask"):
                Server(url).post("/v1/completions", {}, seconds=seconds)
        assert not seen


def test_trls_server_is_known_by_its_world():
    with serving(trl()) as (url, _):
        engine = endpoint(url)
        assert (engine.name, engine.version, engine.package) == ("endpoint", "", "TRL vllm-serve")
        client = EndpointClient(engine)
        assert client.load("anywhere").settings["world_size"] == 2
        records = client.generate(GenerateRequest([[1, 2]], SAMPLING, n=2))
    assert [(r.sample, r.token_ids, r.logprobs, r.finish_reason) for r in records] == [
        (0, [5, 6], [-0.1, -0.2], "stop"),
        (1, [7, 8, 9, 3], [-0.3, -0.4, -0.5, -0.6], "length"),
    ]


def test_older_trl_is_refused_with_what_it_lacks():
    with (
        serving(trl(answer={"completion_ids": {}})) as (url, _),
        pytest.raises(EngineError, match=r"returns no logprobs: TRL's server does from 0\.23 on"),
    ):
        endpoint(url)
    with (
        serving(trl(prompts=TEXTS)) as (url, _),
        pytest.raises(EngineError, match=r"prompts as text only: TRL's server takes token ids from 0\.29\.1"),
    ):
        endpoint(url)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({"completion_ids": [[1]], "logprobs": None}, "returned no logprobs"),
        ({"completion_ids": [], "logprobs": []}, "did not return 1 completions"),
        ({"completion_ids": [[1]], "logprobs": [[[None]]]}, "no logprob for some tokens"),
        ({"prompt_ids": [[4]], "completion_ids": [[1]], "logprobs": [[[-1]]]}, "changed the prompt's"),
    ],
)
def test_an_answer_of_trls_that_can_not_be_judged_is_an_error(answer, says):
    with serving(trl(generate=lambda _: (200, answer))) as (url, _):
        client = EndpointClient(endpoint(url))
        with pytest.raises(EngineError, match=says):
            client.generate(GenerateRequest([[1, 2]], SAMPLING))
