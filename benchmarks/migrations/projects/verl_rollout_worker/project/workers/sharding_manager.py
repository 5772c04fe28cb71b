import logging

import torch

logger = logging.getLogger(__name__)


class FSDPVLLMShardingManager:
    """Hands the actor's parameters to the rollout on the way in."""

    def __init__(self, module, inference_engine):
        self.module = module
        self.inference_engine = inference_engine
        self.model_runner = (
            self.inference_engine.llm_engine.model_executor.driver_worker.model_runner if inference_engine else None
        )

    def __enter__(self):
        params = self.module.state_dict()
        params = {name: value.to(torch.bfloat16) for name, value in params.items()}
        self.update_params(params)
        logger.info("After sync model weights in sharding manager")
        del params

    def __exit__(self, exc_type, exc_value, traceback):
        self.module.train()

    def update_params(self, updated_params):
        model = self.model_runner.model
        model.load_weights(updated_params.items())
