"""What tells one replica from another, as far as the code around an engine shows it."""

from __future__ import annotations

import pytest
from rule_support import by_code, find

from vllm_migrate.edits.model import AddArgument, Level, Safety
from vllm_migrate.files.use import Use

RL = Use(syncs_weights=True, trains=True)
HEAD = "import os\nimport ray\nfrom vllm import LLM\n\n\n"


@pytest.mark.parametrize(
    ("code", "seed"),
    [
        ("def build(rank):\n    return LLM('m')\n", "rank"),
        ("def build(n):\n    return [LLM('m') for i in range(n)]\n", "i"),
        ("def build(names):\n    return {n: LLM(n) for k, n in enumerate(names)}\n", "k"),
        ("def build(n):\n    made = []\n    for i in range(n):\n        made.append(LLM('m'))\n", "i"),
        ("def build(rank, dp_rank):\n    return LLM('m')\n", "dp_rank"),
        ("def build():\n    rank = int(os.environ['RANK'])\n    return LLM('m')\n", "rank"),
        (
            (
                "def build(rank, tp):\n    return LLM('m', tensor_parallel_size=tp,"
                " distributed_executor_backend='external_launcher')\n"
            ),
            "rank // tp",
        ),
        ("def build(rank, tp):\n    return LLM('m', tensor_parallel_size=tp)\n", "rank"),
    ],
)
def test_a_number_in_sight_becomes_the_seed(code: str, seed: str) -> None:
    (finding,) = find(by_code("VM705"), HEAD + code, use=RL)
    assert finding.safety is Safety.UNSAFE
    (edit,) = finding.edits
    assert isinstance(edit, AddArgument)
    assert (edit.name, edit.value) == ("seed", seed)


@pytest.mark.parametrize(
    "code",
    [
        "def build(local_rank, world_size):\n    return LLM('m')\n",  # the same on every node
        "def build(**more):\n    rank = 1\n    return LLM('m', **more)\n",
        "def build():\n    llm = LLM('m')\n    rank = 1\n    return llm, rank\n",
        "def build(n):\n    for _ in range(n):\n        yield LLM('m')\n\n\nb = ray.remote(build)\n",
        "llm = LLM('m')\nworld_size = 2\n",
        "@ray.remote\nclass A:\n    def __init__(self):\n        self.llm = LLM('m')\n",
        "class A:\n    def __init__(self):\n        self.llm = LLM('m')\n\n\na = A.options().remote()\n",
    ],
)
def test_no_number_in_sight_is_left_to_a_person(code: str) -> None:
    (finding,) = find(by_code("VM705"), HEAD + code, use=RL)
    assert finding.safety is Safety.MANUAL
    assert finding.level is Level.WARNING


@pytest.mark.parametrize(
    "code",
    [
        "llm = LLM('m')\n",
        "def build():\n    return LLM('m')\n\n\ndef train(world_size):\n    log(rank=0)\n",  # a trainer's
        "class A:\n    def __init__(self):\n        self.llm = LLM('m')\n\n\na = A()\nb = other.remote(1)\n",
    ],
)
def test_one_engine_is_a_note(code: str) -> None:
    (finding,) = find(by_code("VM705"), f"from vllm import LLM\n\n{code}", use=RL)
    assert finding.level is Level.NOTE


def test_the_main_processs_engine_has_no_replicas() -> None:
    code = (
        "def build(accelerator, rank, world_size):\n    if accelerator.is_main_process:\n"
        "        return LLM('m')\n"
    )
    (finding,) = find(by_code("VM705"), HEAD + code, use=RL)
    assert (finding.level, finding.safety) == (Level.NOTE, Safety.MANUAL)
