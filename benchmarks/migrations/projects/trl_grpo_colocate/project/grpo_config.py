from dataclasses import dataclass, field
from typing import Optional


@dataclass
class GRPOConfig:
    output_dir: str
    max_steps: int = 2
    per_device_prompts: int = 6
    learning_rate: float = 2e-3
    num_generations: int = 8
    max_prompt_length: Optional[int] = 512
    max_completion_length: Optional[int] = 256
    epsilon: float = 0.2
    seed: int = 42

    # generation
    temperature: float = 0.9
    top_p: float = 1.0
    top_k: int = 50
    min_p: Optional[float] = None
    repetition_penalty: float = 1.0

    # vLLM
    use_vllm: bool = field(default=False, metadata={"help": "Use vLLM for generation."})
    vllm_device: Optional[str] = field(
        default="auto",
        metadata={"help": "Device where vLLM generation will run, e.g. 'cuda:1'. 'auto' picks the next free one."},
    )
    vllm_gpu_memory_utilization: float = 0.9
    vllm_dtype: Optional[str] = "auto"
    vllm_max_model_len: Optional[int] = None
