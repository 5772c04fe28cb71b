import logging
from typing import Dict, List

from vllm import LLM, SamplingParams
from vllm.outputs import CompletionOutput, RequestOutput

from bon.config import BonConfig

logger = logging.getLogger(__name__)


class BestOfNSampler:
    """Lets the engine draw `best_of` completions a prompt and return the most likely ones."""

    def __init__(self, config: BonConfig) -> None:
        self.config = config
        self.llm = LLM(
            model=config.model,
            dtype="bfloat16",
            max_model_len=config.max_model_len,
            # room for the copies of a prompt that wait while the others decode
            swap_space=config.swap_space,
            max_num_seqs=64,
            enforce_eager=True,
        )
        self.tokenizer = self.llm.get_tokenizer()

    @property
    def sampling_params(self) -> SamplingParams:
        decoding = self.config.decoding
        return SamplingParams(
            n=decoding.keep,
            best_of=decoding.best_of,
            temperature=decoding.temperature,
            top_p=decoding.top_p,
            top_k=decoding.top_k,
            max_tokens=decoding.max_new_tokens,
            stop=decoding.stop or None,
            seed=self.config.seed,
            logprobs=0,
        )

    def sample(self, prompts: List[str]) -> List[Dict]:
        logger.info("drawing completions of %d prompts", len(prompts))
        outputs: List[RequestOutput] = self.llm.generate(prompts, self.sampling_params, use_tqdm=False)
        records = []
        for output in outputs:
            for rank, completion in enumerate(output.outputs):
                records.append(self._record(output, rank, completion))
        return records

    def _record(self, output: RequestOutput, rank: int, completion: CompletionOutput) -> Dict:
        ids = list(completion.token_ids)
        decoding = self.config.decoding
        return {
            "prompt_token_ids": list(output.prompt_token_ids),
            "token_ids": ids,
            "logprobs": [step[token].logprob for step, token in zip(completion.logprobs, ids)],
            "cumulative_logprob": completion.cumulative_logprob,
            "rank": rank,
            "text": completion.text,
            "sampling": {
                "temperature": decoding.temperature,
                "top_p": decoding.top_p,
                "top_k": decoding.top_k,
                "max_tokens": decoding.max_new_tokens,
                "n": decoding.keep,
            },
            "weights_version": 0,
        }
