"""What becomes of per-request processors: a parameter, an adapter that runs, or words that name them."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest
from rule_support import by_code, edited, find

from vllm_migrate.edits.model import Level, Safety

HEAD = "import torch\nfrom vllm import LLM, SamplingParams\n\n\n"
BAN = 'def ban(token_ids, logits):\n    logits[{tokens}] = float("-inf")\n    return logits\n\n\n'
CALL = 'llm = LLM("m")\nparams = SamplingParams(logits_processors=[{processors}])\n'
FACTORY = "class Ban:\n    def __init__(self, ids, value=0):\n        self.ids, self.value = ids, value\n\n\n"


@pytest.mark.parametrize(
    ("function", "parameter"),
    [
        (BAN.format(tokens="7"), 'logit_bias={7: float("-inf")}'),
        (BAN.format(tokens="[7, 8]"), 'logit_bias={token_id: float("-inf") for token_id in [7, 8]}'),
        (f"BAD = (7, 8)\n{BAN.format(tokens='list(BAD)')}", "for token_id in list(BAD)}"),
        (f"BAD = tok.encode('a')\n{BAN.format(tokens='BAD')}", "for token_id in BAD}"),
        (BAN.format(tokens="tok.eos_token_id"), 'logit_bias={tok.eos_token_id: float("-inf")}'),
        ("def ban(ids, logits):\n    logits[7] -= 2.5\n    return logits\n\n\n", "logit_bias={7: -2.5}"),
        ("def ban(prompt, ids, logits):\n    logits[7] += 1\n    return logits\n\n\n", "logit_bias={7: 1}"),
        (
            (
                "def ban(ids, logits):\n    mask = torch.full_like(logits, -float('inf'))\n"
                "    mask[[7, 8]] = logits[[7, 8]]\n    return mask\n\n\n"
            ),
            "allowed_token_ids=[7, 8]",
        ),
        (
            (
                "def ban(ids, logits):\n    mask = torch.full_like(logits, float('-inf'))\n"
                "    mask[[7, 8]] = 0\n    return logits + mask\n\n\n"
            ),
            "allowed_token_ids=[7, 8]",
        ),
    ],
)
def test_constant_processors_become_parameters(function: str, parameter: str) -> None:
    after = edited("VM305", HEAD + function + CALL.format(processors="ban"))
    assert parameter in after.splitlines()[-1]
    assert "logits_processors" not in after


@pytest.mark.parametrize(
    "function",
    [
        "def ban(ids, logits):\n    logits[len(ids)] = float('-inf')\n    return logits\n\n\n",
        "def ban(ids, logits):\n    logits[7] = -100.0\n    return logits\n\n\n",
        "def ban(ids, logits):\n    logits[7] *= 2\n    return logits\n\n\n",
        "def ban(ids, logits):\n    logits[unknown] = float('-inf')\n    return logits\n\n\n",
        "def ban(ids, logits):\n    if ids:\n        logits[7] = float('-inf')\n    return logits\n\n\n",
        (
            "def ban(ids, logits):\n    mask = torch.full_like(logits, float('-inf'))\n"
            "    mask[ids] = logits[ids]\n    return mask\n\n\n"
        ),
    ],
)
def test_anything_else_becomes_an_adapter(function: str) -> None:
    after = edited("VM305", HEAD + function + CALL.format(processors="ban"))
    assert "class BanAdapter(AdapterLogitsProcessor):" in after
    assert 'LLM("m", logits_processors=[BanAdapter])' in after
    assert 'SamplingParams(extra_args={"ban": True})' in after


def _run(after: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run rewritten code with stand-ins for what it imports, which record what they are given."""

    class Recorder:
        def __init__(self, *args: object, **kwargs: object) -> None:
            self.args, self.kwargs = args, kwargs
            self.extra_args = kwargs.get("extra_args")

    stand_ins: dict[str, dict[str, Any]] = {
        "torch": {},
        "vllm": {"LLM": Recorder, "SamplingParams": Recorder},
        "vllm.v1": {},
        "vllm.v1.sample": {},
        "vllm.v1.sample.logits_processor": {"AdapterLogitsProcessor": object},
    }
    for name, members in stand_ins.items():
        module = types.ModuleType(name)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setenv("VLLM_USE_V2_MODEL_RUNNER", "1")
    scope: dict[str, Any] = {}
    exec(compile(after, "train.py", "exec"), scope)  # noqa: S102 (the rewritten code is what is tested)
    return scope


