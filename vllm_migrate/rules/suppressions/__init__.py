"""Findings about the comments that silence findings."""
