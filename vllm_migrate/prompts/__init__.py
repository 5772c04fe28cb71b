"""The prompts of an audit: read from files, drawn by length, brought to token ids."""
