"""The little the resolution itself has to know about vLLM's and TRL's names: which objects lead to which.

What changed between versions is not here but in the facts.
"""

from __future__ import annotations

PACKAGES = ("vllm", "trl")

# The same class under the paths it is imported by.
_CANONICAL = {
    "vllm.entrypoints.llm.LLM": "vllm.LLM",
    "vllm.engine.llm_engine.LLMEngine": "vllm.LLMEngine",
    "vllm.v1.engine.llm_engine.LLMEngine": "vllm.LLMEngine",
    "vllm.engine.async_llm_engine.AsyncLLMEngine": "vllm.AsyncLLMEngine",
    "vllm.v1.engine.async_llm.AsyncLLM": "vllm.AsyncLLMEngine",
    "vllm.engine.arg_utils.EngineArgs": "vllm.EngineArgs",
    "vllm.engine.arg_utils.AsyncEngineArgs": "vllm.AsyncEngineArgs",
    "vllm.sampling_params.SamplingParams": "vllm.SamplingParams",
    "vllm.outputs.RequestOutput": "vllm.RequestOutput",
    "vllm.outputs.CompletionOutput": "vllm.CompletionOutput",
    "vllm.inputs.TokensPrompt": "vllm.TokensPrompt",
    "vllm.inputs.data.TokensPrompt": "vllm.TokensPrompt",
}

ENGINES = frozenset({"vllm.LLM", "vllm.LLMEngine", "vllm.AsyncLLMEngine"})
ENGINE_ARGUMENTS = frozenset({"vllm.LLM", "vllm.EngineArgs", "vllm.AsyncEngineArgs"})
SAMPLING = "vllm.SamplingParams"

# Class methods that make an instance of their class.
FACTORIES = frozenset({"from_engine_args", "from_cli_args", "from_optional", "from_vllm_config", "clone"})

# Methods whose result matters, by class: ("many", X) is an iterable of X.
RESULTS: dict[str, tuple[str, str]] = {
    "vllm.LLM.generate": ("many", "vllm.RequestOutput"),
    "vllm.LLM.chat": ("many", "vllm.RequestOutput"),
    "vllm.AsyncLLMEngine.generate": ("many", "vllm.RequestOutput"),
    "vllm.LLMEngine.step": ("many", "vllm.RequestOutput"),
    "vllm.LLM.get_default_sampling_params": ("instance", SAMPLING),
    "vllm.SamplingParams.clone": ("instance", SAMPLING),
}

# Attributes that are objects of interest themselves.
MEMBERS: dict[str, tuple[str, str]] = {
    "vllm.LLM.llm_engine": ("instance", "vllm.LLMEngine"),
    "vllm.AsyncLLMEngine.engine": ("instance", "vllm.LLMEngine"),
    "vllm.RequestOutput.outputs": ("many", "vllm.CompletionOutput"),
}

# Objects whose attributes are facts.
RECORDS = frozenset({SAMPLING, "vllm.RequestOutput", "vllm.CompletionOutput"})
ARGUMENTS = frozenset({"vllm.EngineArgs", "vllm.AsyncEngineArgs"})

# What an engine holds that is not a method: a walk into one of these is a chain.
INSIDES = frozenset(
    {
        "llm_engine",
        "engine",
        "engine_core",
        "model_executor",
        "driver_worker",
        "worker",
        "workers",
        "model_runner",
        "scheduler",
        "output_processor",
        "processor",
        "seq_counter",
        "request_counter",
        "tokenizer",
    }
)

# Attribute pairs that occur in no other library: a chain with one is vLLM's even where its root is unknown.
TELLING_PAIRS = frozenset(
    {
        ("llm_engine", "model_executor"),
        ("model_executor", "driver_worker"),
        ("model_executor", "worker"),
        ("driver_worker", "model_runner"),
        ("driver_worker", "worker"),
    }
)


def is_known(qualified: str) -> bool:
    """Whether a qualified name lies under vLLM or TRL."""
    return qualified.partition(".")[0] in PACKAGES


def canonical(qualified: str) -> str:
    """One name per class and method, however it was imported: "vllm.LLM.generate", "trl.GRPOConfig"."""
    known = _CANONICAL.get(qualified)
    if known is not None:
        return known
    head, dot, method = qualified.rpartition(".")
    known = _CANONICAL.get(head)
    if known is not None:
        return f"{known}{dot}{method}"
    if qualified.startswith("trl.") and method[:1].isupper():
        return f"trl.{method}"
    return qualified


def owner_of(target: str) -> str:
    """Who takes the arguments of a call with this target: see `Argument.owner`."""
    if target in ENGINE_ARGUMENTS:
        return "engine"
    if target in (SAMPLING, f"{SAMPLING}.from_optional"):
        return "sampling"
    head, _, method = target.rpartition(".")
    if head in ENGINES:
        return method
    return target


def is_class_name(qualified: str) -> bool:
    """Whether the last part is spelled like a class."""
    last = qualified.rpartition(".")[2].lstrip("_")
    return last[:1].isupper() and not (last.isupper() and len(last) > 3 and "_" in last)  # noqa: PLR2004 (LLM is a class, VLLM_USE_V1 is none)
