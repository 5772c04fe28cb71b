"""Plain vLLM, or a plain transformers forward, over given token ids: what an audit's engines need without us.

Runs in an engine's own interpreter with nothing but that engine; `audit_overhead.py` starts it. A job comes
as JSON on standard input, what it took goes as one line of JSON to the file that the job names.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any


def main() -> None:
    """Do the job on standard input."""
    job = json.load(sys.stdin)
    work = _trainer if job["kind"] == "trainer" else _vllm
    started = _now()
    run = work(job)
    ready = _now()
    tokens = sum(run(part) for part in job["parts"])
    done = _now()
    taken = {
        "start": [b - a for a, b in zip((started[0], 0.0), ready, strict=True)],
        "work": [b - a for a, b in zip(ready, done, strict=True)],
        "tokens": tokens,
    }
    Path(job["output"]).write_text(json.dumps(taken), encoding="utf-8")
    sys.stdout.flush()
    os._exit(0)  # engines leave threads behind


def _now() -> tuple[float, float]:
    """Wall clock, and processor seconds of this process since it began, children included."""
    times = os.times()
    return time.monotonic(), times.user + times.system + times.children_user + times.children_system


def _vllm(job: dict[str, Any]) -> Any:
    from vllm import LLM, SamplingParams  # noqa: PLC0415 - the start that is measured

    llm = LLM(model=job["model"], **job["arguments"])

    def run(part: dict[str, Any]) -> int:
        params = [SamplingParams(logprobs=0, **{**part["sampling"], **own}) for own in part["each"]]
        prompts = [{"prompt_token_ids": ids} for ids in part["prompts"]]
        outputs = llm.generate(prompts, params, use_tqdm=False)
        return sum(len(output.outputs[0].token_ids) for output in outputs)

    return run


def _trainer(job: dict[str, Any]) -> Any:
    import torch  # noqa: PLC0415 - the start that is measured
    import transformers  # noqa: PLC0415 - likewise

    model = transformers.AutoModelForCausalLM.from_pretrained(
        job["model"], torch_dtype=torch.float32, local_files_only=True
    ).eval()

    def run(part: dict[str, Any]) -> int:
        """The logprob of every token of every completion; the completions of one prompt are one batch."""
        count = 0
        batches: dict[tuple[int, ...], list[list[int]]] = {}
        for prompt, completion in zip(part["prompts"], part["completions"], strict=True):
            batches.setdefault(tuple(prompt), []).append(completion)
        with torch.no_grad():
            for given, completions in batches.items():
                longest = max(map(len, completions))
                rows = [[*given, *ids, *([0] * (longest - len(ids)))] for ids in completions]
                logits = model(torch.tensor(rows)).logits[:, len(given) - 1 : -1].float()
                logprobs = torch.log_softmax(logits / part["temperature"], dim=-1)
                wanted = torch.tensor([row[len(given) :] for row in rows])
                logprobs.gather(2, wanted[:, :, None]).tolist()
                count += sum(map(len, completions))
        return count

    return run


if __name__ == "__main__":
    main()
