"""How a reward of the user's is called: in a process of its own, with limits, and never taken on trust."""
