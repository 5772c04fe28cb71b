"""Arguments of the engine: keyword, YAML key, flag."""
