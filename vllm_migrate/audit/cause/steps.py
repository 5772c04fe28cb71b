"""Which settings have a chance to explain a candidate's excess, and how each is put to the test.

What can be changed in a live engine, and whether the result is bit for bit that of an engine started with the
setting, was measured on V1 0.32.0 and V0 0.8.5 on CPU. What can't be is started anew.
"""

from __future__ import annotations

import struct
from dataclasses import asdict
from itertools import combinations
from typing import TYPE_CHECKING, Any

from vllm_migrate.audit.cause.evidence import CACHED, IN_REFERENCE, ROWS, TOKENS, Step
from vllm_migrate.audit.result import Cause

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vllm_migrate.audit.plan import AuditPlan
    from vllm_migrate.workers.protocol import SamplingSettings

FP32_HEAD, NO_PENALTY, PREFILL, FLOAT32 = "fp32-head", "no-penalty", "prefill", "float32"
DEFAULTS, UNSET_DEFAULTS = "generation-defaults", "unset-generation-defaults"
"""Replays of the reference under a change of its own, for steps that concern both sides or only it."""

_PENALTY = "repetition_penalty"
_SET_PER_REQUEST = ("temperature", "top_p", "top_k", "min_p", _PENALTY)


def candidate_sampling(plan: AuditPlan) -> SamplingSettings:
    """What the candidate's requests set in the user's profile."""
    return plan.sampling if plan.candidate_sampling is None else plan.candidate_sampling


def counterparts(
    sampling: SamplingSettings, *, everything: bool = False, defaults: Iterable[str] = ()
) -> list[tuple[str, ...]]:
    """Which changes the reference replays under, alone and in every combination; names in sorted order.

    With `everything` it also replays in float32, which takes a second engine: by itself only. Under a penalty
    it does not score by prefill: V0's `prompt_logprobs` apply it otherwise than its decoding does (measured).
    `defaults` are the names of `taken_defaults`, each replayed by itself and with a float32 head.
    """
    names = [FP32_HEAD, NO_PENALTY if _penalised(sampling) else PREFILL]
    found = [chosen for size in range(1, len(names) + 1) for chosen in combinations(names, size)]
    found += [chosen for name in defaults for chosen in ((name,), tuple(sorted((name, FP32_HEAD))))]
    return [*found, (FLOAT32,)] if everything else found


