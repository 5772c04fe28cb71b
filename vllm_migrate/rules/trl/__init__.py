"""Arguments of TRL that concern vLLM."""
