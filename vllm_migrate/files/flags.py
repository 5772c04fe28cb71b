"""How vLLM's command lines take their options.

The parser itself isn't there when code is checked, so its shape is written down here.
"""

from __future__ import annotations

BARE = frozenset(
    {
        "calculate-kv-scales", "disable-async-output-proc", "disable-cascade-attn",
        "disable-chunked-mm-input", "disable-custom-all-reduce", "disable-fastapi-docs",
        "disable-frontend-multiprocessing", "disable-log-requests", "disable-log-stats",
        "disable-mm-preprocessor-cache", "disable-sliding-window", "disable-uvicorn-access-log",
        "enable-auto-tool-choice", "enable-chunked-prefill", "enable-expert-parallel",
        "enable-log-requests", "enable-lora", "enable-lora-bias", "enable-prefix-caching",
        "enable-prompt-adapter", "enable-prompt-tokens-details", "enable-reasoning",
        "enable-request-id-headers", "enable-server-load-tracking", "enable-sleep-mode",
        "enable-ssl-refresh", "enforce-eager", "fully-sharded-loras", "allow-credentials",
        "async-scheduling", "disable-hybrid-kv-cache-manager", "multi-step-stream-outputs",
        "ray-workers-use-nsight", "return-tokens-as-token-ids", "skip-tokenizer-init",
        "trust-remote-code", "use-tqdm-on-load", "use-v2-block-manager", "headless", "help",
    }
)  # fmt: skip
"""Flags that take no value, from the parsers of 0.8.5 to 0.32.0; `--no-...` never takes one."""

MANY = frozenset({"lora-modules", "prompt-adapters", "served-model-name", "long-lora-scaling-factors"})
"""Flags that take every following word up to the next flag."""

ONLY_VLLMS = frozenset(
    {
        "disable-async-output-proc", "disable-mm-preprocessor-cache", "guided-decoding-backend",
        "max-seq-len-to-capture", "multi-step-stream-outputs", "num-lookahead-slots", "num-scheduler-steps",
        "preemption-mode", "scheduler-delay-factor", "swap-space", "use-v2-block-manager",
        "worker-use-ray",
    }
)  # fmt: skip
"""Flags of V0's whose names say whose they are: programs of the user's take them through
`EngineArgs.add_cli_args`, and hardly otherwise."""


def takes_value(flag: str) -> bool:
    """Whether `--flag` is followed by a value (`flag` without the dashes)."""
    name = flag.replace("_", "-")
    return name not in BARE and not name.startswith("no-")


def python_name(flag: str) -> tuple[str, bool | None]:
    """The engine argument behind a flag, and the value that the flag alone gives it: `no-x` is `x=False`."""
    name = flag.replace("-", "_")
    if name.startswith("no_"):
        return name[3:], False
    return name, None if takes_value(flag) else True
