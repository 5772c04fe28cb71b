"""Engines, however they were asked for."""

import functools
from dataclasses import asdict, dataclass, field
from typing import Any, Dict, Optional

import vllm as v
from packaging import version
from vllm import LLM as VLLM

Engine = VLLM
VLLM_VERSION = version.parse(v.__version__)

DEFAULTS = {"swap_space": 0, "enforce_eager": True, "disable_custom_all_reduce": True}


@dataclass
class EngineConfig:
    model: str
    dtype: str = "bfloat16"
    max_model_len: int = 256
    max_num_seqs: int = 32
    seed: Optional[int] = 1
    use_v2_block_manager: bool = True
    num_lookahead_slots: int = 0
    extra: Dict[str, Any] = field(default_factory=dict)


def build(config: EngineConfig):
    kwargs = asdict(config)
    kwargs.pop("extra")
    kwargs.update(DEFAULTS)
    kwargs["max_seq_len_to_capture"] = config.max_model_len
    kwargs = kwargs | config.extra
    if VLLM_VERSION < version.parse("0.6.0"):
        kwargs["max_context_len_to_capture"] = kwargs.pop("max_seq_len_to_capture")
    return Engine(**kwargs)


small_engine = functools.partial(Engine, max_model_len=192, gpu_memory_utilization=0.3, disable_async_output_proc=True)
