"""Small files, each with a known kind of finding."""

SAFE = 'from vllm import LLM\n\n\ndef build():\n    return LLM("m", swap_space=16, seed=1)\n'
SAFE_AFTER = SAFE.replace("swap_space=16, ", "")
MANUAL = 'from vllm import LLM\n\n\ndef build():\n    return LLM("m", device="cuda:1", seed=1)\n'
CLEAN = 'from vllm import LLM\n\n\ndef build():\n    return LLM("m", seed=1)\n'
BROKEN = 'from vllm import LLM\n\nLLM("m",\n'
WARNING = "vllm==0.8.5\n"
NOTE = "vllm serve m ${SWAP:+--swap-space $SWAP}\n"
