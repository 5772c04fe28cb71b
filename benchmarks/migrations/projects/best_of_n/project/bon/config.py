from dataclasses import dataclass, field
from typing import Optional


@dataclass
class DecodingConfig:
    keep: int = 2  # completions kept per prompt ...
    best_of: int = 8  # ... of so many drawn
    temperature: float = 0.8
    top_p: float = 0.95
    top_k: int = -1
    max_new_tokens: int = 56
    stop: list = field(default_factory=list)


@dataclass
class BonConfig:
    model: str = ""
    prompts: str = ""
    output: str = "rollouts.jsonl"
    num_prompts: int = 12
    seed: Optional[int] = None
    max_model_len: int = 256
    swap_space: int = 0
    decoding: DecodingConfig = field(default_factory=DecodingConfig)
