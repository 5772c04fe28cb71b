"""Where an answer stands, what it says, and whether two of them say the same."""
