"""A rollout engine that is driven step by step, so that the trainer can look in between."""
import logging
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Deque, Dict, Iterable, List, Optional, Tuple

import torch
from vllm import EngineArgs, LLMEngine, RequestOutput, SamplingParams
from vllm.utils import Counter, random_uuid

log = logging.getLogger("rollout")


@dataclass
class Pending:
    request_id: str
    prompt_ids: List[int]
    submitted: float = field(default_factory=time.monotonic)


class StepEngine:
    def __init__(self, model: str, max_in_flight: int = 8, **engine_kwargs):
        args = EngineArgs(
            model=model,
            disable_log_stats=True,
            disable_async_output_proc=True,
            preemption_mode="recompute",
            **engine_kwargs,
        )
        self.engine = LLMEngine.from_engine_args(args)
        self.max_model_len = self.engine.get_model_config().max_model_len
        self.tokenizer = self.engine.get_tokenizer()
        self.max_in_flight = max_in_flight
        self.counter = Counter()
        self.session = random_uuid()[:8]
        self.queue: Deque[Tuple[List[int], SamplingParams]] = deque()
        self.pending: Dict[str, Pending] = {}

    def submit(self, prompt_ids: List[int], params: SamplingParams) -> None:
        if len(prompt_ids) + params.max_tokens > self.max_model_len:
            raise ValueError("prompt is too long")
        self.queue.append((prompt_ids, params))

    def _fill(self) -> None:
        while self.queue and self.engine.get_num_unfinished_requests() < self.max_in_flight:
            prompt_ids, params = self.queue.popleft()
            request_id = f"{self.session}-{next(self.counter)}"
            self.engine.add_request(request_id, {"prompt_token_ids": prompt_ids}, params)
            self.pending[request_id] = Pending(request_id, prompt_ids)

    def run(self, give_up_after: Optional[int] = None) -> Iterable[RequestOutput]:
        """Yield requests as they finish. With `give_up_after`, stragglers are aborted after so many finished."""
        finished = 0
        self._fill()
        while self.engine.has_unfinished_requests() or self.queue:
            for output in self.engine.step():
                if not output.finished:
                    continue
                self.pending.pop(output.request_id, None)
                finished += 1
                yield output
            if give_up_after is not None and finished >= give_up_after:
                self._abort_rest()
                return
            self._fill()

    def _abort_rest(self) -> None:
        self.queue.clear()
        for request_id in list(self.pending):
            self.engine.abort_request(request_id)
            del self.pending[request_id]
        while self.engine.has_unfinished_requests():
            self.engine.step()

    def load_weights(self, weights: Iterable[Tuple[str, torch.Tensor]]) -> None:
        assert not self.engine.has_unfinished_requests(), "weights change between rounds only"
        model = self.engine.model_executor.driver_worker.model_runner.model
        model.load_weights(weights)
