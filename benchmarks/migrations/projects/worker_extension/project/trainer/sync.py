import torch
from safetensors import safe_open


class WeightSyncExtension:
    """Mixed into vLLM's worker (worker_extension_cls); the trainer calls its methods with collective_rpc."""

    def update_weights(self, path, dtype):
        """Load a checkpoint that the trainer has just written."""
        with safe_open(path, framework="pt", device=str(self.device)) as f:
            weights = [(name, f.get_tensor(name).to(dtype)) for name in f.keys()]
        loaded = self.model_runner.model.load_weights(weights=weights)
        del weights
        return len(loaded) if loaded is not None else -1

    def parameter_norm(self):
        """For a check on both sides."""
        total = 0.0
        for parameter in self.model_runner.model.parameters():
            total += parameter.float().pow(2).sum().item()
        return total**0.5

    def worker_info(self):
        return {"rank": self.rank, "device": str(self.device)}
