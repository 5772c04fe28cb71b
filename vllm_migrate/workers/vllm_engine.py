"""What the V0 and V1 backends have in common: building an in-process `LLM`, sampling, collecting records."""

from __future__ import annotations

import importlib
import json
import resource
import time
from abc import abstractmethod
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .backend import Backend, WorkerError, check_token_ids, ordering
from .prefill import score
from .protocol import (
    GenerateRequest,
    Loaded,
    LoadRequest,
    ReplayRecord,
    ReplayRequest,
    RolloutRecord,
    SamplingSettings,
)
from .watch import StepWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .backend import Progress

FORCE_KEY = "vllm_migrate_forced"
"""Entry of `SamplingParams.extra_args` that tells the forcing hooks which sequence a request replays."""

PARALLEL = ("tensor_parallel_size", "pipeline_parallel_size")
"""Engine arguments that spread one engine over several processes."""

_SINGLE = ("data_parallel_size", "prefill_context_parallel_size", "decode_context_parallel_size")
_REFUSED = ("speculative_config", "speculative_model", "enable_lora", "quantization", "trust_remote_code")


class ForcedSequences:
    """The token ids to force, by request key, and the raw logprobs tapped on the way.

    The hooks of both engines share it. Logits are never masked: the engine processes and reports as always,
    only the sampled id is replaced afterwards.
    """

    def __init__(self) -> None:
        self._tokens: dict[int, list[int]] = {}
        self._raw: dict[int, dict[int, float]] = {}

    def __bool__(self) -> bool:
        return bool(self._tokens)

    def begin(self, completions: list[list[int]]) -> None:
        """Force `completions[key]` on the request that carries `key`."""
        self._tokens = dict(enumerate(completions))
        self._raw = {key: {} for key in self._tokens}

    def end(self) -> None:
        """Sample freely again."""
        self._tokens = {}

    def token(self, params: Any, step: int) -> tuple[int, int] | None:
        """`(key, token id)` to force at output position `step` of a request, if it is being replayed."""
        extra = getattr(params, "extra_args", None)
        if not extra or FORCE_KEY not in extra or not self._tokens:
            return None
        key = extra[FORCE_KEY]
        tokens = self._tokens[key]
        return (key, tokens[step]) if step < len(tokens) else None

    def tap(self, key: int, step: int, logprob: float) -> None:
        """Keep the forced token's raw logprob; a step met again (chunked prefill) is overwritten."""
        self._raw[key][step] = logprob

    def tapped(self) -> dict[int, dict[int, float]]:
        """All tapped logprobs, by sequence and step."""
        return self._raw

    def raw(self, key: int) -> list[float]:
        """The tapped logprobs of one sequence in order; empty where any step was missed."""
        steps = self._raw.get(key, {})
        count = len(steps)
        return [steps[step] for step in range(count)] if all(step in steps for step in range(count)) else []


