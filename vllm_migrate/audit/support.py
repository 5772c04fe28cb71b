"""What an audit works with, read from the checkpoint and the arguments before any engine starts.

Everything here either works or is refused with one line. What is refused was never tried with forced decoding
or with the trainer's forward; silence would be a promise.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vllm_migrate.audit.cause.replay import routes_to_experts
from vllm_migrate.audit.gpu import check_gpu_settings
from vllm_migrate.errors import InputError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from vllm_migrate.audit.plan import AuditPlan

_LORA = ("enable_lora", "lora_modules", "max_loras", "max_lora_rank")
_QUANTISED = ("quantization", "quantization_param_path")
_OTHER_INPUTS = (
    "vision_config",
    "audio_config",
    "speech_config",
    "visual",
    "vision_tower",
    "mm_vision_tower",
)
_MERGE = "merge it into its base model (peft: merge_and_unload) and give that checkpoint"


def check_support(plan: AuditPlan) -> AuditPlan:
    """The plan, with a warning for what works but deserves one.

    Raises:
        InputError: the checkpoint is of a kind that no audit was tried with.
        UsageError: the same for an argument.
    """
    adapter = plan.model / "adapter_config.json"
    config = _read(plan.model / "config.json")
    if adapter.is_file():
        raise InputError(f"{plan.model} is a LoRA adapter, and adapters are not supported", hint=_MERGE)
    for side, arguments in (("reference", plan.v0_args), ("candidate", plan.candidate_args)):
        _check_arguments(side, arguments)
    check_gpu_settings(plan)
    method = _method(config)
    if method:
        raise InputError(
            f"{plan.model} has quantised weights ({method}), and these are not supported",
            hint="audit the checkpoint that it was made from; a training run updates that one, too",
        )
    other = [key for key in _OTHER_INPUTS if config.get(key)]
    if other:
        raise InputError(
            f"{plan.model} is a multimodal model ({other[0]} in config.json), and these are not supported",
            hint="audit the language model on its own",
        )
    said = list(plan.warnings)
    if routes_to_experts(plan.model):
        said.append(
            "a mixture of experts: a router's rounding moves single tokens far, so judge it with"
            " --profile moe; no such model was tried in making this tool"
        )
    if config.get("auto_map"):
        said.append(
            "config.json names Python code of the model's own (auto_map): it is not run, the engines' own is"
        )
    return replace(plan, warnings=tuple(said))


def _check_arguments(side: str, arguments: dict[str, Any]) -> None:
    for name in _LORA:
        if arguments.get(name):
            raise UsageError(f"{name} of the {side}: LoRA adapters are not supported", hint=_MERGE)
    for name in _QUANTISED:
        if arguments.get(name):
            raise UsageError(f"{name} of the {side}: quantised weights are not supported")
    if arguments.get("trust_remote_code"):
        raise UsageError(
            f"trust_remote_code of the {side}: an audit runs no code out of a checkpoint",
            hint="use an architecture that vLLM and transformers have of their own",
        )
    if arguments.get("limit_mm_per_prompt"):
        raise UsageError(f"limit_mm_per_prompt of the {side}: multimodal prompts are not supported")


def _method(config: dict[str, Any]) -> str:
    text = config.get("text_config")
    for part in (config, text if isinstance(text, dict) else {}):
        settings = part.get("quantization_config") or part.get("compression_config")
        if settings:
            return str(settings.get("quant_method", "unnamed")) if isinstance(settings, dict) else "unnamed"
    return ""


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
