"""Engines that run already, behind a URL: vLLM's OpenAI-compatible server, and TRL's `vllm-serve`."""
