"""A reward model by vLLM's pooling engines. Written against 0.8.5 (V0) and 0.18.1 to 0.32.0 (V1).

What they put behind the head differs. V0 applies a softmax, also over one label, where it makes every reward
1; V1 applies a sigmoid to one label and a softmax to several. V0's head computes in the model's dtype, V1's
in float32.
"""

from __future__ import annotations

import resource
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from .backend import WorkerError
from .protocol import Loaded
from .scoring import ScoringBackend
from .vllm_engine import PARALLEL, build_llm

if TYPE_CHECKING:
    from .protocol import LoadRequest
    from .score_protocol import ScoreRequest

V0 = "vllm.engine.llm_engine.LLMEngine"
V1 = "vllm.v1.engine.llm_engine.LLMEngine"
_CONFIGS = ("override_pooler_config", "pooler_config")


def start_v0(request: LoadRequest) -> PoolingV0:
    """Start V0's pooling engine, for the task "classify" unless the request says otherwise."""
    llm, seconds = _start(request, V0, task="classify")
    return PoolingV0(llm, seconds)


def start_v1(request: LoadRequest) -> PoolingV1:
    """Start V1's pooling engine; convert="classify" is what it chooses for a ForSequenceClassification."""
    llm, seconds = _start(request, V1, runner="pooling")
    return PoolingV1(llm, seconds)


def _start(request: LoadRequest, wanted: str, **defaults: Any) -> tuple[Any, float]:
    for name in _CONFIGS:
        if isinstance(request.engine_args.get(name), dict):
            from vllm.config import PoolerConfig

            request.engine_args[name] = PoolerConfig(**request.engine_args[name])
    for name in PARALLEL:
        if (request.engine_args.get(name) or 1) != 1:
            raise WorkerError("unsupported", f"{name} of a reward model is not supported")
    llm, seconds = build_llm(request, **defaults)
    engine = f"{type(llm.llm_engine).__module__}.{type(llm.llm_engine).__qualname__}"
    if engine != wanted:
        raise WorkerError("start", f"asked for {wanted}, but {engine} came up")
    return llm, seconds


class _Pooling(ScoringBackend):
    """An in-process `vllm.LLM` that pools."""

    def __init__(self, llm: Any, seconds: float) -> None:
        self.llm = llm
        self.engine = llm.llm_engine
        self.config = self.engine.vllm_config
        self._seconds = seconds

    def tokenizer(self) -> Any:
        """The engine's own."""
        return self.llm.get_tokenizer()

    def longest(self) -> int:
        """As the engine says."""
        return int(self.config.model_config.max_model_len)

    @abstractmethod
    def model(self) -> Any:
        """The torch module that runs."""

    @abstractmethod
    def pooling_settings(self) -> dict[str, Any]:
        """What stands behind the head, from live objects."""

    def loaded(self) -> Loaded:
        """What came up, read from the live objects."""
        import vllm

        model = self.config.model_config
        return Loaded(
            engine_class=f"{type(self.engine).__module__}.{type(self.engine).__qualname__}",
            runner=type(self.model()).__name__,
            version=vllm.__version__,
            settings={
                "dtype": str(model.dtype).removeprefix("torch."),
                "max_model_len": model.max_model_len,
                "device": str(self.config.device_config.device_type),
                "enable_prefix_caching": bool(self.config.cache_config.enable_prefix_caching),
                **self.pooling_settings(),
            },
            seconds=self._seconds,
            peak_memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        )


