"""Calling user reward code safely."""
