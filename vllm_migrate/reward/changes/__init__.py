"""Texts made from others: what a probe puts to a reward beside the sample it came from."""
