"""What is known of requests where another class, or another function, is given their parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from vllm_migrate.config import Config
from vllm_migrate.rules.scan import scan

if TYPE_CHECKING:
    from pathlib import Path

BUILD = (
    "import vllm\nfrom wrapper import Wrapper\n\n\ndef build():\n    model = vllm.LLM('m')\n"
    "    model.get_tokenizer()\n    return {handed}\n"
)
OTHERS = "def ask(vllm_model, requests):\n    return vllm_model.generate(requests, use_tqdm=False)\n"
PREDICT = (
    "from vllm import LLM, SamplingParams\n\n\nclass Predictor:\n"
    "    def __init__(self):\n        self.llm = LLM('m')\n\n"
    "    def predict(self, batch, params):\n        return self.llm.generate(batch, params)\n\n\n"
    "def complete(actor, batch, seed, loss):\n    params = SamplingParams({more})\n    loss.backward()\n"
    "    return actor.predict.remote(batch, params)\n"
)


def said(tree: Path, code: str, files: dict[str, str]) -> bool:
    for name, text in files.items():
        (tree / name).write_text(text, encoding="utf-8")
    return bool(scan([tree], Config(target="0.32.0", select=(code,))).findings)


@pytest.mark.parametrize(
    ("handed", "expected"),
    [
        ("Wrapper(model, sampling_params=vllm.SamplingParams(temperature=0))", False),
        ("Wrapper(llm=model, params=vllm.SamplingParams(n=2))", False),
        ("Wrapper(model, sampling_params=None)", True),
        ("model", True),
    ],
)
def test_an_engine_handed_on_with_its_parameters(tmp_path: Path, handed: str, *, expected: bool) -> None:
    files = {"build.py": BUILD.format(handed=handed), "ask.py": OTHERS, "requirements.txt": "vllm==0.5.3\n"}
    assert said(tmp_path, "VM704", files) is expected


@pytest.mark.parametrize(
    ("more", "other", "expected"),
    [
        ("seed=seed", "", False),
        ("temperature=0", "", False),
        ("temperature=0.7", "", True),
        ("seed=seed", "from vllm import SamplingParams\n\nparams = SamplingParams()\n", True),
    ],
)
def test_a_seed_of_every_request_reaches_it_by_a_parameter(
    tmp_path: Path, more: str, other: str, *, expected: bool
) -> None:
    files = {"predict.py": PREDICT.format(more=more), "other.py": other}
    assert said(tmp_path, "VM705", files) is expected