def taken_defaults(sampling: SamplingSettings, defaults: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What requests would sample with that left settings to the checkpoint's generation_config.json.

    Args:
        sampling: the settings the reference's tokens were drawn with.
        defaults: of that file.

    Returns:
        By counterpart, the settings that become others: `DEFAULTS` where requests set none at all,
        `UNSET_DEFAULTS` where they leave only those that are neutral in `sampling`, as a server fills in what
        a request does not name. Empty ones are left out, and of two equal ones the second.
    """
    given, neutral = asdict(sampling), asdict(type(sampling)())
    other = {n: defaults[n] for n in _SET_PER_REQUEST if n in defaults and _differs(defaults[n], given[n])}
    unset = {name: value for name, value in other.items() if not _differs(given[name], neutral[name])}
    found = {DEFAULTS: other, UNSET_DEFAULTS: {} if unset == other else unset}
    return {name: values for name, values in found.items() if values}


def _differs(one: Any, other: Any) -> bool:
    """Whether two values of a setting mean something else; a top-k of 0 and of -1 are both none."""
    return bool((one or 0) != (other or 0)) and not (one in (0, -1) and other in (0, -1))


def _penalised(sampling: SamplingSettings) -> bool:
    return bool(sampling.repetition_penalty != 1.0)


def wanted_counterpart(names: Iterable[str]) -> tuple[str, ...]:
    """The replay of the reference that several changes ask for; in float32 its head is float32, too."""
    wanted = set(names)
    if FLOAT32 in wanted:
        wanted.discard(FP32_HEAD)
    return tuple(sorted(wanted))


def suspects(
    plan: AuditPlan,
    settings: Mapping[str, Any],
    observed: Mapping[str, int],
    sampling: SamplingSettings,
    *,
    reference: Mapping[str, Any],
    defaults: Mapping[str, Any],
    moe: bool = False,
) -> list[Step]:
    """The steps worth trying, most likely ones first.

    Args:
        plan: `ladder` is "auto" or "all"; the latter adds what costs an engine or has little chance.
        settings: the candidate's effective settings.
        observed: what its scheduler did during a replay without any change.
        sampling: the settings the reference's tokens were drawn with.
        reference: the reference's effective settings.
        defaults: sampling defaults of the checkpoint's generation_config.json.
        moe: whether the model routes tokens to experts.
    """
    everything = plan.ladder == "all"
    on_cpu = settings.get("device") == "cpu"
    steps = [*_semantic(plan, settings, sampling, defaults)]
    if _penalised(sampling) and not any(s.cause is Cause.PENALTIES for s in steps):
        steps.append(
            Step(
                Cause.PENALTIES,
                {_PENALTY: 1.0},
                sampling={_PENALTY: 1.0},
                counterpart=NO_PENALTY,
            )
        )
    steps += _numerics(settings, reference, everything=everything, penalised=_penalised(sampling))
    rounded = rounded_settings(sampling, str(reference.get("dtype", "")))
    if rounded and reference.get("head_dtype") != "float32":
        steps.append(Step(Cause.SAMPLING_PRECISION, rounded, sampling=rounded))
    steps += _path(settings, observed, everything=everything, on_cpu=on_cpu)
    if moe:
        steps.append(
            Step(
                Cause.MOE_ROUTING,
                {},
                control="",
                composes=False,
                obstacle="the choice of experts can't be held fixed in either engine",
            )
        )
    return steps


def rounded_settings(sampling: SamplingSettings, dtype: str) -> dict[str, float]:
    """The settings that V0 changes by keeping them in the model's dtype, as it rounds them."""
    if dtype not in ("bfloat16", "float16"):
        return {}
    values = {name: float(getattr(sampling, name)) for name in _SET_PER_REQUEST if name != "top_k"}
    rounded = {name: to_bf16(v) if dtype == "bfloat16" else to_fp16(v) for name, v in values.items()}
    return {name: value for name, value in rounded.items() if value != values[name]}


def to_bf16(value: float) -> float:
    """The nearest bf16 number, ties to even: a float32's upper half."""
    bits = int.from_bytes(struct.pack("<f", value), "little")
    bits += 0x7FFF + ((bits >> 16) & 1)
    return float(struct.unpack("<f", struct.pack("<I", bits & 0xFFFF0000))[0])


def to_fp16(value: float) -> float:
    """The nearest half-precision number, ties to even."""
    return float(struct.unpack("<e", struct.pack("<e", value))[0])


def _semantic(
    plan: AuditPlan,
    settings: Mapping[str, Any],
    sampling: SamplingSettings,
    defaults: Mapping[str, Any],
) -> list[Step]:
    """What a logprob means: the mode, where it is taken from, and the settings of the requests."""
    mode = str(settings.get("logprobs_mode", ""))
    processed = {"logprobs_mode": "processed_logprobs"}
    steps = []
    if mode.startswith("raw"):
        steps.append(Step(Cause.RAW_LOGPROBS, processed, flips=processed, arguments=processed))
    if plan.candidate_path == "prefill":
        flips = processed if mode.startswith("raw") else {}
        steps.append(
            Step(
                Cause.PROMPT_LOGPROBS,
                {"scores": "decode", **flips},
                flips=flips,
                arguments=flips,
                path="decode",
            )
        )
    if plan.candidate_sampling is not None:
        steps += _sampling_steps(asdict(plan.candidate_sampling), asdict(plan.sampling), defaults)
    else:
        steps += [
            Step(
                Cause.GENERATION_CONFIG,
                {f"{IN_REFERENCE}{key}": value for key, value in values.items()},
                counterpart=name,
                control="",
                reference_only=True,
            )
            for name, values in taken_defaults(sampling, defaults).items()
        ]
    return steps


def _sampling_steps(
    given: Mapping[str, Any], wanted: Mapping[str, Any], defaults: Mapping[str, Any]
) -> list[Step]:
    changed = {name: wanted[name] for name in _SET_PER_REQUEST if given[name] != wanted[name]}
    from_defaults = {name: value for name, value in changed.items() if defaults.get(name) == given[name]}
    penalty = {n: v for n, v in changed.items() if n == _PENALTY and n not in from_defaults}
    others = {n: v for n, v in changed.items() if n not in from_defaults and n not in penalty}
    return [
        Step(cause, values, sampling=values)
        for cause, values in (
            (Cause.GENERATION_CONFIG, from_defaults),
            (Cause.PENALTIES, penalty),
            (Cause.SAMPLING, others),
        )
        if values
    ]


def _numerics(
    settings: Mapping[str, Any], reference: Mapping[str, Any], *, everything: bool, penalised: bool
) -> list[Step]:
    steps = []
    own, other = settings.get("head_dtype"), reference.get("head_dtype")
    if own and other and own != other:
        head = {"head_dtype": other}
        steps.append(Step(Cause.HEAD_PRECISION, head, flips=head))
    elif own in ("bfloat16", "float16"):
        head = {"head_dtype": "float32"}
        steps.append(Step(Cause.HEAD_PRECISION, head, flips=head, counterpart=FP32_HEAD))
    if everything and settings.get("dtype") in ("bfloat16", "float16"):
        dtype = {"dtype": "float32"}
        steps.append(Step(Cause.WEIGHTS_OR_DTYPE, dtype, arguments=dtype, counterpart=FLOAT32))
    if not penalised:
        steps.append(
            Step(
                Cause.DECODE_PREFILL,
                {f"{IN_REFERENCE}scores": "prefill"},
                counterpart=PREFILL,
                control="",
                reference_only=True,
            )
        )
    steps.append(Step(Cause.DECODE_PREFILL, {"scores": "prefill"}, path="prefill", composes=False))
    return steps


def _path(
    settings: Mapping[str, Any], observed: Mapping[str, int], *, everything: bool, on_cpu: bool
) -> list[Step]:
    steps = []
    off = {"enable_prefix_caching": False}
    if settings.get("enable_prefix_caching"):
        used = bool(observed.get(CACHED))
        steps.append(
            Step(
                Cause.PREFIX_CACHE,
                off,
                flips=off,
                arguments=off,
                control=CACHED,
                obstacle=""
                if used
                else f"no prompt shares a whole block of {settings.get('block_size')} tokens, so nothing is"
                " taken from the cache",
            )
        )
    rows = observed.get(ROWS, 0)
    if rows > 1:
        half = {"max_num_seqs": max(1, rows // 2)}
        steps.append(
            Step(Cause.BATCHING, half, max_num_seqs=half["max_num_seqs"], shuffled=True, control=ROWS)
        )
    if (everything or not on_cpu) and observed.get(TOKENS, 0) > 1:
        fewer = {"max_num_batched_tokens": max(1, observed[TOKENS] // 2)}
        steps.append(Step(Cause.SCHEDULING, fewer, flips=fewer, control=TOKENS))
    if everything or settings.get("async_scheduling"):
        sync = {"async_scheduling": False}
        obstacle = "" if settings.get("async_scheduling") else "scheduling is synchronous already"
        if on_cpu:
            obstacle = "the CPU platform forces asynchronous scheduling off: there is nothing to switch"
        steps.append(Step(Cause.SCHEDULING, sync, arguments=sync, control="", obstacle=obstacle))
    if settings.get("enforce_eager") is False:
        eager = {"enforce_eager": True}
        steps.append(Step(Cause.ATTENTION, eager, arguments=eager, control=""))
    return steps
