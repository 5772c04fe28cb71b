"""Figures of divergence over the same tokens."""
