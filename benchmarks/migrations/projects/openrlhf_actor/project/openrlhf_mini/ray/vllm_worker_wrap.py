import torch
from safetensors.torch import load_file

if torch.cuda.is_available():
    from vllm.worker.worker import Worker
else:
    from vllm.worker.cpu_worker import CPUWorker as Worker


class WorkerWrap(Worker):
    def update_weight_from_file(self, path, empty_cache=False):
        """Load the actor's weights, which the trainer has written to shared storage."""
        weights = load_file(path)
        self.model_runner.model.load_weights(weights=weights.items())
        if empty_cache:
            torch.cuda.empty_cache()
        return len(weights)