class VllmBackend(Backend):
    """An in-process `vllm.LLM`."""

    def __init__(self, llm: Any, seconds: float) -> None:
        self.llm = llm
        self.engine = llm.llm_engine
        self.config = self.engine.vllm_config
        self.seconds = seconds
        self.forced = ForcedSequences()
        self.watch = StepWatch()

    @abstractmethod
    def runner(self) -> str:
        """Name of the model runner, from the live object's class."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Effective settings, from live objects."""

    @contextmanager
    def admission(self, max_num_seqs: int) -> Iterator[None]:
        """Run with at most `max_num_seqs` sequences at once; 0 changes nothing."""
        del max_num_seqs
        yield

    @contextmanager
    def seeded_sampling(self, params: list[Any], longest: int) -> Iterator[None]:
        """Whatever an engine needs around requests that carry seeds."""
        del params, longest
        yield

    def forcing_params(self, key: int, tokens: list[int]) -> dict[str, Any]:
        """Extra SamplingParams that make a request follow `tokens`."""
        del tokens
        return {"extra_args": {FORCE_KEY: key}}

    def loaded(self) -> Loaded:
        """What came up, read from the live objects."""
        import vllm

        return Loaded(
            engine_class=f"{type(self.engine).__module__}.{type(self.engine).__qualname__}",
            runner=self.runner(),
            version=vllm.__version__,
            settings=self.settings(),
            seconds=self.seconds,
            peak_memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        )

    def tokenizer(self) -> Any:
        """The engine's own."""
        tokenizer = self.llm.get_tokenizer()
        if tokenizer is None:
            raise WorkerError("unsupported", "the engine was started without a tokenizer")
        return tokenizer

    def generate(self, request: GenerateRequest, progress: Progress) -> list[RolloutRecord]:
        """Sample `n` completions per prompt, each as a request of its own."""
        check_token_ids(request.prompts, self.vocab_size(), "prompt")
        numbers = range(len(request.prompts)) if request.numbers is None else request.numbers
        jobs = [
            (prompt, sample)
            for prompt in ordering(request.order, len(request.prompts))
            for sample in range(request.n)
        ]
        params = [
            self.sampling_params(
                request.sampling,
                max_tokens=request.sampling.max_tokens,
                stop_token_ids=request.sampling.stop_token_ids,
                seed=None
                if request.sampling.seed is None
                else request.sampling.seed + numbers[prompt] * request.n + sample,
                top=request.top if sample == 0 and numbers[prompt] < request.top_prompts else 0,
            )
            for prompt, sample in jobs
        ]
        prompts = [request.prompts[prompt] for prompt, _ in jobs]
        with self.seeded_sampling(params, max(map(len, prompts), default=0)):
            outputs = self._run(prompts, params, progress)
        records = []
        for (prompt, sample), output in zip(jobs, outputs, strict=True):
            completion = output.outputs[0]
            wanted = request.top if sample == 0 and numbers[prompt] < request.top_prompts else 0
            top_ids, top_logprobs = _most_likely(completion, wanted)
            records.append(
                RolloutRecord(
                    prompt=prompt,
                    sample=sample,
                    token_ids=list(completion.token_ids),
                    logprobs=_reported(completion),
                    text=completion.text or "",
                    finish_reason=str(completion.finish_reason or ""),
                    top_ids=top_ids,
                    top_logprobs=top_logprobs,
                )
            )
        return sorted(records, key=lambda record: (record.prompt, record.sample))

    def replay(self, request: ReplayRequest, progress: Progress) -> list[ReplayRecord]:
        """Force every completion through the decode path. The prefix cache is emptied first."""
        if len(request.prompts) != len(request.completions):
            raise WorkerError("input", "prompts and completions differ in number")
        check_token_ids(request.prompts, self.vocab_size(), "prompt")
        check_token_ids(request.completions, self.vocab_size(), "completion")
        jobs = ordering(request.order, len(request.prompts))
        if not self.reset():
            raise WorkerError("engine", "the prefix cache could not be emptied before the replay")
        if request.path == "prefill":
            with self.admission(request.max_num_seqs):
                return score(request, jobs, self.sampling_params, self._run, progress)
        with_top = set(request.top_of)
        params = [
            self.sampling_params(
                request.sampling,
                max_tokens=len(request.completions[job]),
                ignore_eos=True,
                text=False,  # known already, and it would cost a look-up for every reported token
                top=request.top if job in with_top else 0,
                **self.forcing_params(job, request.completions[job]),
            )
            for job in jobs
        ]
        self.forced.begin(request.completions)
        try:
            with self.admission(request.max_num_seqs):
                outputs = self._run([request.prompts[job] for job in jobs], params, progress)
        finally:
            self.forced.end()
        records: dict[int, ReplayRecord] = {}
        for job, output in zip(jobs, outputs, strict=True):
            completion = output.outputs[0]
            emitted = list(completion.token_ids)
            if emitted != list(request.completions[job]):
                raise WorkerError("forced-decoding", _mismatch(job, request.completions[job], emitted))
            top_ids, top_logprobs = _most_likely(completion, request.top if job in with_top else 0)
            records[job] = ReplayRecord(
                logprobs=_reported(completion),
                raw=self.forced.raw(job),
                emitted=emitted,
                top_ids=top_ids,
                top_logprobs=top_logprobs,
            )
        return [records[index] for index in range(len(request.prompts))]

    def observe(self) -> dict[str, int]:
        """Counts of the scheduler's steps since this was last asked."""
        return self.watch.take()

    def reset(self) -> bool:
        """Empty the prefix cache. Early releases return nothing; only an explicit false is a refusal."""
        return self.llm.reset_prefix_cache() is not False

    def vocab_size(self) -> int:
        """Number of token ids the model has logits for."""
        return int(self.config.model_config.get_vocab_size())

    def common_settings(self) -> dict[str, Any]:
        """The settings both engines keep in the same place."""
        model = self.config.model_config
        scheduler = self.config.scheduler_config
        return {
            "dtype": str(model.dtype).removeprefix("torch."),
            "max_model_len": model.max_model_len,
            "max_num_seqs": scheduler.max_num_seqs,
            "max_num_batched_tokens": scheduler.max_num_batched_tokens,
            "block_size": self.config.cache_config.block_size,
            "seed": model.seed,
            "enforce_eager": bool(model.enforce_eager),
            "device": str(self.config.device_config.device_type),
            "generation_config": model.generation_config,
        }

    def parallel_sizes(self) -> dict[str, int]:
        """How many ranks the engine has, as it counts them."""
        parallel = self.config.parallel_config
        return {name: int(getattr(parallel, name)) for name in PARALLEL}

    def sampling_params(
        self, sampling: SamplingSettings, *, top: int = 0, text: bool = True, **more: Any
    ) -> Any:
        """Parameters of one request as vLLM takes them; `more` is handed on."""
        from vllm import SamplingParams

        limit = int(self.config.model_config.max_logprobs)
        return SamplingParams(
            n=1,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            min_p=sampling.min_p,
            repetition_penalty=sampling.repetition_penalty,
            logprobs=top if limit < 0 else min(top, limit),
            detokenize=text and not self.config.model_config.skip_tokenizer_init,
            **more,
        )

    def _run(self, prompts: list[list[int]], params: list[Any], progress: Progress) -> list[Any]:
        """Outputs in the order submitted, one a request."""
        outputs = self.run(prompts, params, progress)
        if len(outputs) != len(prompts):
            raise WorkerError("engine", f"the engine answered {len(outputs)} of {len(prompts)} requests")
        self.watch.add_cached(outputs)
        return outputs

    def run(
        self,
        prompts: list[list[int]],
        params: list[Any],
        progress: Progress,
        before_step: Callable[[], None] | None = None,
    ) -> list[Any]:
        """Outputs in the order submitted, fewer where requests were aborted.

        Progress is counted at the engine's own step, before each of which `before_step` is called.
        """
        done = 0
        original = self.engine.step

        def step() -> Any:
            nonlocal done
            if before_step is not None:
                before_step()
            outputs = original()
            finished = sum(1 for output in outputs if output.finished)
            if finished:
                done += finished
                progress(done, len(prompts))
            return outputs

        self.engine.step = step
        try:
            requests = [{"prompt_token_ids": ids} for ids in prompts]
            return list(self.llm.generate(requests, params, use_tqdm=False))
        finally:
            del self.engine.step


