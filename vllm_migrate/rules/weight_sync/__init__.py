"""How the trainer reaches the weights of a running engine."""
