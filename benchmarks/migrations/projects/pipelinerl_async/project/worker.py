import torch
from safetensors.torch import load_file


class WeightUpdateExtension:
    """Methods that the engine's worker gets."""

    def receive_weight_update(self, path):
        weights = load_file(path)
        self.model_runner.model.load_weights(weights=weights.items())
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return len(weights)