def build_llm(request: LoadRequest, **defaults: Any) -> tuple[Any, float]:
    """Start an in-process `LLM`; the user's arguments win over the harness's.

    Returns:
        The `LLM` and the seconds its construction took (imports not included).

    Raises:
        WorkerError: "unsupported" for what this worker refuses, "start" where vLLM fails.
    """
    arguments = {**defaults, **request.harness_args, **request.engine_args}
    refuse_unsupported(arguments)
    from vllm import LLM

    _register_architecture(request.model)
    return started(lambda: LLM(model=request.model, **arguments))


def started(make: Callable[[], Any]) -> tuple[Any, float]:
    """What `make` makes, and the seconds it took.

    Raises:
        WorkerError: "start" where it fails.
    """
    before = time.perf_counter()
    try:
        made = make()
    except Exception as error:
        raise WorkerError("start", f"{type(error).__name__}: {_meaning(error)}") from error
    return made, time.perf_counter() - before


def refuse_unsupported(arguments: dict[str, Any]) -> None:
    """Refuse, in one line, arguments whose effect this worker could not replay faithfully."""
    for name in _SINGLE:
        if arguments.get(name, 1) not in (1, None):
            raise WorkerError(
                "unsupported", f"{name}={arguments[name]} is not supported: replay drives one engine"
            )
    for name in _REFUSED:
        if arguments.get(name):
            raise WorkerError("unsupported", f"{name} is not supported by replay yet")


def _register_architecture(model: str) -> None:
    """Register the model's class itself, so that vLLM need not import itself again in a child to inspect it.

    That inspection costs about one more import of vLLM (some 15 CPU seconds). Where the registry looks
    different than expected nothing is registered and vLLM inspects as usual: slower, never wrong.
    """
    from vllm import ModelRegistry

    architectures = (
        json.loads((Path(model) / "config.json").read_text(encoding="utf-8")).get("architectures") or []
    )
    for architecture in architectures[:1]:
        known = getattr(ModelRegistry, "models", {}).get(architecture)
        module, name = getattr(known, "module_name", None), getattr(known, "class_name", None)
        if module and name:
            ModelRegistry.register_model(architecture, getattr(importlib.import_module(module), name))


def _reported(completion: Any) -> list[float]:
    """The engine's own logprob of each sampled token."""
    return [
        float(at_step[token].logprob)
        for token, at_step in zip(completion.token_ids, completion.logprobs or (), strict=True)
    ]


def _most_likely(completion: Any, count: int) -> tuple[list[list[int]], list[list[float]]]:
    """Ids and logprobs of the most likely tokens at each position, most likely first.

    An engine adds the sampled token to its list, so one entry more than asked for may be there.
    """
    if not count:
        return [], []
    ids, logprobs = [], []
    for at_step in completion.logprobs or ():
        ranked = sorted(((float(entry.logprob), token) for token, entry in at_step.items()), reverse=True)
        ids.append([int(token) for _, token in ranked[:count]])
        logprobs.append([logprob for logprob, _ in ranked[:count]])
    return ids, logprobs


def _mismatch(job: int, wanted: list[int], got: list[int]) -> str:
    step = next(
        (i for i, (a, b) in enumerate(zip(wanted, got, strict=False)) if a != b), min(len(wanted), len(got))
    )
    return (
        f"sequence {job}: emitted {len(got)} of {len(wanted)} forced tokens"
        if step >= min(len(wanted), len(got))
        else f"sequence {job}, step {step}: emitted token {got[step]} instead of {wanted[step]}"
    )


def _meaning(error: BaseException) -> str:
    """One line of an exception's text: pydantic puts the sentence that matters on the third line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    for line in lines:
        if line.startswith(("Value error,", "Assertion failed,")):
            return line.split(" [type=")[0]
    return lines[0] if lines else ""
