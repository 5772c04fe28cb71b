"""What a reward goes with: cheap features, length, and what is held fixed beside them."""
