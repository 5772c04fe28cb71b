"""Findings and edits as plain values, and the machinery that applies them safely."""
