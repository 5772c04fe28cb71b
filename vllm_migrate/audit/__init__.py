"""Replay the same prompts through two engines, measure, judge, name the cause."""
