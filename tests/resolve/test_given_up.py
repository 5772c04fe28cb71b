"""What follows on an import that fails on the target, where the failure is passed over."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from packaging.version import Version

from vllm_migrate.facts.model import Target
from vllm_migrate.resolve.python import read_python

GONE = "from vllm.model_executor.guided_decoding import get_guided_decoding_logits_processor"
MOVED = "from vllm.utils import FlexibleArgumentParser"
TEXT = """
from vllm import SamplingParams

def ask():
    try:
        {first}
        params = SamplingParams(best_of=2)
    except {kinds}:
        {handler}
"""


@pytest.mark.parametrize(
    ("first", "kinds", "handler", "reached"),
    [
        (GONE, "ImportError", "pass", False),
        (GONE, "(ModuleNotFoundError, OSError)", "pass", False),
        (MOVED, "ImportError", "pass", True),
        ("from vllm import LLM", "ImportError", "pass", True),
        (GONE, "ValueError", "pass", True),
        (GONE, "ImportError", "raise", True),
        (GONE, "ImportError", "params = None", True),
    ],
)
def test_what_follows_is_reached(first: str, kinds: str, handler: str, *, reached: bool) -> None:
    source = TEXT.format(first=first, kinds=kinds, handler=handler).encode()
    facts = read_python(PurePosixPath("a.py"), source, None, Target("vllm", Version("0.32.0")))
    (call,) = [call for call in facts.calls if call.target == "vllm.SamplingParams"]
    assert call.dead is not reached


def test_at_the_head_of_a_module_it_asks_for_vllm_itself() -> None:
    source = (
        f"try:\n    {GONE}\n    from vllm import LLM\n    llm = LLM('m')\nexcept ImportError:\n    pass\n"
    )
    facts = read_python(PurePosixPath("a.py"), source.encode(), None, Target("vllm", Version("0.32.0")))
    assert not facts.calls[0].dead
