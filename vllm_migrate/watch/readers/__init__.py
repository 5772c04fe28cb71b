"""Readers of run logs, one file a format. Each goes on where it stopped, so that a run can be followed."""
