"""The guard in TRL's GRPOTrainer: what it needs there, what it takes from there, what it does there."""
