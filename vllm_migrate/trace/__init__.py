"""The record of a rollout: prompts, token ids, logprobs, settings, provenance."""
