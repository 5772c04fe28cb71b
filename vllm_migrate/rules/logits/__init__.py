"""Logits processors that V0 took with each request."""
