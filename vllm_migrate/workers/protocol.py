"""The wire protocol between the tool and a worker inside an engine's environment.

One JSON object a line, both ways, over pipes the engine can't print into (the worker points file descriptor 1
at stderr before it imports anything). A request is `{"id": n, "op": name, "args": {...}}`, with `"slot":
name` where the process holds several engines (a trainer beside an engine, a second engine with other
settings); the worker answers `{"id": n, "ok": {...}}` or `{"id": n, "error": {"kind": slug, "message": line,
"detail": traceback}}`, and may send `{"event": "progress", "id": n, "done": k, "total": m}` before that.
Infinities travel as JSON's `-Infinity`, which Python writes and reads.

This module runs in the oldest engine's Python and in ours: standard library only.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

PROTOCOL_VERSION = 1

MAIN_SLOT = "main"

V1_ASYNC = "v1-async"
"""Kind of a V1 engine behind `AsyncLLM`, its core in a process of its own."""

HELLO = "hello"  # -> {"protocol", "python", "executable", "pid", "packages": {name: version}}; quick
LOAD = "load"  # LoadRequest -> Loaded
TOKENIZE = "tokenize"  # {"texts": [str]} -> {"token_ids": [[int]]}
RENDER = "render"  # {"chats": [{"messages": [...], "arguments": {...}}]} -> {"texts", "token_ids"}
GENERATE = "generate"  # GenerateRequest -> {"rollouts": [RolloutRecord]}
REPLAY = "replay"  # ReplayRequest -> {"replays": [ReplayRecord]}
FLIP = "flip"  # {"setting": str, "value": ...} -> {"live": bool, "was": ..., "why": str}
OBSERVE = "observe"  # {} -> {"steps", "max_rows", "max_tokens", "cached_tokens"} since it was last asked
RESET = "reset"  # {} -> {"done": bool}; empties the prefix cache
SHUTDOWN = "shutdown"  # {} -> {}


@dataclass
class LoadRequest:
    """Start an engine on a model.

    Attributes:
        kind: "v0", "v1", `V1_ASYNC` or "trainer" (a transformers forward, no vLLM); for a reward model one of
            `score_protocol.KINDS`.
        model: directory of the checkpoint.
        engine_args: keyword arguments for `LLM(...)` exactly as a user would write them.
        harness_args: arguments this tool adds to start quickly (enforce_eager on CPU, ...); the user's win.
    """

    kind: str
    model: str
    engine_args: dict[str, Any] = field(default_factory=dict)
    harness_args: dict[str, Any] = field(default_factory=dict)


@dataclass
class Loaded:
    """What came up. Asserted from live objects, not from environment variables.

    Attributes:
        engine_class: "vllm.engine.llm_engine.LLMEngine" or "vllm.v1.engine.llm_engine.LLMEngine"; the model's
            class where transformers runs it, the protocol in words of a server.
        runner: "v0", "v1-model-runner", "v2-model-runner" or "transformers"; "endpoint" for a server, the
            model's class for a reward model in a pooling engine.
        version: the engine's own version string.
        settings: effective values: logprobs_mode, enable_prefix_caching, enable_chunked_prefill,
            async_scheduling, dtype, head_dtype, max_model_len, max_num_seqs, max_num_batched_tokens,
            block_size, seed, device, enforce_eager, generation_config.
        seconds: wall time of construction.
        peak_memory_bytes: resident high-water mark of the process.
    """

    engine_class: str
    runner: str
    version: str
    settings: dict[str, Any]
    seconds: float
    peak_memory_bytes: int = 0


@dataclass
class SamplingSettings:
    """The sampling distribution, in SamplingParams' words. -1 or 0 top_k means off, like vLLM."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = -1
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    max_tokens: int = 64
    stop_token_ids: list[int] = field(default_factory=list)
    seed: int | None = None


@dataclass
class GenerateRequest:
    """Sample `n` completions for each prompt with the engine's own sampler.

    Attributes:
        prompts: token ids per prompt.
        n: completions per prompt; each gets its own request, seeded `seed + number * n + sample` where seed
            is set.
        numbers: what number each prompt has in the whole sample, of which these may be a part; None counts
            them from 0. A prompt is seeded by its number, wherever it is sampled.
        order: permutation of prompt indices in which requests are handed to the engine; None keeps the order.
        top: how many of the most likely tokens to report at each position, for the first sample of each of
            the prompts numbered below `top_prompts`; an engine started with a lower `max_logprobs` reports
            that many.
    """

    prompts: list[list[int]]
    sampling: SamplingSettings
    n: int = 1
    order: list[int] | None = None
    top: int = 0
    top_prompts: int = 0
    numbers: list[int] | None = None


@dataclass
class RolloutRecord:
    """One sampled completion.

    Attributes:
        prompt: index of the prompt; `sample` which of its n.
        logprobs: the engine's reported logprob of each sampled token, nats.
        text: the completion as the engine's tokenizer decodes it, special tokens left out.
        finish_reason: "stop", "length" or whatever the engine said.
        top_ids, top_logprobs: per position the most likely tokens and their logprobs, most likely first, in
            the distribution `logprobs` is of; -Infinity outside its support. Empty where not asked for.
    """

    prompt: int
    sample: int
    token_ids: list[int]
    logprobs: list[float]
    text: str = ""
    finish_reason: str = ""
    top_ids: list[list[int]] = field(default_factory=list)
    top_logprobs: list[list[float]] = field(default_factory=list)


@dataclass
class ReplayRequest:
    """Send the same tokens through this engine's decode path (or, for the trainer, through its forward).

    Attributes:
        prompts: token ids per sequence; `completions` the token ids to force after each.
        order: permutation of sequence indices handed to the engine; None keeps the order.
        max_num_seqs: at most this many at once; 0 leaves the engine's own limit.
        min_p_first: read by the trainer only: V1 applies min_p before top-k and top-p, V0 after them. It
            matters only where min_p and top_p are both in use.
        path: "decode" forces the tokens one by one; "prefill" asks for the `prompt_logprobs` of prompt and
            completion instead, the way some trainers score. Those follow no `logprobs_mode`.
        top: how many of the most likely tokens to report at each position of the sequences in `top_of`.
    """

    prompts: list[list[int]]
    completions: list[list[int]]
    sampling: SamplingSettings
    order: list[int] | None = None
    max_num_seqs: int = 0
    min_p_first: bool = True
    path: str = "decode"
    top: int = 0
    top_of: list[int] = field(default_factory=list)


@dataclass
class ReplayRecord:
    """Logprobs of one forced sequence, nats, one per forced token.

    Attributes:
        logprobs: what the engine reports for the token (for the trainer: its sampling distribution, fp32).
        raw: log softmax of the unmodified logits, where the backend can tap them; else empty.
        emitted: the ids that came out; the caller asserts that they are the forced ones.
        top_ids, top_logprobs: as in `RolloutRecord`.
    """

    logprobs: list[float]
    raw: list[float]
    emitted: list[int]
    top_ids: list[list[int]] = field(default_factory=list)
    top_logprobs: list[list[float]] = field(default_factory=list)


def to_wire(value: Any) -> dict[str, Any]:
    """A dataclass of this module as a JSON-ready dict."""
    return asdict(value)
