from typing import List, Optional, Tuple

from vllm import LLM, SamplingParams

_ENGINE: Optional["ScoringEngine"] = None


class ScoringEngine:
    """Log-likelihoods from vLLM; one engine draws the candidates and scores them."""

    def __init__(self, model_path: str, **vllm_kwargs):
        defaults = dict(
            dtype="bfloat16",
            max_model_len=320,
            enforce_eager=True,
            gpu_memory_utilization=0.5,
            max_seq_len_to_capture=320,
            disable_log_stats=True,
        )
        defaults.update(vllm_kwargs)
        self.llm = LLM(model=model_path, **defaults)
        self.tokenizer = self.llm.get_tokenizer()

    def draw(self, prompt_ids: List[List[int]], n: int, temperature: float, top_p: float, max_tokens: int):
        # logprobs: cumulative_logprob is None without
        params = SamplingParams(n=n, temperature=temperature, top_p=top_p, max_tokens=max_tokens, logprobs=0)
        return self.llm.generate(prompt_token_ids=prompt_ids, sampling_params=params, use_tqdm=False)

    def loglikelihood(self, pairs: List[Tuple[List[int], List[int]]]) -> List[List[float]]:
        """Per-token log-probabilities of the continuations, given their contexts."""
        params = SamplingParams(temperature=0, max_tokens=1, prompt_logprobs=1, detokenize=False)
        requests = [context + continuation for context, continuation in pairs]
        outputs = self.llm.generate(prompt_token_ids=requests, sampling_params=params, use_tqdm=False)
        scores = []
        for (context, continuation), output in zip(pairs, outputs):
            # the first entry is None: nothing precedes the first token
            steps = output.prompt_logprobs[len(context) :]
            scores.append([step[token].logprob for step, token in zip(steps, continuation)])
        return scores


def get_engine(model_path: str, **kwargs) -> ScoringEngine:
    global _ENGINE
    if _ENGINE is None:
        _ENGINE = ScoringEngine(model_path, **kwargs)
    return _ENGINE
