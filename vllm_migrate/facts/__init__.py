"""What vLLM and TRL changed, version by version, as data."""
