"""Move RL post-training code from vLLM V0 to V1 without moving the learning signal."""

__version__ = "0.1.0"
