"""How far the reward moved between the engines, and why."""