@pytest.mark.parametrize(
    ("written", "ids", "value"),
    [
        ("Ban([7, 8])", [7, 8], 0),
        ("Ban(ids=[7])", [7], 0),
        ("Ban([7], value=3)", [7], 3),
        ("partial(Ban, value=2, ids=[9])()", None, None),
    ],
)
def test_an_adapter_makes_what_the_request_had(
    written: str, ids: list[int] | None, value: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = HEAD.replace("import torch\n", "from functools import partial\n") + FACTORY
    text += CALL.format(processors=written)
    if ids is None:  # a call of what a call makes has no name
        assert edited("VM305", text) == text
        return
    scope = _run(edited("VM305", text), monkeypatch)
    (adapter,) = scope["llm"].kwargs["logits_processors"]
    made = adapter().new_req_logits_processor(scope["params"])
    assert (made.ids, made.value) == (ids, value)
    assert adapter().is_argmax_invariant() is False
    plain = type(scope["params"])()
    assert adapter().new_req_logits_processor(plain) is None


def test_several_processors_keep_their_order_and_requests_share_engines() -> None:
    text = f"{HEAD}from bans import Ban, boost\n\n\n{CALL.format(processors='boost, Ban([1])')}"
    text += "greedy = SamplingParams(temperature=0, logits_processors=[Ban([2])])\n"
    after = edited("VM305", text)
    assert "logits_processors=[BoostAdapter, BanAdapter])" in after
    assert 'SamplingParams(temperature=0, extra_args={"Ban": [[2]]})' in after
    assert after.count("class ") == 2


def test_a_local_name_is_followed_to_what_makes_it() -> None:
    text = (
        f"{HEAD}from bans import Ban\n\n\ndef rollout(ids):\n    llm = LLM('m')\n    ban = Ban(ids)\n"
        "    return llm.generate('a', SamplingParams(logits_processors=[ban]))\n"
    )
    assert 'extra_args={"Ban": [ids]}' in edited("VM305", text)


@pytest.mark.parametrize(
    "processors",
    [
        "lambda ids, logits: logits",
        "self.ban",
        "Ban(tokenizer)",
        "Ban(self.engine)",
        "Ban(llm.get_tokenizer())",
    ],
)
def test_what_can_not_be_sent_is_explained(processors: str) -> None:
    text = f"{HEAD}from bans import Ban\n\n\n{CALL.format(processors=processors)}"
    (finding,) = find(by_code("VM305"), text)
    assert finding.safety is Safety.MANUAL
    assert "new_req_logits_processor(self, params)" in finding.advice
    assert "VLLM_USE_V2_MODEL_RUNNER=0" in finding.advice


def test_an_engine_in_another_file_leaves_the_class_in_words() -> None:
    text = f"{HEAD}from bans import Ban\n\nparams = SamplingParams(logits_processors=[Ban([7])])\n"
    (finding,) = find(by_code("VM305"), text)
    assert finding.safety is Safety.MANUAL
    assert "class BanAdapter(AdapterLogitsProcessor)" in finding.advice
    assert 'extra_args={"Ban": [[7]]}' in finding.advice


def test_releases_before_the_other_runner_need_no_variable() -> None:
    text = f"{HEAD}from bans import Ban\n\n\n{CALL.format(processors='Ban([1])')}"
    assert "VLLM_USE_V2_MODEL_RUNNER" in edited("VM305", text, "0.31.0")
    assert "VLLM_USE_V2_MODEL_RUNNER" not in edited("VM305", text, "0.30.0")


def test_assignments_become_assignments() -> None:
    text = f"{HEAD}{BAN.format(tokens='7')}params = SamplingParams()\nparams.logits_processors = [ban]\n"
    (finding,) = find(by_code("VM305"), text)
    assert finding.level is Level.WARNING
    assert edited("VM305", text).endswith('params.logit_bias = {7: float("-inf")}\n')


@pytest.mark.parametrize(
    ("after", "back"),
    [
        ("    return ban.collected()\n", True),
        ("    return llm.generate('a', params)\n", False),
        ("    return 1\n\n\ndef other(ban):\n    return ban.collected()\n", False),
    ],
)
def test_what_a_processor_collects_is_not_brought_back(after: str, *, back: bool) -> None:
    text = (
        f"{HEAD}{FACTORY}def ask():\n    llm = LLM('m')\n    ban = Ban([1])\n"
        f"    params = SamplingParams(logits_processors=[ban])\n{after}"
    )
    (finding,) = find(by_code("VM305"), text)
    assert ("brings nothing back" in finding.advice) is back
    assert not (back and finding.edits)
