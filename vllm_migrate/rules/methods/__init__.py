"""Methods of LLM."""
