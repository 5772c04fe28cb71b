"""Runs inside an engine's own interpreter: standard library and that engine, nothing of ours above."""