class PoolingV0(_Pooling):
    """V0: the pooler's head holds the softmax, which is switched there."""

    def model(self) -> Any:
        """By way of the model runner."""
        return self.engine.model_executor.driver_worker.worker.model_runner.model

    def _pooler(self) -> Any:
        return getattr(self.model(), "_pooler", None)

    def pooling_settings(self) -> dict[str, Any]:
        """Softmax and normalisation as the pooler has them."""
        model, pooler = self.model(), self._pooler()
        head = getattr(pooler, "head", None)
        weight = getattr(getattr(model, "score", None), "weight", None)
        activation = "softmax" if getattr(head, "softmax", False) else "none"
        if head is None and pooler is not None:  # cross encoders hold a function instead
            function = getattr(pooler, "default_activation_function", None)
            activation = type(function).__name__.lower()
        return {
            "task": str(self.config.model_config.task),
            "pooling": type(pooler).__name__,
            "activation": activation,
            "normalize": bool(getattr(head, "normalize", False)),
            "head_dtype": str(
                weight.dtype if weight is not None else self.config.model_config.dtype
            ).removeprefix("torch."),
        }

    def score_batch(self, batch: list[list[int]], request: ScoreRequest) -> list[list[float]]:
        """Pooled values, as `LLM.encode` gives them."""
        prompts = [{"prompt_token_ids": ids} for ids in batch]
        if request.activation is None:
            return [_values(output) for output in self.llm.encode(prompts, use_tqdm=False)]
        head: Any = getattr(self._pooler(), "head", None)
        if head is None:
            raise WorkerError("unsupported", "this model's pooler has no activation that can be switched")
        before = head.softmax
        head.softmax = request.activation
        try:
            return [_values(output) for output in self.llm.encode(prompts, use_tqdm=False)]
        finally:
            head.softmax = before


class PoolingV1(_Pooling):
    """V1: each request says whether it wants the activation."""

    def model(self) -> Any:
        """By way of the model runner."""
        core = getattr(self.engine.engine_core, "engine_core", None)
        if core is None:
            raise WorkerError("start", "the V1 engine core runs in another process, out of reach")
        runner = core.model_executor.driver_worker.worker.model_runner
        return runner.get_model() if hasattr(runner, "get_model") else runner.model

    def pooling_settings(self) -> dict[str, Any]:
        """The activation of the pooler's head for whole texts, by its class."""
        model = self.config.model_config
        pooler = getattr(self.model(), "pooler", None)
        # A model that serves several tasks has a pooler for each.
        pooler = getattr(pooler, "poolers_by_task", {}).get("classify", pooler)
        names = [type(module).__name__ for module in (pooler.modules() if pooler is not None else ())]
        labels = int(getattr(model.hf_config, "num_labels", 0) or 0)
        known = {
            "PoolerClassify": "softmax" if labels > 1 else "sigmoid",
            "PoolerMultiLabelClassify": "sigmoid",
            "PoolerIdentity": "none",
        }
        applied = next((known[name] for name in names if name in known), "unknown")
        asked = getattr(model.pooler_config, "use_activation", None)
        return {
            "runner": str(getattr(model, "runner_type", "")),
            "convert": str(getattr(model, "convert_type", "")),
            "pooling": str(
                getattr(model.pooler_config, "seq_pooling_type", None)
                or getattr(model.pooler_config, "pooling_type", None)
            ),
            "activation": "none" if asked is False else applied,
            "head_dtype": str(model.head_dtype).removeprefix("torch."),
        }

    def score_batch(self, batch: list[list[int]], request: ScoreRequest) -> list[list[float]]:
        """Pooled values, as `LLM.classify` gives them."""
        from vllm import PoolingParams

        params = PoolingParams()
        if request.activation is not None:
            params = PoolingParams(use_activation=request.activation)
        outputs = self.llm.encode(
            [{"prompt_token_ids": ids} for ids in batch],
            pooling_params=params,
            pooling_task="classify",
            use_tqdm=False,
        )
        return [_values(output) for output in outputs]


def _values(output: Any) -> list[float]:
    """One value a label."""
    data = output.outputs.data
    if data.ndim > 1:
        raise WorkerError(
            "unsupported",
            f"the engine answers with {data.shape[0]} rows of {data.shape[1]} for one text: hidden states, "
            'or a reward for each token, as task="reward" of V0 does',
        )
    values: list[float] = data.float().reshape(-1).tolist()
    return values
