"""Engines in processes that can't have one, that share the trainer's generators, or that refuse otherwise."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rule_support import by_code, find, read

from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.edits.plan import plan_file
from vllm_migrate.files.use import Use

RL = Use(syncs_weights=True, trains=True)
HEAD = "import multiprocessing as mp\nfrom vllm import LLM\n\n\ndef work(prompts):\n    return LLM('m')\n\n\n"


@pytest.mark.parametrize(
    "run",
    [
        "pool = mp.Pool(2)\nout = pool.map(work, [1])\n",
        "with mp.get_context('spawn').Pool(2) as pool:\n    pool.starmap_async(work, [(1,)])\n",
        "mp.Process(target=work, daemon=True).start()\n",
    ],
)
def test_daemonic_processes_can_not_start_an_engine(run: str) -> None:
    (finding,) = find(by_code("VM806"), HEAD + run)
    assert (finding.level, finding.safety) == (Level.ERROR, Safety.MANUAL)
    assert find(by_code("VM806"), HEAD + run, source="v1@0.12.0") == []


@pytest.mark.parametrize(
    "run",
    [
        "mp.Process(target=work).start()\n",
        "mp.Process(target=work, daemon=False).start()\n",
        "with mp.Pool(2) as pool:\n    pool.map(len, [[1]])\n",
        "print(list(map(work, [1])))\n",
        "executor.map(work, [1])\n",
        "import os\nos.environ['VLLM_ENABLE_V1_MULTIPROCESSING'] = '0'\nmp.Pool(2).map(work, [1])\n",
    ],
)
def test_other_processes_can(run: str) -> None:
    assert find(by_code("VM806"), HEAD + run) == []


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_the_methods_that_remain_stay(method: str) -> None:
    text = f"import os\nos.environ['VLLM_WORKER_MULTIPROC_METHOD'] = '{method}'\n"
    assert find(by_code("VM806"), text) == []


def test_an_engine_in_the_trainers_process_is_said_once() -> None:
    text = (
        "import os\nfrom vllm import LLM\n\n"
        "os.environ['VLLM_ENABLE_V1_MULTIPROCESSING'] = '0'\nllm = LLM('m')\n"
    )
    (finding,) = find(by_code("VM807"), text, use=RL)
    assert "fork_rng" in finding.advice
    assert find(by_code("VM705"), text, use=RL) == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("prompt_logprobs=0, temperature=0.7", 1),
        ("prompt_logprobs=1, temperature=args.temperature", 1),
        ("prompt_logprobs=1, top_k=20", 1),
        ("prompt_logprobs=1, temperature=0", 0),
        ("prompt_logprobs=1, temperature=1.0, top_p=1.0, top_k=-1", 0),
        ("prompt_logprobs=None, temperature=0.7", 0),
        ("logprobs=1, temperature=0.7", 0),
    ],
)
def test_prompt_scores_change_only_with_the_distribution(arguments: str, expected: int) -> None:
    text = f"from vllm import SamplingParams\n\n\ndef ask(args):\n    return SamplingParams({arguments})\n"
    found = find(by_code("VM707"), text, use=replace(RL, takes_prompt_logprobs=True))
    assert len(found) == expected
    assert all(finding.level is Level.WARNING for finding in found)
    assert all(finding.level is Level.NOTE for finding in find(by_code("VM707"), text, use=Use()))


@pytest.mark.parametrize(
    ("handlers", "expected"),
    [
        ("except ValueError:\n    pass\n", 1),
        ("except (ValueError, RuntimeError) as error:\n    pass\n", 1),
        ("except ValueError:\n    pass\nexcept Exception:\n    raise\n", 0),
        ("except (ValueError, VLLMValidationError):\n    pass\n", 0),
        ("except RuntimeError:\n    pass\n", 0),
        ("except:\n    pass\n", 0),
    ],
)
def test_handlers_that_no_longer_catch(handlers: str, expected: int) -> None:
    text = f"from vllm import LLM\n\nllm = LLM('m')\ntry:\n    llm.generate('a')\n{handlers}"
    assert len(find(by_code("VM404"), text)) == expected


@pytest.mark.parametrize(
    ("encoding", "declared", "name"),
    [
        ("utf-8", "", "é"),
        ("utf-8-sig", "", "é"),
        ("latin-1", "# coding: latin-1\n", "é"),
        ("cp1251", "# coding: cp1251\n", "й"),
    ],
)
def test_a_guard_is_written_in_any_encoding(encoding: str, declared: str, name: str) -> None:
    text = f'{declared}from vllm import LLM\n\nnames = ["{name}"]; llm = LLM("{name}", tokenizer="{name}")\n'
    data = text.encode(encoding)
    plan = plan_file(read(data, "train.py", "0.32.0"), find(by_code("VM801"), data), unsafe=True)
    body = f'\n\ndef main():\n    names = ["{name}"]; llm = LLM("{name}", tokenizer="{name}")\n'
    assert body in plan.after.decode(encoding)
    assert plan.after.startswith(data[: data.index(b"from")])
