"""The user's code: what it gives an engine, and where a setting is written back."""
