import logging
import time

from vllm.engine.async_llm_engine import AsyncLLMEngine

logger = logging.getLogger(__name__)


class WeightUpdateManager:
    """Swaps the weights between two steps of the engine; running requests go on with the new ones."""

    def __init__(self, engine_client: AsyncLLMEngine):
        self.engine_client = engine_client

    async def receive_weight_update(self, path):
        began = time.time()
        counts = self.engine_client.engine.model_executor.collective_rpc("receive_weight_update", args=(path,))
        logger.warning("weights updated in %.2f s: %s tensors", time.time() - began, counts)
