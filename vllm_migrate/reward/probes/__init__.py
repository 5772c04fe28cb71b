"""One file a probe: a question to a reward, its procedure, and how its figure is judged."""
