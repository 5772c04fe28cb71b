"""Processes and environment variables."""
